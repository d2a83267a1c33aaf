/** A ClickHouse database of a test's own, migrated. */
import { freshClickHouseDatabase, sharedStack } from '@meterhouse/dev-stack/testing';
import { onTestFinished } from 'vitest';
import { createClickHouse, type ClickHouse } from './client.ts';
import { migrateClickHouse } from './migrations.ts';

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
