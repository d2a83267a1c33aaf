/** The tables that a rebuild makes, to stand in another's place. */
import { abortable, type CallOptions, type ClickHouse } from './client.ts';
import type { StoredTable } from './cluster.ts';
import { USAGE_HOURLY_TABLE } from './usage-hourly.ts';

/** What is found under such a name without a rebuild is left over. */
const PREFIX = 'usage_hourly_rebuild_';

export function rebuildTableName(unique: string): string {
  return `${PREFIX}${unique.replaceAll(/[^a-z0-9]/gi, '')}`;
}

/** Makes an empty table like the one behind the views. @returns its name, unique to this rebuild */
export async function createRebuildTable(
  clickhouse: ClickHouse,
  unique: string,
  options: CallOptions,
): Promise<string> {
  const table = rebuildTableName(unique);
  await createLike(clickhouse, table, USAGE_HOURLY_TABLE, options);
  return table;
}

/** In one step the filled table stands behind the views and the old one bears the rebuild's name. */
export function exchangeRebuildTable(
  clickhouse: ClickHouse,
  table: string,
  options: CallOptions,
): Promise<void> {
  return exchangeTables(clickhouse, USAGE_HOURLY_TABLE, table, options);
}

/**
 * Drops what earlier rebuilds left. An exchange that a frozen server has yet to carry out names a
 * table that is then gone, and fails, as it must.
 * @returns the names of the tables
 */
export async function dropRebuildTables(
  clickhouse: ClickHouse,
  options: CallOptions = {},
): Promise<string[]> {
  const result = await clickhouse.client.query({
    query:
      'SELECT name FROM system.tables WHERE database = currentDatabase() AND startsWith(name, {prefix:String})',
    query_params: { prefix: PREFIX },
    format: 'JSONEachRow',
    ...abortable(options),
  });
  const names = (await result.json<{ name: string }>()).map((row) => row.name);
  for (const name of names) await dropTable(clickhouse, name, options);
  return names;
}

export async function createLike(
  { client, topology }: ClickHouse,
  table: string,
  like: StoredTable,
  options: CallOptions,
): Promise<void> {
  await client.command({
    query: topology.createTableLike(table, like),
    clickhouse_settings: topology.definition,
    ...abortable(options),
  });
}

export async function exchangeTables(
  { client, topology }: ClickHouse,
  one: StoredTable,
  other: string,
  options: CallOptions,
): Promise<void> {
  await client.command({
    query: `EXCHANGE TABLES ${one} AND ${other}`,
    clickhouse_settings: topology.definition,
    ...abortable(options),
  });
}

export async function dropTable(
  { client, topology }: ClickHouse,
  name: string,
  options: CallOptions,
): Promise<void> {
  await client.command({
    query: 'DROP TABLE IF EXISTS {name:Identifier} SYNC',
    query_params: { name },
    clickhouse_settings: topology.definition,
    ...abortable(options),
  });
}
