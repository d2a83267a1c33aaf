import { createClickHouse, readClickHouseSchema } from '@meterhouse/clickhouse';
import type { Stores } from '../connect/stores.ts';
import type { ClickHouseFacts } from './facts.ts';

export async function askClickHouse(stores: Stores, deadlineMs: number): Promise<ClickHouseFacts> {
  const clickhouse = createClickHouse(stores.urlOf('clickhouse'), stores.names.clickhouseDatabase, {
    cluster: stores.names.clickhouseCluster,
    requestTimeoutMs: deadlineMs,
  });
  try {
    const schema = await readClickHouseSchema(clickhouse);
    // Of the server: the database may not be there yet.
    const version = await clickhouse.withoutDatabase(async (client) => {
      const result = await client.query({ query: 'SELECT version() AS version', format: 'JSONEachRow' });
      return (await result.json<{ version: string }>())[0]?.version ?? 'unknown';
    });
    return { version, schema };
  } finally {
    await clickhouse.close();
  }
}
