import type { Pool } from '@meterhouse/postgres';
import { hourOf, type UsageEvent } from '@meterhouse/usage';

export const NAIVE_TABLES = `
  CREATE TABLE naive_seen (tenant_id text, id text, PRIMARY KEY (tenant_id, id));
  CREATE TABLE naive_hourly (tenant_id text, metric text, hour timestamptz, model text, sum numeric, count bigint,
                             PRIMARY KEY (tenant_id, metric, hour, model));`;

/** What one writes first: one statement an event that remembers the id and adds to the bucket. */
export async function upsertNaively(pool: Pool, event: UsageEvent): Promise<void> {
  await pool.query({
    name: 'naive',
    text: `WITH fresh AS (
             INSERT INTO naive_seen VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING 1
           )
           INSERT INTO naive_hourly AS h SELECT $1, $3, $4, $5, $6::numeric, 1 FROM fresh
           ON CONFLICT (tenant_id, metric, hour, model)
           DO UPDATE SET sum = h.sum + excluded.sum, count = h.count + 1`,
    values: [
      event.tenantId,
      event.id,
      event.metric,
      new Date(hourOf(event.ts)).toISOString(),
      event.attrs['model'] ?? '',
      event.value,
    ],
  });
}
