/** Table usage_hourly_revisions and the view usage_hourly over it. */
import { abortable, type CallOptions, type ClickHouse } from './client.ts';
import {
  fromRow,
  toRow,
  type MirrorKey,
  type MirroredBucket,
  type SelectedBucket,
} from './usage-hourly-row.ts';

export const USAGE_HOURLY_TABLE = 'usage_hourly_revisions';

const INSERT_SETTINGS = {
  // A row of buckets in key order can span more months than the default allows.
  max_partitions_per_insert_block: '0',
  // Replicated tables drop a block that equals an earlier one; ours must land again after a wipe.
  insert_deduplicate: 0,
} as const;

/** Idempotent: the view shows the highest revision, however often each was inserted. */
export async function insertBuckets(
  { client, topology }: ClickHouse,
  buckets: readonly MirroredBucket[],
  options: CallOptions & { table?: string } = {},
): Promise<void> {
  if (buckets.length === 0) return;
  await client.insert({
    table: options.table ?? USAGE_HOURLY_TABLE,
    values: buckets.map(toRow),
    format: 'JSONCompactEachRow',
    clickhouse_settings: { ...INSERT_SETTINGS, ...topology.insert },
    ...abortable(options),
  });
}

const COLUMNS = `tenant_id, metric, toUnixTimestamp(hour) AS hour_s, attrs_key, sum, count, min, max, latest,
  toUnixTimestamp64Milli(latest_ts) AS latest_ts_ms, latest_id, revision`;
const PAGE_ROWS = 5_000;

/**
 * Every bucket of the view, page by page in key order; each page shows the moment at which it is read.
 * @param options.fromHour epoch ms: only hours from then on
 */
export async function* mirrorPages(
  clickhouse: ClickHouse,
  options: CallOptions & { readonly fromHour?: number } = {},
  pageRows: number = PAGE_ROWS,
): AsyncGenerator<readonly MirroredBucket[]> {
  let after: MirroredBucket | null = null;
  for (;;) {
    const page = await mirrorPage(clickhouse, after, pageRows, options);
    if (page.length > 0) yield page;
    if (page.length < pageRows) return;
    after = page.at(-1) ?? null;
  }
}

async function mirrorPage(
  { client }: ClickHouse,
  after: MirroredBucket | null,
  pageRows: number,
  options: CallOptions & { readonly fromHour?: number },
): Promise<MirroredBucket[]> {
  const result = await client.query({
    // Written out, so that the primary index finds the place; a comparison of tuples would scan.
    query: `SELECT ${COLUMNS} FROM usage_hourly
            WHERE hour >= fromUnixTimestamp({from:UInt32})
            ${
              after === null
                ? ''
                : `AND (tenant_id > {tenant:String} OR (tenant_id = {tenant:String} AND (
                     metric > {metric:String} OR (metric = {metric:String} AND (
                       hour > fromUnixTimestamp({hour:UInt32}) OR (hour = fromUnixTimestamp({hour:UInt32})
                         AND attrs_key > {attrs:String}))))))`
            }
            ORDER BY tenant_id, metric, hour, attrs_key
            LIMIT {rows:UInt32}`,
    query_params: {
      rows: pageRows,
      from: Math.max(0, options.fromHour ?? 0) / 1000,
      ...(after === null
        ? {}
        : {
            tenant: after.tenantId,
            metric: after.metric,
            hour: after.hour / 1000,
            attrs: after.attrsKey,
          }),
    },
    format: 'JSONEachRow',
    ...abortable(options),
  });
  return (await result.json<SelectedBucket>()).map(fromRow);
}

/** The buckets of these keys; keys that are in no bucket are left out. */
export async function mirrorBucketsByKey(
  clickhouse: ClickHouse,
  keys: readonly MirrorKey[],
  options: CallOptions = {},
): Promise<MirroredBucket[]> {
  const found: MirroredBucket[] = [];
  for (const chunk of chunksOf(keys, PARAMETERS_SIZE))
    found.push(...(await bucketsOfChunk(clickhouse, chunk, options)));
  return found;
}

/** Parameters travel in the URL, and proxies and servers refuse long ones. */
const PARAMETERS_SIZE = 6_000;

function chunksOf(keys: readonly MirrorKey[], maxSize: number): MirrorKey[][] {
  const chunks: MirrorKey[][] = [];
  let size = maxSize;
  for (const key of keys) {
    const keySize = encodeURIComponent(key.tenantId + key.metric + key.attrsKey).length + 50;
    if (size + keySize > maxSize) {
      chunks.push([]);
      size = 0;
    }
    chunks.at(-1)?.push(key);
    size += keySize;
  }
  return chunks;
}

async function bucketsOfChunk(
  { client }: ClickHouse,
  keys: readonly MirrorKey[],
  options: CallOptions,
): Promise<MirroredBucket[]> {
  const result = await client.query({
    query: `SELECT ${COLUMNS} FROM usage_hourly
            WHERE (tenant_id, metric, toUnixTimestamp(hour), attrs_key) IN (
              SELECT arrayJoin(arrayZip({tenants:Array(String)}, {metrics:Array(String)}, {hours:Array(UInt32)}, {attrs:Array(String)})))
              AND tenant_id IN {tenants:Array(String)}`,
    query_params: {
      tenants: keys.map((key) => key.tenantId),
      metrics: keys.map((key) => key.metric),
      hours: keys.map((key) => key.hour / 1000),
      attrs: keys.map((key) => key.attrsKey),
    },
    format: 'JSONEachRow',
    ...abortable(options),
  });
  return (await result.json<SelectedBucket>()).map(fromRow);
}
