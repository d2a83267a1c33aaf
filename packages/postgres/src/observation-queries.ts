/** What is asked now and then for metrics. Each answer costs no more than its bound, whatever lies there. */
import type { Db } from './pool.ts';

export interface OpenQuarantine {
  readonly reason: string;
  /** Rows that wait, or the bound when there are more. */
  readonly events: number;
  /** When the first of them came into quarantine. */
  readonly oldest: Date;
  /** And the last. */
  readonly newest: Date;
}

/** Of the reasons for which events wait, how many do. @param max counted of each reason */
export async function countOpenQuarantine(
  db: Db,
  reasons: readonly string[],
  max: number,
): Promise<readonly OpenQuarantine[]> {
  const result = await db.query<{ reason: string; events: string; oldest: Date; newest: Date }>(
    `SELECT r.reason, waiting.events, first.created_at AS oldest, last.created_at AS newest
     FROM unnest($1::text[]) AS r(reason)
     JOIN LATERAL (
       SELECT created_at FROM meterhouse.quarantine AS q
       WHERE q.reason = r.reason AND q.status IN ('waiting', 'replay_requested') ORDER BY q.id LIMIT 1
     ) AS first ON true
     CROSS JOIN LATERAL (
       SELECT created_at FROM meterhouse.quarantine AS q
       WHERE q.reason = r.reason AND q.status IN ('waiting', 'replay_requested') ORDER BY q.id DESC LIMIT 1
     ) AS last
     CROSS JOIN LATERAL (
       SELECT count(*) AS events FROM (
         SELECT FROM meterhouse.quarantine AS q
         WHERE q.reason = r.reason AND q.status IN ('waiting', 'replay_requested') LIMIT $2
       ) AS bounded
     ) AS waiting`,
    [reasons, max],
  );
  return result.rows.map((row) => ({ ...row, events: Number(row.events) }));
}

export interface AttributeSets {
  readonly metric: string;
  /** Distinct attributes among the buckets looked at. */
  readonly sets: number;
}

/**
 * How many different attributes each metric's buckets have, most first.
 * @param from epoch ms, of the first hour looked at
 * @param max buckets of each metric that are looked at
 */
export async function countAttributeSets(
  db: Db,
  from: number,
  max: number,
): Promise<readonly AttributeSets[]> {
  const result = await db.query<{ metric: string; sets: string }>(
    `SELECT m.name AS metric, counted.sets
     FROM meterhouse.metrics AS m
     CROSS JOIN LATERAL (
       SELECT count(DISTINCT attrs) AS sets FROM (
         SELECT attrs FROM meterhouse.usage_hourly AS b
         WHERE b.metric = m.name AND b.hour >= to_timestamp($1::bigint / 1000) LIMIT $2
       ) AS bounded
     ) AS counted
     WHERE counted.sets > 0
     ORDER BY counted.sets DESC, m.name`,
    [from, max],
  );
  return result.rows.map(({ metric, sets }) => ({ metric, sets: Number(sets) }));
}
