/**
 * Guarantees, by starting the command as a shell does:
 * - exit codes: 0 done, 1 failed, 2 wrong usage
 * - an error is one line on standard error that says what to do next; the stack only under LOG_LEVEL=debug
 * - with --json, standard output holds one line of JSON and nothing else
 * - it finds a running stack by its folder
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { commandBed, spawnMeterhouse } from './testing.ts';

const bed = await commandBed();

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'meterhouse-run-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

test('wrong usage is 2, on one line', async () => {
  for (const args of [['aply'], ['apply'], ['lag', '--every', 'often'], ['usage', 'show'], ['import']]) {
    const answer = await spawnMeterhouse(args, { env: bed.env });
    expect([args, answer.exitCode, answer.stdout]).toEqual([args, 2, '']);
    expect(answer.stderr.trimEnd().split('\n').length).toBeLessThanOrEqual(2);
  }
});

test('help is 0, on standard output, and names the exit codes', async () => {
  const answer = await spawnMeterhouse(['--help']);
  expect([answer.exitCode, answer.stderr]).toEqual([0, '']);
  expect(answer.stdout).toContain('Exit codes: 0 done; 1 failed');
});

test('a store that is away is 1, with what to do and without the password', async () => {
  const away = { env: { ...bed.env, DATABASE_URL: 'postgresql://ann:secret@127.0.0.1:1/db' } };
  const answer = await spawnMeterhouse(['lag'], away);
  expect(answer.exitCode).toBe(1);
  expect(answer.stderr).toMatch(
    /^error: Postgres at postgresql:\/\/127\.0\.0\.1:1\/db does not answer .+\n$/,
  );
  const debugging = await spawnMeterhouse(['lag'], { env: { ...away.env, LOG_LEVEL: 'debug' } });
  expect(debugging.stderr).toContain('    at ');
});

test('without a stack it says how to name one', async () => {
  const answer = await spawnMeterhouse(['lag'], { cwd: await folder() });
  expect(answer.exitCode).toBe(1);
  expect(answer.stderr).toContain('no stack runs in .meterhouse');
});

test('--data-dir finds a running stack, and stands above the variables', async () => {
  const dir = join(await folder(), 'stack');
  await mkdir(dir);
  const endpoints = {
    kafka: bed.env['KAFKA_BROKERS'],
    schemaRegistry: bed.env['SCHEMA_REGISTRY_URL'],
    postgres: bed.env['DATABASE_URL'],
    clickhouse: bed.env['CLICKHOUSE_URL'],
    pids: {},
  };
  await writeFile(join(dir, 'endpoints.json'), JSON.stringify(endpoints));
  const answer = await spawnMeterhouse(['--json', '--data-dir', dir, 'lag', '--topic', bed.topic], {
    env: { DATABASE_URL: 'postgresql://127.0.0.1:1/db' },
  });
  expect([answer.exitCode, answer.stderr]).toEqual([0, '']);
  expect(answer.stdout.trimEnd()).not.toContain('\n');
  expect(JSON.parse(answer.stdout)).toMatchObject({
    kafkaError: null,
    partitions: [{ partition: 0 }, { partition: 1 }],
  });
});

test('a command that finds a difference ends with 1 and still prints its result', async () => {
  await bed.pool.query(
    `INSERT INTO meterhouse.usage_hourly VALUES ('acme', 'tokens', '2026-11-22T17:00Z', '{}', 1, 1, 1, 1, 1, '2026-11-22T17:00Z', 'x', 1)`,
  );
  const answer = await spawnMeterhouse(['reconcile', '--no-clickhouse', '--json'], { env: bed.env });
  expect(answer.exitCode).toBe(1);
  expect(JSON.parse(answer.stdout)).toMatchObject({ verdict: 'different', problems: ['buckets_differ'] });
});
