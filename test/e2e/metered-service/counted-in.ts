import type { Pool } from '@meterhouse/postgres';

/** Exact sums by tenant and metric, straight from the hour buckets. */
export async function countedIn(pool: Pool): Promise<Record<string, string>> {
  const { rows } = await pool.query<{ name: string; sum: string }>(
    `SELECT tenant_id || ' ' || metric AS name, trim_scale(sum(sum))::text AS sum
       FROM meterhouse.usage_hourly GROUP BY 1`,
  );
  return Object.fromEntries(rows.map(({ name, sum }) => [name, sum]));
}
