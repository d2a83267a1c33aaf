/** The same question about usage, asked of the ClickHouse mirror. */
import type { ClickHouse } from '@meterhouse/clickhouse';
import type { UsagePeriod, UsageRow } from '@meterhouse/postgres';
import { decimalFromStore, type Metric } from '@meterhouse/usage';

export interface MirrorQuestion {
  readonly tenantIds: readonly string[];
  readonly metric: string | null;
  /** Epoch ms, on the hour: from is in, to is not. */
  readonly from: number;
  readonly to: number;
  readonly by: UsagePeriod;
  /** One more is read, so that the caller can tell. */
  readonly maxRows: number;
}

export interface MirrorAnswer {
  /** In the order of metric, period and tenant. */
  readonly rows: readonly UsageRow[];
  /** What the mirror says of itself, read before the rows; epoch ms, null while it does not know. */
  readonly completeThrough: number | null;
}

const PERIOD_START: Readonly<Record<UsagePeriod, string>> = {
  hour: 'toUnixTimestamp(hour)',
  day: `greatest(toUnixTimestamp(toStartOfDay(hour, 'UTC')), {from:UInt32})`,
  total: '{from:UInt32}',
};

interface MirrorRow {
  tenant_id: string;
  metric: string;
  period_s: number;
  total_sum: string;
  total_count: string;
  least: string;
  most: string;
  last: string;
  last_ts_ms: string;
  last_id: string;
}

/** @param metrics the registry's: the mirror does not know what a metric's usage is */
export async function readMirrorUsage(
  { client }: ClickHouse,
  question: MirrorQuestion,
  metrics: ReadonlyMap<string, Metric>,
): Promise<MirrorAnswer> {
  const completeThrough = await readCompleteThrough(client);
  const result = await client.query({
    // The names of the sums differ from the columns': ClickHouse would put an alias in a column's place.
    query: `SELECT tenant_id, metric, ${PERIOD_START[question.by]} AS period_s,
                   sum(sum) AS total_sum, sum(count) AS total_count, min(min) AS least, max(max) AS most,
                   argMax(latest, (latest_ts, latest_id)) AS last,
                   toUnixTimestamp64Milli(max(latest_ts)) AS last_ts_ms,
                   argMax(latest_id, (latest_ts, latest_id)) AS last_id
            FROM usage_hourly
            WHERE tenant_id IN {tenants:Array(String)}
              AND ({metric:String} = '' OR metric = {metric:String})
              AND hour >= fromUnixTimestamp({from:UInt32}) AND hour < fromUnixTimestamp({to:UInt32})
            GROUP BY tenant_id, metric, period_s
            ORDER BY metric, period_s, tenant_id
            LIMIT {rows:UInt32}`,
    query_params: {
      tenants: question.tenantIds,
      metric: question.metric ?? '',
      from: question.from / 1000,
      to: question.to / 1000,
      rows: question.maxRows + 1,
    },
    format: 'JSONEachRow',
    use_multipart_params_auto: true,
  });
  const rows = await result.json<MirrorRow>();
  return { rows: rows.map((row) => toUsageRow(row, metrics)), completeThrough };
}

async function readCompleteThrough(client: ClickHouse['client']): Promise<number | null> {
  const result = await client.query({
    query: 'SELECT toUnixTimestamp64Milli(complete_through) AS through_ms, partitions FROM complete_through',
    format: 'JSONEachRow',
  });
  const row = (await result.json<{ through_ms: string; partitions: string }>())[0];
  // The view's 1970 stands for: not known.
  return row === undefined || row.partitions === '0' || row.through_ms === '0'
    ? null
    : Number(row.through_ms);
}

function toUsageRow(row: MirrorRow, metrics: ReadonlyMap<string, Metric>): UsageRow {
  const metric = metrics.get(row.metric);
  if (metric === undefined)
    throw new Error(`the mirror holds usage of ${row.metric}, which is not registered`);
  return {
    tenantId: row.tenant_id,
    metric: row.metric,
    unit: metric.unit,
    aggregation: metric.aggregation,
    periodStart: row.period_s * 1000,
    attrs: [],
    late: null,
    sum: decimalFromStore(row.total_sum),
    count: BigInt(row.total_count),
    min: decimalFromStore(row.least),
    max: decimalFromStore(row.most),
    latest: decimalFromStore(row.last),
    latestTs: Number(row.last_ts_ms),
    latestId: row.last_id,
  };
}
