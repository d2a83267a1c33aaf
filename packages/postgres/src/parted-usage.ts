/**
 * Usage of a tenant and metric, parted at an hour: what lies before it added up, what comes after as
 * buckets. For whoever follows everything ever counted and cannot hold every hour of it.
 */
import type { PoolClient } from 'pg';
import { totalsFromStore, type StoredTotals, type Totals } from '@meterhouse/usage';
import { ADDED_UP, BUCKET_COLUMNS, toBucket, type BucketRow } from './bucket-row.ts';
import type { ChangedBucket } from './change-log-reading-row.ts';

/** A tenant's own usage, without that of tenants below it. */
export interface PartedAt {
  readonly tenantId: string;
  readonly metric: string;
  /** Epoch ms, on the hour. */
  readonly hour: number;
}

/** Everything counted in hours before. */
export interface UsageBefore extends PartedAt, Totals {
  /** Sum of the buckets' revisions: it rises whenever any of them changes, and whenever one is added. */
  readonly revision: bigint;
}

const PAGE_ROWS = 5_000;
const ASKED = `unnest($1::text[], $2::text[], $3::bigint[]) AS asked(asked_tenant, asked_metric, asked_hour)
  JOIN meterhouse.usage_hourly ON tenant_id = asked_tenant COLLATE "C" AND metric = asked_metric COLLATE "C"`;

/**
 * Pages of one row for each that has any, in no order.
 * @param client in a transaction, which must not end before the last page
 */
export async function* usageBefore(
  client: PoolClient,
  asked: readonly PartedAt[],
): AsyncGenerator<readonly UsageBefore[]> {
  const pages = fetched<
    StoredTotals & { tenant_id: string; metric: string; revision: string; asked_hour: string }
  >(
    client,
    'usage_before',
    `SELECT tenant_id, metric, ${ADDED_UP}, sum(revision)::bigint AS revision, asked_hour
     FROM ${ASKED} AND hour < to_timestamp(asked_hour / 1000.0)
     GROUP BY tenant_id, metric, asked_hour`,
    asked,
  );
  for await (const rows of pages)
    yield rows.map((row) => ({
      tenantId: row.tenant_id,
      metric: row.metric,
      hour: Number(row.asked_hour),
      ...totalsFromStore(row),
      revision: BigInt(row.revision),
    }));
}

/** Pages of the buckets of these hours on, in no order. @param client as above */
export async function* bucketsSince(
  client: PoolClient,
  asked: readonly PartedAt[],
): AsyncGenerator<readonly ChangedBucket[]> {
  const pages = fetched<BucketRow>(
    client,
    'buckets_since',
    `SELECT ${BUCKET_COLUMNS} FROM ${ASKED} AND hour >= to_timestamp(asked_hour / 1000.0)`,
    asked,
  );
  for await (const rows of pages) yield rows.map(toBucket);
}

/** A cursor: a page is all that is held. @param name ours, not from outside */
async function* fetched<Row extends object>(
  client: PoolClient,
  name: string,
  sql: string,
  asked: readonly PartedAt[],
): AsyncGenerator<readonly Row[]> {
  await client.query(`DECLARE ${name} NO SCROLL CURSOR FOR ${sql}`, [
    asked.map(({ tenantId }) => tenantId),
    asked.map(({ metric }) => metric),
    asked.map(({ hour }) => hour),
  ]);
  for (;;) {
    const { rows } = await client.query<Row>(`FETCH FORWARD ${PAGE_ROWS} FROM ${name}`);
    if (rows.length > 0) yield rows;
    if (rows.length < PAGE_ROWS) break;
  }
  await client.query(`CLOSE ${name}`);
}
