/** The pure half of reading the change log: what a row says, and which rows follow a cursor without a gap. */
import { decimalFromStore, groupKey, type Bucket } from '@meterhouse/usage';

/** A bucket's absolute state after a flush. A higher revision replaces a lower one. */
export type ChangedBucket = Bucket & { readonly revision: bigint };

/** `changes` of one row, see schemas/postgres/0001_usage.sql. */
type ChangeTuple = [
  tenantId: string,
  metric: string,
  hour: number,
  attrs: Record<string, string>,
  sum: string,
  count: string,
  min: string,
  max: string,
  latest: string,
  latestTs: number,
  latestId: string,
  revision: string,
];

/** @param json the text of `change_log.changes`, which only our own flush writes */
export function parseChanges(json: string): ChangedBucket[] {
  return (JSON.parse(json) as ChangeTuple[]).map(
    ([tenantId, metric, hour, attrs, sum, count, min, max, latest, latestTs, latestId, revision]) => ({
      tenantId,
      metric,
      hour,
      attrsKey: attrsKeyOf(attrs),
      sum: decimalFromStore(sum),
      count: BigInt(count),
      min: decimalFromStore(min),
      max: decimalFromStore(max),
      latest: decimalFromStore(latest),
      latestTs,
      latestId,
      revision: BigInt(revision),
    }),
  );
}

/** The canonical text of a bucket's attributes: jsonb keeps another order of keys than we do. */
export function attrsKeyOf(attrs: Readonly<Record<string, string>>): string {
  return groupKey(Object.keys(attrs), attrs);
}

/** One row of the log without its changes. */
export interface LogRow {
  readonly source: string;
  readonly partition: number;
  readonly fromOffset: bigint;
  readonly nextOffset: bigint;
}

/** How a partition's log continues a cursor. */
export type Continuation =
  /** `rows` follow the cursor and each other; they may end before a gap, which the next read will meet. */
  | { readonly kind: 'rows'; readonly rows: readonly LogRow[] }
  /** The log does not hold what follows the cursor: only usage_hourly can say what changed. */
  | { readonly kind: 'broken'; readonly why: 'pruned' | 'rewound' };

/**
 * Rows have to continue each other exactly, so that no flush can be missed, whatever was deleted,
 * restored or set by hand.
 * @param cursor null when this tailer has never seen the partition: then the log's first row is the start
 * @param rows rows above the cursor, in offset order; `progress` the partition's next offset, read with them
 */
export function continuationOf(
  cursor: bigint | null,
  rows: readonly LogRow[],
  progress: bigint,
): Continuation {
  if (cursor === null) return { kind: 'rows', rows: unbroken(rows) };
  if (cursor > progress) return { kind: 'broken', why: 'rewound' };
  const first = rows[0];
  if (first === undefined)
    return cursor === progress ? { kind: 'rows', rows } : { kind: 'broken', why: 'pruned' };
  if (first.fromOffset > cursor) return { kind: 'broken', why: 'pruned' };
  if (first.fromOffset < cursor) return { kind: 'broken', why: 'rewound' };
  return { kind: 'rows', rows: unbroken(rows) };
}

function unbroken(rows: readonly LogRow[]): readonly LogRow[] {
  const gap = rows.findIndex((row, i) => i > 0 && row.fromOffset !== rows[i - 1]?.nextOffset);
  return gap === -1 ? rows : rows.slice(0, gap);
}

/** One row of each partition in turn, at most `maxRows`: a long backlog in one starves none of the others. */
export function interleave(partitions: readonly (readonly LogRow[])[], maxRows: number): LogRow[] {
  const taken: LogRow[] = [];
  for (let i = 0; taken.length < maxRows; i++) {
    const before = taken.length;
    for (const rows of partitions) {
      const row = rows[i];
      if (row !== undefined && taken.length < maxRows) taken.push(row);
    }
    if (taken.length === before) break;
  }
  return taken;
}
