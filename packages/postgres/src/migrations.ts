/**
 * Numbered SQL files, each run once, in order, in a transaction of its own, by one process at a time.
 */
import { readdir, readFile } from 'node:fs/promises';
import pg from 'pg';
import { Umzug } from 'umzug';
import { isRetryable } from './errors.ts';

const FOLDER = new URL('../../../schemas/postgres/', import.meta.url);
/** hashtext('meterhouse.migrations'): held for the session that migrates. */
const LOCK = `SELECT pg_advisory_lock(hashtext('meterhouse.migrations'))`;

/** The database has migrations that this code does not know: it was migrated by a newer release. */
export class DatabaseNewerError extends Error {
  constructor(unknown: readonly string[]) {
    super(`the Postgres schema is newer than this code (${unknown.join(', ')}): run the newer release`);
    this.name = 'DatabaseNewerError';
  }
}

/** The database lacks migrations that this code needs. */
export class DatabaseOlderError extends Error {
  constructor(pending: readonly string[]) {
    super(`the Postgres schema lacks ${pending.join(', ')}: run "meterhouse migrate"`);
    this.name = 'DatabaseOlderError';
  }
}

/** Whether waiting may help a start: the server is on its way up, or somebody else migrates just now. */
export function schemaMayCome(error: unknown): boolean {
  return error instanceof DatabaseOlderError || isRetryable(error);
}

/**
 * Brings the database up to this code.
 * @param url of a role that may create schemas and roles
 * @returns the names of the files that were run, empty when there was nothing to do
 */
export async function migratePostgres(url: string): Promise<readonly string[]> {
  return withClient(url, async (client) => {
    await client.query(LOCK);
    const names = await listMigrations();
    const done = await executed(client);
    refuseNewer(names, done);
    const umzug = new Umzug({
      migrations: names.map((name) => ({ name, up: () => run(client, name), down: noWayBack })),
      storage: {
        // `run` records the name in the same transaction as the file's own statements.
        logMigration: () => Promise.resolve(),
        unlogMigration: noWayBack,
        executed: () => executed(client),
      },
      logger: undefined,
    });
    const ran = (await umzug.up()).map((migration) => migration.name);
    // Every service and command looks, whatever role it signs in with.
    await client.query('GRANT SELECT ON public.meterhouse_migrations TO PUBLIC');
    return ran;
  });
}

/** Refuses a database that is older or newer than this code. */
export async function requireCurrentSchema(url: string): Promise<void> {
  await withClient(url, async (client) => {
    const names = await listMigrations();
    const done = await executed(client);
    refuseNewer(names, done);
    const pending = names.filter((name) => !done.includes(name));
    if (pending.length > 0) throw new DatabaseOlderError(pending);
  });
}

function refuseNewer(names: readonly string[], done: readonly string[]): void {
  const unknown = done.filter((name) => !names.includes(name));
  if (unknown.length > 0) throw new DatabaseNewerError(unknown);
}

/** The files of this release, in order. */
export async function listMigrations(): Promise<string[]> {
  return (await readdir(FOLDER)).filter((name) => /^\d{4}_.+\.sql$/.test(name)).sort();
}

async function run(client: pg.Client, name: string): Promise<void> {
  const sql = await readFile(new URL(name, FOLDER), 'utf8');
  await client.query('BEGIN');
  try {
    await client.query(sql);
    await client.query('INSERT INTO public.meterhouse_migrations (name) VALUES ($1)', [name]);
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK');
    throw new Error(`migration ${name} failed`, { cause: error });
  }
}

async function executed(client: pg.Client): Promise<string[]> {
  const table = await client.query<{ there: boolean }>(
    `SELECT to_regclass('public.meterhouse_migrations') IS NOT NULL AS there`,
  );
  if (table.rows[0]?.there !== true) {
    await client.query(
      `CREATE TABLE IF NOT EXISTS public.meterhouse_migrations (name text PRIMARY KEY, run_at timestamptz NOT NULL DEFAULT now())`,
    );
    return [];
  }
  const rows = await client.query<{ name: string }>(
    'SELECT name FROM public.meterhouse_migrations ORDER BY name',
  );
  return rows.rows.map((row) => row.name);
}

function noWayBack(): Promise<never> {
  return Promise.reject(new Error('migrations only go forward'));
}

async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, application_name: 'meterhouse-migrate' });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
