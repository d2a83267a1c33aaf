import { existsSync, rmSync } from 'node:fs';
import { chown, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from 'pg';
import { run } from '../process/run.ts';
import type { ServerDefinition } from '../process/server-part.ts';
import { ownerOfFiles, unprivileged } from './unprivileged.ts';
import { postgresBinaries, type PostgresBinaries } from './binaries.ts';

export interface PostgresPartOptions {
  dir: string;
  port: number;
  password: string;
  logPath: string;
}

export const superuser = 'meterhouse';
const databases = ['meterhouse', 'registry'] as const;

export function postgresUrl(port: number, password: string, database: string): string {
  return `postgresql://${superuser}:${encodeURIComponent(password)}@127.0.0.1:${port}/${database}`;
}

export function postgresPart({ dir, port, password, logPath }: PostgresPartOptions): ServerDefinition {
  const binaries = postgresBinaries();
  const listen = { listen_addresses: '127.0.0.1', unix_socket_directories: '', port };
  const flags = serverFlags({ ...listen, ...durableSettings });
  return {
    label: 'Postgres',
    logPath,
    startTimeoutMs: 60_000,
    // SIGINT is Postgres' "fast" shutdown: it ends sessions and writes a checkpoint.
    stop: { signal: 'SIGINT', timeoutMs: 20_000 },
    prepare: () => initialize(binaries, dir, password),
    command: () => ({
      ...unprivileged(binaries.postgres, ['-D', dir, ...flags]),
      whenOrphaned: { signal: 'QUIT', graceSeconds: 3 },
    }),
    ready: () => ensureDatabases(port, password),
  };
}

/** Durability is what the tests of the flush rely on, so nothing that keeps it is turned off. */
export const durableSettings = {
  max_connections: 100,
  shared_buffers: '256MB',
  fsync: 'on',
  synchronous_commit: 'on',
  full_page_writes: 'on',
  max_wal_size: '2GB',
  checkpoint_timeout: '15min',
  autovacuum: 'on',
  jit: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
};

export function serverFlags(settings: Readonly<Record<string, string | number>>): string[] {
  return Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

/** initdb into a folder beside, then a rename: a start that was killed half-way leaves nothing to trip over. */
async function initialize(binaries: PostgresBinaries, dir: string, password: string): Promise<void> {
  if (existsSync(join(dir, 'PG_VERSION'))) return;
  const next = `${dir}.next`;
  const passwordFile = `${dir}.password`;
  rmSync(next, { recursive: true, force: true });
  await mkdir(next, { mode: 0o700 });
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
  try {
    const owner = ownerOfFiles();
    if (owner) {
      await chown(next, owner.uid, owner.gid);
      await chown(passwordFile, owner.uid, owner.gid);
    }
    const initdb = unprivileged(binaries.initdb, [
      `--pgdata=${next}`,
      `--username=${superuser}`,
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
      '--locale=C',
    ]);
    await run(initdb.file, initdb.args);
    await rename(next, dir);
  } finally {
    await rm(passwordFile, { force: true });
  }
}

/** Throws while Postgres does not answer; afterwards the databases exist. */
export async function ensureDatabases(port: number, password: string): Promise<void> {
  const client = new Client({
    connectionString: postgresUrl(port, password, 'postgres'),
    connectionTimeoutMillis: 5000,
  });
  // A server that is killed while it starts ends the connection outside of any query.
  client.on('error', () => undefined);
  await client.connect();
  try {
    const { rows } = await client.query<{ datname: string }>('SELECT datname FROM pg_database');
    const present = new Set(rows.map((row) => row.datname));
    for (const name of databases) if (!present.has(name)) await client.query(`CREATE DATABASE ${name}`);
  } finally {
    await client.end();
  }
}
