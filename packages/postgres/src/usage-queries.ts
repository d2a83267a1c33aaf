/** Reading usage for a person: the hour buckets of a tenant, or of all below it, by period. */
import { type Aggregation, type Totals, totalsFromStore, type StoredTotals } from '@meterhouse/usage';
import type { Db } from './pool.ts';

export type UsagePeriod = 'hour' | 'day' | 'total';

export interface UsageQuestion {
  readonly tenantId: string;
  /** Also every tenant below it. */
  readonly descendants: boolean;
  readonly metric: string | null;
  /** Epoch ms, on the hour: from is in, to is not. */
  readonly from: number;
  readonly to: number;
  readonly by: UsagePeriod;
  /** Rows at most; one more is read, so that the caller can tell. */
  readonly maxRows: number;
}

export interface UsageRow extends Totals {
  readonly tenantId: string;
  readonly metric: string;
  readonly unit: string;
  readonly aggregation: Aggregation;
  /** Start of the hour or day, epoch ms; of the whole question for a total. */
  readonly periodStart: number;
}

/** The tenant's subtree, parents before children; `depth` 0 is the tenant itself. Empty when it is not registered. */
export async function readSubtree(
  db: Db,
  tenantId: string,
): Promise<readonly { id: string; name: string; depth: number }[]> {
  const result = await db.query<{ id: string; name: string; depth: number }>(
    `WITH RECURSIVE below AS (
       SELECT id, name, 0 AS depth, ARRAY[id] AS path FROM meterhouse.tenants WHERE id = $1
       UNION ALL
       SELECT t.id, t.name, b.depth + 1, b.path || t.id
       FROM meterhouse.tenants AS t JOIN below AS b ON t.parent = b.id
     )
     SELECT id, name, depth FROM below ORDER BY path`,
    [tenantId],
  );
  return result.rows;
}

const PERIOD_START: Readonly<Record<UsagePeriod, string>> = {
  hour: 'u.hour',
  day: `date_trunc('day', u.hour, 'UTC')`,
  total: '$4::timestamptz',
};

/**
 * Totals by metric, period and tenant, in that order. Group-by attributes are added up.
 * The tenants are one array, not a join: within a scope, row-level security compares with an array as
 * well, and the index takes the two together instead of anew for each tenant.
 */
export async function readUsage(db: Db, question: UsageQuestion): Promise<readonly UsageRow[]> {
  const result = await db.query<
    StoredTotals & {
      tenant_id: string;
      metric: string;
      unit: string;
      aggregation: Aggregation;
      period_ms: string;
    }
  >(
    `WITH RECURSIVE chosen AS (
       SELECT id FROM meterhouse.tenants WHERE id = $1
       UNION ALL
       SELECT t.id FROM meterhouse.tenants AS t JOIN chosen AS c ON t.parent = c.id WHERE $2
     ), hours AS (
       SELECT u.*, ${PERIOD_START[question.by]} AS period
       FROM meterhouse.usage_hourly AS u
       WHERE u.tenant_id = ANY (ARRAY(SELECT id FROM chosen)) AND ($3::text IS NULL OR u.metric = $3) AND u.hour >= $4 AND u.hour < $5
     )
     SELECT h.tenant_id, h.metric, m.unit, m.aggregation,
            (extract(epoch FROM h.period) * 1000)::bigint AS period_ms,
            sum(h.sum) AS sum, sum(h.count)::bigint AS count, min(h.min) AS min, max(h.max) AS max,
            (array_agg(h.latest ORDER BY h.latest_ts DESC, h.latest_id DESC))[1] AS latest,
            (extract(epoch FROM max(h.latest_ts)) * 1000)::bigint AS latest_ts_ms,
            (array_agg(h.latest_id ORDER BY h.latest_ts DESC, h.latest_id DESC))[1] AS latest_id
     FROM hours AS h JOIN meterhouse.metrics AS m ON m.name = h.metric
     GROUP BY h.tenant_id, h.metric, m.unit, m.aggregation, h.period
     ORDER BY h.metric, h.period, h.tenant_id
     LIMIT $6`,
    [
      question.tenantId,
      question.descendants,
      question.metric,
      new Date(question.from),
      new Date(question.to),
      question.maxRows + 1,
    ],
  );
  return result.rows.map((row) => ({
    tenantId: row.tenant_id,
    metric: row.metric,
    unit: row.unit,
    aggregation: row.aggregation,
    periodStart: Number(row.period_ms),
    ...totalsFromStore(row),
  }));
}
