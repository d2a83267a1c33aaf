/** Hours to which events came after they were over. */
import type { Db } from '../pool.ts';

export interface LateUsage {
  readonly tenantId: string;
  readonly metric: string;
  /** Epoch ms. */
  readonly hour: number;
  /** How many events came late, decimal. Rises with each that comes. */
  readonly late: string;
}

export type LatePosition = Pick<LateUsage, 'hour' | 'tenantId' | 'metric'>;

/**
 * By hour, tenant and metric.
 * @param after exclusive; an hour with empty names begins with that hour
 * @param limit rows, at most
 */
export async function readLateUsage(
  db: Db,
  after: LatePosition,
  limit: number,
): Promise<readonly LateUsage[]> {
  const result = await db.query<{ tenant_id: string; metric: string; hour: Date; late: string }>(
    `SELECT hour, tenant_id, metric, sum(late)::text AS late
     FROM meterhouse.usage_hourly
     WHERE late > 0 AND (hour, tenant_id, metric) > ($1::timestamptz, $2::text COLLATE "C", $3::text COLLATE "C")
     GROUP BY hour, tenant_id, metric ORDER BY hour, tenant_id, metric LIMIT $4`,
    [new Date(after.hour), after.tenantId, after.metric, limit],
  );
  return result.rows.map(({ tenant_id: tenantId, metric, hour, late }) => ({
    ...{ tenantId, metric, late },
    hour: hour.getTime(),
  }));
}
