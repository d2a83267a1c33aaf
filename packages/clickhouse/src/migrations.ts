/**
 * Numbered SQL files in order, each recorded in `schema_migrations` once it has run. ClickHouse has
 * no transactions: a file's statements are written to be run again, and whoever calls this holds a
 * lock elsewhere (the mirror holds one in Postgres).
 */
import { readdir, readFile } from 'node:fs/promises';
import { Umzug } from 'umzug';
import {
  abortable,
  clickHouseErrorCode,
  UNKNOWN_DATABASE,
  UNKNOWN_TABLE,
  type CallOptions,
  type ClickHouse,
} from './client.ts';
import { prepareDatabase, refuseOtherTables, refuseTornTables } from './placement.ts';
import { splitStatements } from './statements.ts';

const FOLDER = new URL('../../../schemas/clickhouse/', import.meta.url);

/** The database has migrations that this code does not know: a newer release migrated it. */
export class ClickHouseNewerError extends Error {
  constructor(database: string, unknown: readonly string[]) {
    super(
      `the ClickHouse database ${database} is newer than this code (${unknown.join(', ')}): run the newer release`,
    );
    this.name = 'ClickHouseNewerError';
  }
}

/** What ran here, held against what this release brings. File names. */
export interface ClickHouseSchemaStand {
  /** The newest that ran; null: there is no such database, or nothing in it. */
  readonly latest: string | null;
  readonly pending: readonly string[];
  /** A newer release ran them. */
  readonly unknown: readonly string[];
}

/** Only looks: what is missing is not made. */
export async function readClickHouseSchema(
  clickhouse: ClickHouse,
  options: CallOptions = {},
): Promise<ClickHouseSchemaStand> {
  const known = await filesOf(FOLDER);
  let ran: string[] = [];
  try {
    ran = await recorded(clickhouse, options);
  } catch (error) {
    const code = clickHouseErrorCode(error);
    if (code !== UNKNOWN_DATABASE && code !== UNKNOWN_TABLE) throw error;
  }
  return {
    latest: ran.at(-1) ?? null,
    pending: known.filter((name) => !ran.includes(name)),
    unknown: ran.filter((name) => !known.includes(name)),
  };
}

/**
 * Makes the database if it is missing and brings it up to this code.
 * @returns the names of the files that were run, empty when there was nothing to do
 * @throws ClickHouseNewerError, UnsuitableDatabaseError; MisplacedError where the tables stand on one
 * server and a cluster is named, or the other way
 */
export async function migrateClickHouse(
  clickhouse: ClickHouse,
  options: CallOptions & { folder?: URL } = {},
): Promise<readonly string[]> {
  const folder = options.folder ?? FOLDER;
  await prepareDatabase(clickhouse, options);
  await refuseOtherTables(clickhouse, options);
  const names = await filesOf(folder);
  const unknown = (await executed(clickhouse, options)).filter((name) => !names.includes(name));
  if (unknown.length > 0) throw new ClickHouseNewerError(clickhouse.database, unknown);
  const umzug = new Umzug({
    migrations: names.map((name) => ({
      name,
      up: () => run(clickhouse, new URL(name, folder), name, options),
      down: noWayBack,
    })),
    storage: {
      logMigration: ({ name }) =>
        clickhouse.client
          .insert({
            table: 'schema_migrations',
            values: [{ name }],
            format: 'JSONEachRow',
            clickhouse_settings: clickhouse.topology.insert,
            ...abortable(options),
          })
          .then(() => undefined),
      unlogMigration: noWayBack,
      executed: () => executed(clickhouse, options),
    },
    logger: undefined,
  });
  const ran = (await umzug.up()).map((migration) => migration.name);
  await refuseTornTables(clickhouse, options);
  return ran;
}

async function filesOf(folder: URL): Promise<string[]> {
  return (await readdir(folder)).filter((name) => /^\d{4}_.+\.sql$/.test(name)).sort();
}

async function executed(clickhouse: ClickHouse, options: CallOptions): Promise<string[]> {
  const { client, topology } = clickhouse;
  await client.command({
    query:
      topology.migration(`CREATE TABLE IF NOT EXISTS schema_migrations (name String, run_at DateTime('UTC') DEFAULT now())
            ENGINE = /*cluster:Replicated*/MergeTree ORDER BY name`),
    clickhouse_settings: topology.definition,
    ...abortable(options),
  });
  return recorded(clickhouse, options);
}

async function recorded({ client, topology }: ClickHouse, options: CallOptions): Promise<string[]> {
  const result = await client.query({
    query: 'SELECT DISTINCT name FROM schema_migrations ORDER BY name',
    format: 'JSONEachRow',
    clickhouse_settings: topology.read,
    ...abortable(options),
  });
  return (await result.json<{ name: string }>()).map((row) => row.name);
}

async function run(clickhouse: ClickHouse, file: URL, name: string, options: CallOptions): Promise<void> {
  const { client, topology } = clickhouse;
  try {
    for (const statement of splitStatements(await readFile(file, 'utf8')))
      await client.command({
        query: topology.migration(statement),
        clickhouse_settings: topology.definition,
        ...abortable(options),
      });
  } catch (error) {
    throw new Error(`ClickHouse migration ${name} failed`, { cause: error });
  }
}

function noWayBack(): Promise<never> {
  return Promise.reject(new Error('migrations only go forward'));
}
