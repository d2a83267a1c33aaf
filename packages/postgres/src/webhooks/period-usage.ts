/** What a tenant and all below it used of a metric, out of the hour buckets. */
import { totalsFromStore, type StoredTotals, type Totals } from '@meterhouse/usage';
import type { Db } from '../pool.ts';

/** @param period epoch ms, on the hour: from is in, to is not. @returns null where nothing was counted */
export async function subtreeTotals(
  db: Db,
  tenantId: string,
  metric: string,
  period: { readonly from: number; readonly to: number },
): Promise<Totals | null> {
  const result = await db.query<StoredTotals>(
    `WITH RECURSIVE below AS (
       SELECT id FROM meterhouse.tenants WHERE id = $1
       UNION
       SELECT t.id FROM meterhouse.tenants AS t JOIN below AS b ON t.parent = b.id
     )
     SELECT sum(u.sum) AS sum, sum(u.count)::bigint AS count, min(u.min) AS min, max(u.max) AS max,
            (array_agg(u.latest ORDER BY u.latest_ts DESC, u.latest_id DESC))[1] AS latest,
            (extract(epoch FROM max(u.latest_ts)) * 1000)::bigint AS latest_ts_ms,
            (array_agg(u.latest_id ORDER BY u.latest_ts DESC, u.latest_id DESC))[1] AS latest_id
     FROM meterhouse.usage_hourly AS u JOIN below AS b ON u.tenant_id = b.id
     WHERE u.metric = $2 AND u.hour >= $3 AND u.hour < $4
     HAVING count(*) > 0`,
    [tenantId, metric, new Date(period.from), new Date(period.to)],
  );
  const [stored] = result.rows;
  return stored === undefined ? null : totalsFromStore(stored);
}
