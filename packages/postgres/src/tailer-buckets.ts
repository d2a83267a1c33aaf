/** usage_hourly as it stands: what a tailer starts from, and what a mirror is compared with. */
import type { Pool } from 'pg';
import { BUCKET_COLUMNS, toBucket, type BucketRow } from './bucket-row.ts';
import type { ChangedBucket } from './change-log-reading-row.ts';
import { cursorsOf, readProgress, type Cursors, type Progress } from './change-log-reading.ts';
import { bucketsSince, usageBefore, type PartedAt, type UsageBefore } from './parted-usage.ts';
import { inTransaction } from './transaction.ts';
import type { Db } from './pool.ts';

export interface BucketFilter {
  /** Only hours from this instant on, epoch ms. */
  readonly fromHour?: number;
  /** Only hours before this instant, epoch ms. */
  readonly beforeHour?: number;
}

/** Everything at one moment: buckets, and the cursors from which the log continues them. */
export interface ConsistentPoint {
  readonly cursors: Cursors;
  readonly progress: readonly Progress[];
  /** Pages in the order of (tenant, metric, hour), each held in memory alone. */
  buckets(filter?: BucketFilter): AsyncGenerator<readonly ChangedBucket[]>;
  /** Of these alone: buckets since an hour, and what was counted before it. */
  bucketsSince(asked: readonly PartedAt[]): AsyncGenerator<readonly ChangedBucket[]>;
  usageBefore(asked: readonly PartedAt[]): AsyncGenerator<readonly UsageBefore[]>;
}

/**
 * Runs `load` within one REPEATABLE READ transaction. Meant for what loads in seconds: the server's
 * vacuum waits for it.
 */
export async function atOnePoint<T>(pool: Pool, load: (point: ConsistentPoint) => Promise<T>): Promise<T> {
  return inTransaction(
    pool,
    async (client) => {
      const progress = await readProgress(client);
      return load({
        cursors: cursorsOf(progress),
        progress,
        buckets: (filter) => bucketPages(client, filter),
        bucketsSince: (asked) => bucketsSince(client, asked),
        usageBefore: (asked) => usageBefore(client, asked),
      });
    },
    'repeatable read',
  );
}

const PAGE_ROWS = 5_000;

/**
 * Every bucket, page by page in key order. On a pool each page is a transaction of its own: a page
 * shows the state at the moment it is read, so the whole is not one point in time.
 */
export async function* bucketPages(
  db: Db,
  filter: BucketFilter = {},
  pageRows: number = PAGE_ROWS,
): AsyncGenerator<readonly ChangedBucket[]> {
  let after: BucketRow | null = null;
  for (;;) {
    const rows: BucketRow[] = await bucketPage(db, filter, pageRows, after);
    if (rows.length > 0) yield rows.map(toBucket);
    if (rows.length < pageRows) return;
    after = rows.at(-1) ?? null;
  }
}

async function bucketPage(
  db: Db,
  filter: BucketFilter,
  pageRows: number,
  after: BucketRow | null,
): Promise<BucketRow[]> {
  const result = await db.query<BucketRow>(
    `SELECT ${BUCKET_COLUMNS} FROM meterhouse.usage_hourly
     WHERE (tenant_id, metric, hour, attrs) > ($1, $2, coalesce(to_timestamp($3::bigint / 1000.0), '-infinity'), $4::jsonb)
       AND hour >= coalesce(to_timestamp($5::bigint / 1000.0), '-infinity')
       AND hour < coalesce(to_timestamp($6::bigint / 1000.0), 'infinity')
     ORDER BY usage_hourly.tenant_id, usage_hourly.metric, usage_hourly.hour, usage_hourly.attrs
     LIMIT $7`,
    [
      after?.tenant_id ?? '',
      after?.metric ?? '',
      after?.hour_ms ?? null,
      after?.attrs ?? '{}',
      filter.fromHour ?? null,
      filter.beforeHour ?? null,
      pageRows,
    ],
  );
  return result.rows;
}

/** A bucket's key. */
export type BucketKey = Pick<ChangedBucket, 'tenantId' | 'metric' | 'hour' | 'attrsKey'>;

/** The buckets of these keys as they stand now; keys that are in no bucket are left out. */
export async function bucketsByKey(db: Db, keys: readonly BucketKey[]): Promise<ChangedBucket[]> {
  const result = await db.query<BucketRow>(
    `SELECT ${BUCKET_COLUMNS}
     FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[]) AS wanted(wanted_tenant, wanted_metric, wanted_hour, wanted_attrs)
     JOIN meterhouse.usage_hourly
       ON tenant_id = wanted_tenant COLLATE "C" AND metric = wanted_metric COLLATE "C"
      AND hour = to_timestamp(wanted_hour / 1000.0) AND attrs = wanted_attrs::jsonb`,
    [
      keys.map((key) => key.tenantId),
      keys.map((key) => key.metric),
      keys.map((key) => key.hour),
      keys.map((key) => key.attrsKey),
    ],
  );
  return result.rows.map(toBucket);
}
