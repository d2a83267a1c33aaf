/** Tenants' usage hour by hour, in the order in which it happened, for looking back over it. */
import type { PoolClient } from 'pg';
import { ADDED_UP } from './bucket-row.ts';
import { type Totals, totalsFromStore, type StoredTotals } from '@meterhouse/usage';

export interface HourlyUsageFilter {
  readonly metrics: readonly string[];
  /** Null: of every tenant. */
  readonly tenantIds: readonly string[] | null;
  /** Epoch ms, on the hour: from is in, to is not. */
  readonly from: number;
  readonly to: number;
}

export interface HourlyUsageRow extends Totals {
  readonly tenantId: string;
  readonly metric: string;
  /** Start of the hour, epoch ms. */
  readonly hour: number;
}

const PAGE_ROWS = 5_000;

/**
 * Pages in the order of (metric, hour, tenant), each held in memory alone; group-by attributes are
 * added up. A cursor: the server sorts once, whatever the number of pages.
 * @param client in a transaction, which must not end before the last page
 */
export async function* hourlyUsage(
  client: PoolClient,
  filter: HourlyUsageFilter,
  pageRows: number = PAGE_ROWS,
): AsyncGenerator<readonly HourlyUsageRow[]> {
  await client.query(
    `DECLARE hourly_usage NO SCROLL CURSOR FOR
     SELECT tenant_id, metric, (extract(epoch FROM hour) * 1000)::bigint AS hour_ms,
            ${ADDED_UP}
     FROM meterhouse.usage_hourly
     WHERE metric = ANY($1) AND ($2::text[] IS NULL OR tenant_id = ANY($2)) AND hour >= $3 AND hour < $4
     GROUP BY metric, usage_hourly.hour, tenant_id
     ORDER BY metric, usage_hourly.hour, tenant_id`,
    [filter.metrics, filter.tenantIds, new Date(filter.from), new Date(filter.to)],
  );
  for (;;) {
    const { rows } = await client.query<StoredRow>(`FETCH FORWARD ${Math.trunc(pageRows)} FROM hourly_usage`);
    if (rows.length > 0) yield rows.map(toRow);
    if (rows.length < pageRows) break;
  }
  await client.query('CLOSE hourly_usage');
}

interface StoredRow extends StoredTotals {
  tenant_id: string;
  metric: string;
  hour_ms: string;
}

function toRow(row: StoredRow): HourlyUsageRow {
  return {
    tenantId: row.tenant_id,
    metric: row.metric,
    hour: Number(row.hour_ms),
    ...totalsFromStore(row),
  };
}
