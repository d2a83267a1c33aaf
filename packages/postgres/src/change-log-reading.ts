/**
 * Reads what changed after a set of cursors, together with how far counting had come at that very
 * moment: only so can a reader say up to when it is complete.
 */
import type { ClientBase } from 'pg';
import {
  continuationOf,
  interleave,
  parseChanges,
  type ChangedBucket,
  type LogRow,
} from './change-log-reading-row.ts';
import type { FlushTrace } from './flush-trace.ts';
import { PROCESSED_THROUGH } from './processed-through.ts';

export interface Cursor {
  readonly source: string;
  readonly partition: number;
  /** Everything below is known to the reader. */
  readonly nextOffset: bigint;
}

/** Cursors by `cursorKey`. */
export type Cursors = ReadonlyMap<string, Cursor>;

export function cursorKey(source: string, partition: number): string {
  // A topic's name holds no slash.
  return `${source}/${partition}`;
}

export function cursorsOf(list: Iterable<Cursor>): Cursors {
  return new Map(Array.from(list, (cursor) => [cursorKey(cursor.source, cursor.partition), cursor]));
}

export interface ReadBounds {
  /** Change-log rows (flushes) in one read. */
  readonly maxRows: number;
  /** Bytes of their text. A read ends with the row that goes over. */
  readonly maxBytes: number;
}

export interface PartitionPosition extends Cursor {
  /** Where counting stood when this was read. */
  readonly progressOffset: bigint;
  /**
   * Epoch ms: with these changes applied, everything that the source had before this instant is
   * known. Null when more changes follow, or when counting itself has no watermark yet.
   */
  readonly completeThrough: number | null;
}

export interface ChangeBatch {
  /** In offset order within a partition. A bucket may occur several times; the highest revision counts. */
  readonly changes: readonly ChangedBucket[];
  /** Of the flushes that made them, those that were traced. */
  readonly flushes: readonly FlushTrace[];
  /** Where each partition stands once the changes are applied. */
  readonly positions: readonly PartitionPosition[];
  /** The least of the positions' completeThrough; null when one of them has none, or there are none. */
  readonly completeThrough: number | null;
  /** More changes wait in the log than the bounds let through. */
  readonly more: boolean;
}

/** Why a reader cannot go on from its cursors and has to start from usage_hourly. */
export type ResyncReason = 'requested' | 'pruned' | 'rewound' | 'first_start' | 'store_lost_data';

export type ReadResult =
  | { readonly kind: 'batch'; readonly batch: ChangeBatch }
  | {
      readonly kind: 'resync';
      readonly reason: ResyncReason;
      readonly source: string;
      readonly partition: number;
    };

export interface Progress extends Cursor {
  /** Epoch ms. */
  readonly processedThrough: number | null;
}

/**
 * @param client in a REPEATABLE READ transaction: progress and log have to belong together
 * @param cursors a partition without one starts at the first row of its log, so a new reader begins
 *   with cursors taken together with usage_hourly
 */
export async function readAfter(
  client: ClientBase,
  cursors: Cursors,
  bounds: ReadBounds,
): Promise<ReadResult> {
  const progress = await readProgress(client);
  const log = await rowsAfter(client, progress, cursors, bounds.maxRows);
  const continued: (readonly LogRow[])[] = [];
  for (const at of progress) {
    const key = cursorKey(at.source, at.partition);
    const next = continuationOf(cursors.get(key)?.nextOffset ?? null, log.get(key) ?? [], at.nextOffset);
    if (next.kind === 'broken')
      return { kind: 'resync', reason: next.why, source: at.source, partition: at.partition };
    continued.push(next.rows);
  }
  const { read, ...fetched } = await fetchChanges(
    client,
    interleave(continued, bounds.maxRows),
    bounds.maxBytes,
  );
  return { kind: 'batch', batch: batchOf(fetched, progress, cursors, read) };
}

/** How far each partition has been counted, in a fixed order. */
export async function readProgress(client: ClientBase): Promise<Progress[]> {
  const result = await client.query<{
    source: string;
    partition: number;
    next_offset: string;
    processed_through: string | null;
  }>(
    // Cut to the millisecond, downwards: a watermark may be late, never early.
    `SELECT source, partition, next_offset, floor(extract(epoch FROM ${PROCESSED_THROUGH}) * 1000)::bigint AS processed_through
     FROM meterhouse.progress ORDER BY source, partition`,
  );
  return result.rows.map((row) => ({
    source: row.source,
    partition: row.partition,
    nextOffset: BigInt(row.next_offset),
    processedThrough: row.processed_through === null ? null : Number(row.processed_through),
  }));
}

