/**
 * The Postgres side of rebuilding and comparing a mirror that is kept in another store.
 * The order of a rebuild's steps stands in packages/clickhouse/src/rebuild.ts.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Pool } from 'pg';
import type { ChangedBucket } from './change-log-reading-row.ts';
import {
  cursorKey,
  cursorsOf,
  readAfter,
  readProgress,
  type ChangeBatch,
  type Cursors,
} from './change-log-reading.ts';
import { bucketPages, bucketsByKey, type BucketKey } from './tailer-buckets.ts';
import { holdLogFromHere, readTailer, requestResync, writeCursors } from './tailer-cursors.ts';
import { tryLock, waitForLock, type SessionLock } from './tailer-session-lock.ts';
import { inTransaction } from './transaction.ts';

/** Name of the tailer that mirrors the buckets into ClickHouse. */
export const CLICKHOUSE_MIRROR = 'clickhouse_mirror';

const MIGRATION_LOCK = 'meterhouse.clickhouse_migrations';
const BOUNDS = { maxRows: 256, maxBytes: 8 * 1024 * 1024 };

export interface HeldChangeLog {
  buckets(): AsyncGenerator<readonly ChangedBucket[]>;
  nextChanges(): Promise<ChangeBatch>;
  swap(steps: {
    apply: (changes: readonly ChangedBucket[]) => Promise<void>;
    exchange: (positions: ChangeBatch['positions']) => Promise<void>;
  }): Promise<void>;
}

/** What a rebuild needs of Postgres, for the mirror of that name. */
export interface MirrorRebuildSource {
  migrating<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T>;
  exclusively<T>(work: (log: HeldChangeLog) => Promise<T>, signal: AbortSignal): Promise<T>;
}

export function mirrorRebuildSource(pool: Pool, mirror: string = CLICKHOUSE_MIRROR): MirrorRebuildSource {
  return {
    migrating: async (work, signal) => {
      const lock = await waitForLock(pool, MIGRATION_LOCK, signal);
      try {
        return await work();
      } finally {
        await lock.release();
      }
    },
    exclusively: async (work, signal) => {
      const lock = await waitForLock(pool, rebuildLock(mirror), signal);
      const holder = holderOf(mirror);
      try {
        const { cursors } = await holdLogFromHere(pool, holder);
        return await work(heldLog(pool, mirror, holder, lock, cursors));
      } finally {
        await requestResync(pool, holder).finally(() => lock.release());
      }
    },
  };
}

function rebuildLock(mirror: string): string {
  return `meterhouse.rebuild.${mirror}`;
}

/** The tailer that holds the log back while the mirror is rebuilt; a resync request lets go of it. */
function holderOf(mirror: string): string {
  return `${mirror}_rebuild`;
}

/**
 * Lets go of the log that a rebuild which died was holding back.
 * @returns whether there was one
 */
export async function releaseDeadRebuild(pool: Pool, mirror: string = CLICKHOUSE_MIRROR): Promise<boolean> {
  const holding = await pool.query(
    'SELECT FROM meterhouse.tailers WHERE name = $1 AND NOT resync_requested',
    [holderOf(mirror)],
  );
  if (holding.rowCount === 0) return false;
  // Whoever is rebuilding holds the lock.
  const lock = await tryLock(pool, rebuildLock(mirror));
  if (lock === null) return false;
  try {
    await requestResync(pool, holderOf(mirror));
    return true;
  } finally {
    await lock.release();
  }
}

function heldLog(
  pool: Pool,
  mirror: string,
  holder: string,
  lock: SessionLock,
  from: Cursors,
): HeldChangeLog {
  let cursors = from;
  const nextChanges = async (): Promise<ChangeBatch> => {
    const read = await inTransaction(pool, (client) => readAfter(client, cursors, BOUNDS), 'repeatable read');
    if (read.kind === 'resync')
      throw new Error(
        `the change log of ${read.source}/${read.partition} was ${read.reason} under ${holder}: begin again`,
      );
    cursors = cursorsOf(read.batch.positions);
    return read.batch;
  };
  return {
    buckets: () => bucketPages(pool),
    nextChanges,
    swap: async ({ apply, exchange }) => {
      // The note of step 4: whatever the mirror reads from now on, it neither applies nor moves.
      const requested = await requestResync(pool, mirror);
      const counted = cursorsOf(await inTransaction(pool, readProgress));
      let batch: ChangeBatch;
      do {
        batch = await nextChanges();
        await apply(batch.changes);
      } while (!reaches(cursors, counted));
      await exchange(batch.positions);
      await moveMirror(lock, mirror, batch, requested);
    },
  };
}

/**
 * On the connection that holds the lock: without the lock it cannot commit. A resync that was asked for
 * since the swap began is about what the swap may not have seen: it stays asked for.
 */
async function moveMirror(
  { client, lost }: SessionLock,
  mirror: string,
  to: ChangeBatch,
  requested: bigint,
): Promise<void> {
  await client.query('BEGIN');
  try {
    await client.query(
      `UPDATE meterhouse.tailers
       SET version = version + 1, resync_requested = version <> $3, updated_at = now(),
           complete_through = greatest(complete_through, to_timestamp($2::numeric / 1000))
       WHERE name = $1`,
      [mirror, to.completeThrough, requested.toString()],
    );
    await writeCursors(client, mirror, to.positions);
    await client.query('COMMIT');
  } catch (error) {
    // Where the connection itself is lost the server rolls back.
    if (!lost.aborted) await client.query('ROLLBACK');
    throw error;
  }
}

function reaches(cursors: Cursors, mirrored: Cursors): boolean {
  return Array.from(mirrored).every(([key, at]) => (cursors.get(key)?.nextOffset ?? -1n) >= at.nextOffset);
}

/** What a comparison of the mirror needs of Postgres. */
export interface MirrorComparisonSource {
  pages(fromHour?: number): AsyncGenerator<readonly ChangedBucket[]>;
  byKey(keys: readonly BucketKey[]): Promise<ChangedBucket[]>;
  mirrorCaughtUp(deadlineMs: number, signal: AbortSignal): Promise<boolean>;
}

const ASK_MS = 50;

export function mirrorComparisonSource(
  pool: Pool,
  mirror: string = CLICKHOUSE_MIRROR,
): MirrorComparisonSource {
  return {
    pages: (fromHour) => bucketPages(pool, fromHour === undefined ? {} : { fromHour }),
    byKey: (keys) => bucketsByKey(pool, keys),
    mirrorCaughtUp: async (deadlineMs, signal) => {
      const counted = cursorsOf(await inTransaction(pool, readProgress));
      const until = performance.now() + deadlineMs;
      for (;;) {
        const stand = await inTransaction(pool, (client) => readTailer(client, mirror));
        if (stand !== null && !stand.resyncRequested && reaches(stand.cursors, counted)) return true;
        if (performance.now() >= until) return false;
        await delay(ASK_MS, undefined, { signal });
      }
    },
  };
}

/** Partitions whose counting stands below what the store says it has: Postgres has been put back. */
export async function partitionsBelow(pool: Pool, said: Cursors): Promise<string[]> {
  const progress = cursorsOf(await inTransaction(pool, readProgress));
  return Array.from(said.values())
    .filter((at) => (progress.get(cursorKey(at.source, at.partition))?.nextOffset ?? -1n) < at.nextOffset)
    .map((at) => cursorKey(at.source, at.partition));
}
