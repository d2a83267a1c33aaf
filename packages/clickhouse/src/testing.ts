/** A ClickHouse database of a test's own, migrated. */
import { freshClickHouseDatabase, sharedStack } from '@meterhouse/dev-stack/testing';
import { onTestFinished } from 'vitest';
import { createClickHouse, type ClickHouse } from './client.ts';
import { migrateClickHouse } from './migrations.ts';
import type { MirroredBucket } from './usage-hourly-row.ts';

/** The hour of a `bucket` that names none. */
export const START = Date.UTC(2026, 0, 31, 22);

export async function freshClickHouse(): Promise<ClickHouse> {
  const endpoints = await sharedStack();
  const clickhouse = createClickHouse(endpoints.clickhouse, await freshClickHouseDatabase(endpoints));
  onTestFinished(async () => {
    await clickhouse.client.command({ query: `DROP DATABASE IF EXISTS ${clickhouse.database} SYNC` });
    await clickhouse.close();
  });
  await migrateClickHouse(clickhouse);
  return clickhouse;
}

/** Rows of a query, decimals and 64-bit numbers as text. */
export async function select<T>(clickhouse: ClickHouse, query: string): Promise<T[]> {
  const result = await clickhouse.client.query({ query, format: 'JSONEachRow' });
  return result.json<T>();
}

export function bucket(fields: Partial<MirroredBucket> = {}): MirroredBucket {
  return {
    tenantId: 't',
    metric: 'm',
    hour: START,
    attrsKey: '{}',
    sum: 1_000_000_000n,
    count: 1n,
    min: 1_000_000_000n,
    max: 1_000_000_000n,
    latest: 1_000_000_000n,
    latestTs: START + 1,
    latestId: 'id',
    revision: 1n,
    ...fields,
  };
}
