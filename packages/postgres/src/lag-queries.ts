/** How far counting and its tailers have come, and a person's way to let a halted partition go on. */
import type { Pool } from 'pg';
import { appendAudit, person } from './access/audit-log.ts';
import type { Db } from './pool.ts';
import { PROCESSED_THROUGH } from './processed-through.ts';
import { inTransaction } from './transaction.ts';

export interface CountingProgress {
  readonly source: string;
  readonly partition: number;
  readonly nextOffset: bigint;
  /** Everything that the source had before this instant is counted or quarantined. */
  readonly processedThrough: Date | null;
  readonly haltedReason: string | null;
}

export async function readCountingProgress(db: Db): Promise<readonly CountingProgress[]> {
  const result = await db.query<{
    source: string;
    partition: number;
    next_offset: string;
    processed_through: Date | null;
    halted_reason: string | null;
  }>(
    // Cut to the millisecond, downwards: a watermark may be late, never early.
    `SELECT source, partition, next_offset, date_trunc('milliseconds', ${PROCESSED_THROUGH}) AS processed_through, halted_reason
     FROM meterhouse.progress ORDER BY source, partition`,
  );
  return result.rows.map((row) => ({
    source: row.source,
    partition: row.partition,
    nextOffset: BigInt(row.next_offset),
    processedThrough: row.processed_through,
    haltedReason: row.halted_reason,
  }));
}

export interface TailerLag {
  readonly name: string;
  /** Everything that had been counted by this instant has been passed on. */
  readonly completeThrough: Date | null;
  /** It starts again from usage_hourly; until then its rows behind say nothing. */
  readonly resyncRequested: boolean;
  /** Change-log rows (flushes) that it has not passed on yet. */
  readonly rowsBehind: bigint;
}

export async function readTailerLag(db: Db): Promise<readonly TailerLag[]> {
  const result = await db.query<{
    name: string;
    complete_through: Date | null;
    resync_requested: boolean;
    rows_behind: string;
  }>(
    `SELECT t.name, date_trunc('milliseconds', t.complete_through) AS complete_through, t.resync_requested,
            (SELECT count(*) FROM meterhouse.change_log AS l
             LEFT JOIN meterhouse.tailer_cursors AS c
               ON c.tailer = t.name AND c.source = l.source AND c.partition = l.partition
             WHERE l.next_offset > coalesce(c.next_offset, -1)) AS rows_behind
     FROM meterhouse.tailers AS t ORDER BY t.name`,
  );
  return result.rows.map((row) => ({
    name: row.name,
    completeThrough: row.complete_through,
    resyncRequested: row.resync_requested,
    rowsBehind: BigInt(row.rows_behind),
  }));
}

/** A person's decision to let a halted partition go on from another offset. */
export interface Resumption {
  readonly source: string;
  readonly partition: number;
  readonly toOffset: bigint;
  readonly because: string;
  readonly by: string;
}

export interface HaltedPartition {
  readonly fromOffset: bigint;
  readonly haltedReason: string;
}

/**
 * Moves a halted partition's next offset and lifts the halt; the decision is kept, and audited.
 * @returns what the partition stood at, or null when it is not halted: then nothing is changed
 */
export async function resumePartition(pool: Pool, resumption: Resumption): Promise<HaltedPartition | null> {
  return inTransaction(pool, async (client) => {
    const found = await client.query<{ next_offset: string; halted_reason: string }>(
      `SELECT next_offset, halted_reason FROM meterhouse.progress
       WHERE source = $1 AND partition = $2 AND halted_reason IS NOT NULL FOR UPDATE`,
      [resumption.source, resumption.partition],
    );
    const row = found.rows[0];
    if (row === undefined) return null;
    await client.query(
      `INSERT INTO meterhouse.partition_resumptions (source, partition, from_offset, to_offset, halted_reason, because, by)
       VALUES ($1, $2, $3, $4, $5, $6, $7)`,
      [
        resumption.source,
        resumption.partition,
        row.next_offset,
        resumption.toOffset.toString(),
        row.halted_reason,
        resumption.because,
        resumption.by,
      ],
    );
    await client.query(
      `UPDATE meterhouse.progress SET next_offset = $3, halted_reason = NULL, updated_at = now()
       WHERE source = $1 AND partition = $2`,
      [resumption.source, resumption.partition, resumption.toOffset.toString()],
    );
    await appendAudit(client, {
      actor: person(resumption.by),
      action: 'partition.resume',
      tenantId: null,
      target: `${resumption.source}/${resumption.partition}`,
      outcome: 'done',
      details: { fromOffset: row.next_offset, toOffset: resumption.toOffset.toString() },
    });
    return { fromOffset: BigInt(row.next_offset), haltedReason: row.halted_reason };
  });
}

/** An offset range of a partition that a person has given up. `toOffset` below `fromOffset`: the topic was made anew. */
export interface ResumedRange {
  readonly source: string;
  readonly partition: number;
  readonly fromOffset: bigint;
  readonly toOffset: bigint;
  readonly at: Date;
  readonly by: string;
  readonly because: string;
}

export async function readResumptions(db: Db, source: string): Promise<readonly ResumedRange[]> {
  const result = await db.query<{
    source: string;
    partition: number;
    from_offset: string;
    to_offset: string;
    at: Date;
    by: string;
    because: string;
  }>(
    `SELECT source, partition, from_offset, to_offset, at, by, because
     FROM meterhouse.partition_resumptions WHERE source = $1 ORDER BY id`,
    [source],
  );
  return result.rows.map((row) => ({
    source: row.source,
    partition: row.partition,
    fromOffset: BigInt(row.from_offset),
    toOffset: BigInt(row.to_offset),
    at: row.at,
    by: row.by,
    because: row.because,
  }));
}