/** Keys of the rows above each cursor, without their changes: those are fetched up to the bound in bytes. */
async function rowsAfter(
  client: ClientBase,
  progress: readonly Progress[],
  cursors: Cursors,
  maxRows: number,
): Promise<Map<string, LogRow[]>> {
  const result = await client.query<{
    source: string;
    partition: number;
    from_offset: string;
    next_offset: string;
  }>(
    `SELECT at.source, at.partition, log.from_offset, log.next_offset
     FROM unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[]) AS at(source, partition, cursor, progress)
     CROSS JOIN LATERAL (
       SELECT from_offset, next_offset FROM meterhouse.change_log
       WHERE source = at.source AND partition = at.partition
         AND next_offset > at.cursor AND next_offset <= at.progress
       ORDER BY next_offset LIMIT $5
     ) AS log`,
    [
      progress.map((at) => at.source),
      progress.map((at) => at.partition),
      progress.map((at) => (cursors.get(cursorKey(at.source, at.partition))?.nextOffset ?? -1n).toString()),
      progress.map((at) => at.nextOffset.toString()),
      maxRows,
    ],
  );
  const log = new Map<string, LogRow[]>();
  for (const row of result.rows) {
    const key = cursorKey(row.source, row.partition);
    const rows = log.get(key) ?? [];
    rows.push({
      source: row.source,
      partition: row.partition,
      fromOffset: BigInt(row.from_offset),
      nextOffset: BigInt(row.next_offset),
    });
    log.set(key, rows);
  }
  return log;
}

interface LoggedFlush {
  /** Text of the JSON array. */
  readonly changes: string;
  /** As our own flush wrote it. */
  readonly trace: FlushTrace | null;
}

/** Rows fetched at a time: what a read may hold beyond its bound in bytes. */
const FETCH_ROWS = 16;

type Fetched = Pick<ChangeBatch, 'changes' | 'flushes'>;

async function fetchChanges(
  client: ClientBase,
  rows: readonly LogRow[],
  maxBytes: number,
): Promise<Fetched & { read: readonly LogRow[] }> {
  const changes: ChangedBucket[] = [];
  const flushes: FlushTrace[] = [];
  let bytes = 0;
  let read = 0;
  for (; read < rows.length && bytes < maxBytes; read += FETCH_ROWS) {
    for (const row of await changesText(client, rows.slice(read, read + FETCH_ROWS))) {
      bytes += row.changes.length;
      for (const change of parseChanges(row.changes)) changes.push(change);
      if (row.trace !== null) flushes.push(row.trace);
    }
  }
  return { changes, flushes, read: rows.slice(0, read) };
}

async function changesText(client: ClientBase, rows: readonly LogRow[]): Promise<LoggedFlush[]> {
  const result = await client.query<LoggedFlush>(
    `SELECT log.changes::text AS changes, log.trace
     FROM unnest($1::text[], $2::int[], $3::bigint[]) WITH ORDINALITY AS wanted(source, partition, next_offset, place)
     JOIN meterhouse.change_log AS log USING (source, partition, next_offset)
     ORDER BY place`,
    [
      rows.map((row) => row.source),
      rows.map((row) => row.partition),
      rows.map((row) => row.nextOffset.toString()),
    ],
  );
  if (result.rows.length !== rows.length)
    throw new Error(`change_log gave ${result.rows.length} of ${rows.length} rows within one snapshot`);
  return result.rows;
}

/**
 * Sources whose events the broker's watermark has covered before: replays from quarantine. They have
 * no watermark of their own and hold nobody else's back once they are passed on.
 */
const WITHOUT_WATERMARK: ReadonlySet<string> = new Set(['quarantine']);

function batchOf(
  fetched: Fetched,
  progress: readonly Progress[],
  cursors: Cursors,
  read: readonly LogRow[],
): ChangeBatch {
  const reached = new Map(read.map((row) => [cursorKey(row.source, row.partition), row.nextOffset]));
  const stands = progress.map((at) => {
    const key = cursorKey(at.source, at.partition);
    // A partition that has progress but no row yet: nothing of it was counted, so it starts there.
    return { at, nextOffset: reached.get(key) ?? cursors.get(key)?.nextOffset ?? at.nextOffset };
  });
  const completeThrough = completeThroughOf(stands);
  return {
    ...fetched,
    positions: stands.map(({ at, nextOffset }) => ({
      source: at.source,
      partition: at.partition,
      nextOffset,
      progressOffset: at.nextOffset,
      completeThrough:
        nextOffset < at.nextOffset
          ? null
          : WITHOUT_WATERMARK.has(at.source)
            ? completeThrough
            : at.processedThrough,
    })),
    completeThrough,
    more: stands.some(({ at, nextOffset }) => nextOffset < at.nextOffset),
  };
}

function completeThroughOf(stands: readonly { at: Progress; nextOffset: bigint }[]): number | null {
  let least: number | null = null;
  for (const { at, nextOffset } of stands) {
    if (nextOffset < at.nextOffset) return null;
    if (WITHOUT_WATERMARK.has(at.source)) continue;
    if (at.processedThrough === null) return null;
    if (least === null || at.processedThrough < least) least = at.processedThrough;
  }
  return least;
}
