import type { PoolClient } from 'pg';
import type { Db } from '../pool.ts';
import { PROCESSED_THROUGH } from '../processed-through.ts';

export interface LockedProgress {
  readonly nextOffset: bigint;
  readonly haltedReason: string | null;
  readonly registryVersion: bigint;
  /** Number of this flush; stands in every row that it makes. */
  readonly flushId: bigint;
  /** Whether events wait in quarantine that could have become countable since. */
  readonly redeemable: boolean;
}

/**
 * Takes the partition for this transaction. The registry is held with a shared lock, so that no
 * tenant or metric changes between the check and the commit.
 */
export async function lockProgress(
  client: PoolClient,
  source: string,
  partition: number,
): Promise<LockedProgress | null> {
  const result = await client.query<{
    next_offset: string;
    halted_reason: string | null;
    version: string;
    flush_id: string;
    redeemable: boolean;
  }>({
    name: 'flush-lock-progress',
    text: `SELECT next_offset, halted_reason, nextval('meterhouse.flush_id') AS flush_id,
                  (SELECT version FROM meterhouse.registry_version) AS version,
                  EXISTS (SELECT 1 FROM meterhouse.quarantine
                          WHERE status IN ('waiting', 'replay_requested')
                            AND reason IN ('unknown_tenant', 'unknown_metric', 'wrong_unit', 'invalid_value', 'too_old', 'in_the_future')
                         ) AS redeemable
           FROM (SELECT pg_advisory_xact_lock_shared(hashtext('meterhouse.registry'))) AS registry_lock,
                meterhouse.progress
           WHERE source = $1 AND partition = $2
           FOR UPDATE OF progress`,
    values: [source, partition],
  });
  const row = result.rows[0];
  if (row === undefined) return null;
  return {
    nextOffset: BigInt(row.next_offset),
    haltedReason: row.halted_reason,
    registryVersion: BigInt(row.version),
    flushId: BigInt(row.flush_id),
    redeemable: row.redeemable,
  };
}

export interface PartitionProgress {
  readonly partition: number;
  readonly nextOffset: bigint;
  readonly processedThrough: Date | null;
  readonly haltedReason: string | null;
}

/** Where every partition of a source stands. */
export async function readProgress(db: Db, source: string): Promise<readonly PartitionProgress[]> {
  const result = await db.query<{
    partition: number;
    next_offset: string;
    processed_through: Date | null;
    halted_reason: string | null;
  }>(
    `SELECT partition, next_offset, ${PROCESSED_THROUGH} AS processed_through, halted_reason
     FROM meterhouse.progress WHERE source = $1 ORDER BY partition`,
    [source],
  );
  return result.rows.map((row) => ({
    partition: row.partition,
    nextOffset: BigInt(row.next_offset),
    processedThrough: row.processed_through,
    haltedReason: row.halted_reason,
  }));
}

/** Makes the rows of partitions seen for the first time; where there is one already it stays. */
export async function ensureProgress(
  db: Db,
  source: string,
  starts: readonly { partition: number; offset: bigint }[],
): Promise<void> {
  await db.query(
    `INSERT INTO meterhouse.progress (source, partition, next_offset)
     SELECT $1, s.partition, s.next_offset FROM unnest($2::integer[], $3::bigint[]) AS s(partition, next_offset)
     ON CONFLICT (source, partition) DO NOTHING`,
    [source, starts.map((start) => start.partition), starts.map((start) => start.offset.toString())],
  );
}

/**
 * Says that partitions are complete through an instant, where they have been counted up to the log
 * end that was asked for at that instant. Never moves backwards. A row that a flush holds is left
 * out: that flush brings its own instant.
 */
export async function advanceProcessedThrough(
  db: Db,
  source: string,
  marks: readonly { partition: number; logEnd: bigint; at: Date }[],
): Promise<void> {
  await db.query({
    name: 'advance-processed-through',
    text: `WITH free AS (
             SELECT p.source, p.partition, m.at
             FROM meterhouse.progress AS p
             JOIN unnest($2::integer[], $3::bigint[], $4::timestamptz[]) AS m(partition, log_end, at) USING (partition)
             WHERE p.source = $1 AND p.next_offset >= m.log_end AND p.halted_reason IS NULL
               AND (p.processed_through IS NULL OR p.processed_through < m.at)
             FOR UPDATE OF p SKIP LOCKED
           )
           UPDATE meterhouse.progress AS p SET processed_through = free.at, updated_at = now()
           FROM free WHERE p.source = free.source AND p.partition = free.partition`,
    values: [
      source,
      marks.map((mark) => mark.partition),
      marks.map((mark) => mark.logEnd.toString()),
      marks.map((mark) => mark.at.toISOString()),
    ],
  });
}

/**
 * Stops a partition whose log no longer holds what comes next, with the reason that `meterhouse lag`
 * shows. Decided by the row itself: another worker may be further than we know.
 * @param log the partition's log as it is now
 * @returns the reason when the partition was stopped
 */
export async function haltIfLost(
  db: Db,
  source: string,
  partition: number,
  log: { low: bigint; high: bigint },
): Promise<string | null> {
  const result = await db.query<{ halted_reason: string }>(
    `UPDATE meterhouse.progress SET updated_at = now(), halted_reason = CASE
         WHEN next_offset < $3::bigint
         THEN format('the log starts at %s, above the next offset %s: events were deleted before they were counted', $3, next_offset)
         ELSE format('the log ends at %s, below the next offset %s: the topic was made anew', $4, next_offset) END
     WHERE source = $1 AND partition = $2 AND halted_reason IS NULL
       AND (next_offset < $3::bigint OR next_offset > $4::bigint)
     RETURNING halted_reason`,
    [source, partition, log.low.toString(), log.high.toString()],
  );
  return result.rows[0]?.halted_reason ?? null;
}
