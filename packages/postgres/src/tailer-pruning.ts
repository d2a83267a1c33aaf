/**
 * Rows of the change log go once every tailer is past them. A bound on the rows keeps a store that
 * is away for days from filling Postgres' disk: a tailer that is overtaken starts from usage_hourly.
 */
import type { Pool } from 'pg';
import { inTransaction } from './transaction.ts';
import { PRUNING_LOCK } from './tailer-cursors.ts';

export interface PruneResult {
  readonly deleted: number;
  /** Rows left in the log, counted up to just above maxRows. */
  readonly left: number;
  /** Tailers whose rows were taken away because the log was over its bound; to be logged loudly. */
  readonly overtaken: readonly string[];
}

/** Rows deleted by one statement, so that a long backlog does not make one long transaction. */
const DELETE_ROWS = 5_000;
/** Over the bound, this share of it is kept, so that the bound is not hit again by the next row. */
const KEPT_SHARE = 0.8;

/**
 * @param bounds.maxRows rows that the log may hold for tailers that are behind
 */
export async function pruneChangeLog(pool: Pool, bounds: { maxRows: number }): Promise<PruneResult> {
  let deleted = 0;
  for (;;) {
    const gone = await deletePassed(pool);
    deleted += gone;
    if (gone < DELETE_ROWS) break;
  }
  const left = await countUpTo(pool, bounds.maxRows + 1);
  if (left <= bounds.maxRows) return { deleted, left, overtaken: [] };
  const overtaken = await overtake(pool, Math.floor(bounds.maxRows * KEPT_SHARE));
  const after = await pruneChangeLog(pool, { maxRows: Number.MAX_SAFE_INTEGER - 1 });
  return { deleted: deleted + after.deleted, left: after.left, overtaken };
}

/**
 * A tailer that has been told to start again needs no row. A partition that a tailer has no cursor
 * for is one that it has not seen yet: nothing of it goes. Rows above a partition's progress were
 * written before the topic was made anew; no tailer reads them.
 */
async function deletePassed(pool: Pool): Promise<number> {
  return inTransaction(pool, async (client) => {
    await client.query(PRUNING_LOCK);
    const result = await client.query(
      `WITH passed AS (
         SELECT p.source, p.partition, p.next_offset AS progress, coalesce((
           SELECT min(coalesce(c.next_offset, -1))
           FROM meterhouse.tailers AS t
           LEFT JOIN meterhouse.tailer_cursors AS c
             ON c.tailer = t.name AND c.source = p.source AND c.partition = p.partition
           WHERE NOT t.resync_requested
         ), p.next_offset) AS next_offset
         FROM meterhouse.progress AS p
       ), gone AS (
         SELECT log.source, log.partition, log.next_offset
         FROM passed JOIN meterhouse.change_log AS log USING (source, partition)
         WHERE log.next_offset <= passed.next_offset OR log.next_offset > passed.progress
         LIMIT $1
       )
       DELETE FROM meterhouse.change_log AS log USING gone
       WHERE (log.source, log.partition, log.next_offset) = (gone.source, gone.partition, gone.next_offset)`,
      [DELETE_ROWS],
    );
    return result.rowCount ?? 0;
  });
}

async function countUpTo(pool: Pool, limit: number): Promise<number> {
  const result = await pool.query<{ rows: string }>(
    'SELECT count(*) AS rows FROM (SELECT FROM meterhouse.change_log LIMIT $1) AS log',
    [limit],
  );
  return Number(result.rows[0]?.rows ?? 0);
}

/** Marks the tailers that would need rows older than the newest `keptRows`. */
async function overtake(pool: Pool, keptRows: number): Promise<string[]> {
  return inTransaction(pool, async (client) => {
    await client.query(PRUNING_LOCK);
    const result = await client.query<{ name: string }>(
      `WITH gone AS (
         SELECT source, partition, max(next_offset) AS next_offset
         FROM (SELECT source, partition, next_offset FROM meterhouse.change_log
               ORDER BY flush_id DESC, next_offset DESC OFFSET $1) AS old
         GROUP BY source, partition
       )
       UPDATE meterhouse.tailers AS t
       SET resync_requested = true, version = version + 1, updated_at = now()
       WHERE NOT t.resync_requested AND EXISTS (
         SELECT FROM gone
         LEFT JOIN meterhouse.tailer_cursors AS c
           ON c.tailer = t.name AND c.source = gone.source AND c.partition = gone.partition
         WHERE coalesce(c.next_offset, -1) < gone.next_offset
       )
       RETURNING t.name`,
      [keptRows],
    );
    return result.rows.map((row) => row.name);
  });
}
