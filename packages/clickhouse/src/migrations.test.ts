/**
 * On a real ClickHouse. Guarantees:
 * - A missing database is made, with tables and views; doing it again changes nothing.
 * - A file that was cut off half way is run again.
 * - A database that is newer than the code is refused.
 * - The views of a database read the tables of that database.
 */
import { mkdtemp, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { sharedStack } from '@meterhouse/dev-stack/testing';
import { expect, onTestFinished, test } from 'vitest';
import { createClickHouse, type ClickHouse } from './client.ts';
import { ClickHouseNewerError, migrateClickHouse } from './migrations.ts';
import { UnsuitableDatabaseError } from './placement.ts';
import { freshClickHouse, select } from './testing.ts';

async function missingDatabase(): Promise<ClickHouse> {
  const clickhouse = createClickHouse(
    (await sharedStack()).clickhouse,
    `missing_${Math.random().toString(36).slice(2)}`,
  );
  onTestFinished(async () => {
    await clickhouse.withoutDatabase((client) =>
      client.command({ query: `DROP DATABASE IF EXISTS ${clickhouse.database} SYNC` }),
    );
    await clickhouse.close();
  });
  return clickhouse;
}

async function folderWith(files: Record<string, string>): Promise<URL> {
  const folder = await mkdtemp(join(tmpdir(), 'migrations-'));
  for (const [name, sql] of Object.entries(files)) await writeFile(join(folder, name), sql);
  return pathToFileURL(`${folder}/`);
}

test('makes a missing database with everything in it, once', async () => {
  const clickhouse = await missingDatabase();
  const files = (await readdir(new URL('../../../schemas/clickhouse/', import.meta.url))).sort();
  expect(await migrateClickHouse(clickhouse)).toEqual(files);
  expect(await migrateClickHouse(clickhouse)).toEqual([]);
  const tables = await select<{ name: string }>(
    clickhouse,
    'SELECT name FROM system.tables WHERE database = currentDatabase() ORDER BY name',
  );
  expect(tables.map((table) => table.name)).toEqual([
    'complete_through',
    'mirror_progress',
    'schema_migrations',
    'usage_daily',
    'usage_hourly',
    'usage_hourly_revisions',
  ]);
});

test('a file that failed half way runs again, whole', async () => {
  const clickhouse = await missingDatabase();
  const table = 'CREATE TABLE IF NOT EXISTS one (a Int32) ENGINE = MergeTree ORDER BY a;';
  const broken = await folderWith({ '0001_a.sql': `${table} CREATE NONSENSE;` });
  await expect(migrateClickHouse(clickhouse, { folder: broken })).rejects.toThrow('0001_a.sql');
  const repaired = await folderWith({
    '0001_a.sql': `${table} CREATE VIEW IF NOT EXISTS two AS SELECT a FROM one;`,
  });
  expect(await migrateClickHouse(clickhouse, { folder: repaired })).toEqual(['0001_a.sql']);
});

test('a database that is newer than the code is refused, and left alone', async () => {
  const clickhouse = await freshClickHouse();
  await clickhouse.client.insert({
    table: 'schema_migrations',
    values: [{ name: '9999_future.sql' }],
    format: 'JSONEachRow',
  });
  await expect(migrateClickHouse(clickhouse)).rejects.toThrow(ClickHouseNewerError);
  await expect(migrateClickHouse(clickhouse)).rejects.toThrow('9999_future.sql');
});

test('a database whose tables cannot be exchanged is refused', async () => {
  const clickhouse = await missingDatabase();
  await clickhouse.withoutDatabase((client) =>
    client.command({ query: `CREATE DATABASE ${clickhouse.database} ENGINE = Memory` }),
  );
  await expect(migrateClickHouse(clickhouse)).rejects.toThrow(UnsuitableDatabaseError);
});

test('views read their own database, whichever is current', async () => {
  const [one, two] = [await freshClickHouse(), await freshClickHouse()];
  const insert = (clickhouse: ClickHouse, value: string): Promise<unknown> =>
    clickhouse.client.command({
      query: `INSERT INTO usage_hourly_revisions (tenant_id, hour, sum, revision) VALUES ('t', '2026-01-01 00:00:00', ${value}, 1)`,
    });
  await insert(one, '1');
  await insert(two, '2');
  for (const view of ['usage_hourly', 'usage_daily'])
    expect(await select(two, `SELECT sum FROM ${one.database}.${view}`)).toEqual([{ sum: '1' }]);
});
