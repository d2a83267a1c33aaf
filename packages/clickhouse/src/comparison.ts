/** Postgres' buckets against the mirror's, in one pass over both. Pure but for the pages it is handed. */
import { mirrorKeyText, type MirrorKey, type MirroredBucket } from './usage-hourly-row.ts';

/** A bucket that is not the same on both sides; null where a side has none. */
export interface Difference {
  readonly key: MirrorKey;
  readonly postgres: MirroredBucket | null;
  readonly clickhouse: MirroredBucket | null;
}

type Pages = AsyncIterable<readonly MirroredBucket[]>;

/**
 * Yields what differs. Both sides come in the order of (tenant, metric, hour); within one of these
 * the two sort attributes differently, so those buckets are compared as a set. Held in memory: a page
 * of each side and the buckets of one tenant's metric in one hour.
 * @param counts grows as the pass goes on
 */
export async function* differences(
  postgres: Pages,
  clickhouse: Pages,
  counts: { postgresBuckets: number; clickhouseBuckets: number },
): AsyncGenerator<Difference> {
  const left = groups(postgres);
  const right = groups(clickhouse);
  let a = await left.next();
  let b = await right.next();
  while (a.done !== true || b.done !== true) {
    const order = a.done === true ? 1 : b.done === true ? -1 : compareGroups(a.value, b.value);
    const mine = a.done !== true && order <= 0 ? a.value : [];
    const theirs = b.done !== true && order >= 0 ? b.value : [];
    counts.postgresBuckets += mine.length;
    counts.clickhouseBuckets += theirs.length;
    yield* groupDifferences(mine, theirs);
    if (order <= 0) a = await left.next();
    if (order >= 0) b = await right.next();
  }
}

/** Buckets of one (tenant, metric, hour) at a time. */
async function* groups(pages: Pages): AsyncGenerator<readonly MirroredBucket[], undefined> {
  let group: MirroredBucket[] = [];
  for await (const page of pages)
    for (const bucket of page) {
      const first = group[0];
      if (first !== undefined && compareHours(first, bucket) !== 0) {
        yield group;
        group = [];
      }
      group.push(bucket);
    }
  if (group.length > 0) yield group;
}

function compareGroups(a: readonly MirroredBucket[], b: readonly MirroredBucket[]): number {
  const [first] = a;
  const [second] = b;
  if (first === undefined || second === undefined) throw new Error('a group holds at least one bucket');
  return compareHours(first, second);
}

function compareHours(a: MirrorKey, b: MirrorKey): number {
  return compareText(a.tenantId, b.tenantId) || compareText(a.metric, b.metric) || a.hour - b.hour;
}

/** Bytes of UTF-8: the order of ClickHouse's strings and of Postgres' "C" collation. */
function compareText(a: string, b: string): number {
  return a === b ? 0 : Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function* groupDifferences(
  mine: readonly MirroredBucket[],
  theirs: readonly MirroredBucket[],
): Generator<Difference> {
  const unmatched = new Map(theirs.map((bucket) => [mirrorKeyText(bucket), bucket]));
  for (const bucket of mine) {
    const key = mirrorKeyText(bucket);
    const other = unmatched.get(key) ?? null;
    unmatched.delete(key);
    if (other === null || !sameBucket(bucket, other))
      yield { key: bucket, postgres: bucket, clickhouse: other };
  }
  for (const bucket of unmatched.values()) yield { key: bucket, postgres: null, clickhouse: bucket };
}

/** Every column, to the last digit. */
function sameBucket(a: MirroredBucket, b: MirroredBucket): boolean {
  return (
    a.revision === b.revision &&
    a.sum === b.sum &&
    a.count === b.count &&
    a.min === b.min &&
    a.max === b.max &&
    a.latest === b.latest &&
    a.latestTs === b.latestTs &&
    a.latestId === b.latestId
  );
}

/** What a difference turns out to be once both sides have been read again. */
export type Verdict = 'same' | 'different' | 'moving';

/**
 * @param before the mirror's revision when it was last read, 0 for none
 * @param postgres read after that; `clickhouse` read after the mirror had passed on all that Postgres
 *   held when it was read
 */
export function settle(
  before: bigint,
  postgres: MirroredBucket | null,
  clickhouse: MirroredBucket | null,
): Verdict {
  if (postgres === null) return clickhouse === null ? 'same' : 'different';
  // No mirror can be ahead of what Postgres held later.
  if (before > postgres.revision) return 'different';
  if (clickhouse === null || clickhouse.revision < postgres.revision) return 'different';
  if (clickhouse.revision > postgres.revision) return 'moving';
  return sameBucket(postgres, clickhouse) ? 'same' : 'different';
}
