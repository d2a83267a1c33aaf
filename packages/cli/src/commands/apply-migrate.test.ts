/**
 * Guarantees, on a real Postgres and ClickHouse:
 * - migrate is idempotent, and a database that is newer than the code is refused
 * - apply writes what the file says, once; nothing to change means no new version and no notice
 * - a dry run, and a file with any problem, change nothing
 * - while a flush holds the registry, apply waits for it
 */
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { createClient } from '@meterhouse/postgres';
import { commandBed, REGISTRY } from '../testing.ts';

const bed = await commandBed();

async function apply(
  yaml: string,
  ...args: string[]
): Promise<{ registryVersion: string; changes: string[] }> {
  const file = await bed.file('registry.yaml', yaml);
  const result = (await bed.json(['apply', '-f', file, ...args])) as {
    registryVersion: string;
    entries: { name: string; change: string }[];
  };
  return {
    registryVersion: result.registryVersion,
    changes: result.entries.map(({ name, change }) => `${name} ${change}`),
  };
}

const ALL_CREATED = ['acme-search created', 'acme created', 'tokens created', 'seats created'];

test('migrate a second time runs nothing', async () => {
  expect(await bed.json(['migrate'])).toEqual({ postgres: [], clickhouse: [] });
});

test('apply is idempotent, and a dry run changes nothing', async () => {
  expect(await apply(REGISTRY, '--dry-run')).toEqual({ registryVersion: '1', changes: ALL_CREATED });
  expect(await apply(REGISTRY)).toEqual({ registryVersion: '2', changes: ALL_CREATED });
  const again = await apply(REGISTRY);
  expect(again.registryVersion).toBe('2');
  expect(again.changes.every((change) => change.endsWith(' unchanged'))).toBe(true);
  expect((await apply('tenants: [{ id: acme, name: ACME }]')).changes).toEqual(['acme changed']);
});

test('a change is notified with its version, no change is not', async () => {
  const listener = createClient({ url: bed.env['DATABASE_URL'] ?? '', applicationName: 'test' });
  await listener.connect();
  await listener.query('LISTEN meterhouse_registry');
  const heard: (string | undefined)[] = [];
  listener.on('notification', ({ payload }) => heard.push(payload));
  const first = once(listener, 'notification');
  const { registryVersion } = await apply('tenants: [{ id: beta }]');
  await first;
  await apply('tenants: [{ id: beta }]');
  const second = once(listener, 'notification');
  await apply('tenants: [{ id: beta, name: Beta }]');
  await second;
  await listener.end();
  expect(heard).toEqual([registryVersion, `${BigInt(registryVersion) + 1n}`]);
});

test('a file with problems is refused whole, with every path', async () => {
  const file = await bed.file(
    'registry.yaml',
    'tenants: [{ id: gamma }, { id: x, parent: nobody }]\nmetrics: [{ name: m, unit: u, aggregation: unique, scale: 0, family: compute }]',
  );
  const broken = await bed.run('apply', '-f', file);
  expect(broken.exitCode).toBe(1);
  expect(broken.stderr).toContain('metrics[0].aggregation: unique cannot be counted yet');
  const unknown = await bed.run(
    'apply',
    '-f',
    await bed.file('tree.yaml', 'tenants: [{ id: gamma }, { id: x, parent: nobody }]'),
  );
  expect(unknown.stderr).toContain('tenants[1].parent: nobody is neither in the file nor registered');
  // A circle that only what is registered closes.
  const circle = await bed.run(
    'apply',
    '-f',
    await bed.file('circle.yaml', 'tenants: [{ id: acme, parent: acme-search }]'),
  );
  expect(circle.stderr).toContain('tenants[0].parent: acme → acme-search → acme goes in a circle');
  const rows = await bed.pool.query(`SELECT FROM meterhouse.tenants WHERE id IN ('gamma', 'x')`);
  expect(rows.rowCount).toBe(0);
});

test('what a metric has counted cannot change its meaning', async () => {
  await bed.pool.query(
    `INSERT INTO meterhouse.usage_hourly VALUES ('acme', 'tokens', '2026-11-22T17:00Z', '{}', 1, 1, 1, 1, 1, '2026-11-22T17:00Z', 'x', 1)`,
  );
  const changed = REGISTRY.replace('unit: token,', 'unit: byte,').replace('scale: 9', 'scale: 2');
  const answer = await bed.run('apply', '-f', await bed.file('changed.yaml', changed));
  expect(answer.exitCode).toBe(1);
  expect(answer.stderr).toContain('metrics[0].unit: token → byte is refused');
  expect(answer.stderr).toContain('metrics[0].scale: 9 → 2 is refused');
  expect((await apply(REGISTRY.replace('[model]', '[]'))).changes).toContain('tokens changed');
  // seats has counted nothing yet.
  expect((await apply(REGISTRY.replace('unit: seat', 'unit: place'))).changes).toContain('seats changed');
});

test('apply waits for a flush that holds the registry', async () => {
  const flush = createClient({ url: bed.env['DATABASE_URL'] ?? '', applicationName: 'test' });
  await flush.connect();
  await flush.query('BEGIN');
  await flush.query(`SELECT pg_advisory_xact_lock_shared(hashtext('meterhouse.registry'))`);
  let done = false;
  const applying = apply('tenants: [{ id: delta }]').then(() => {
    done = true;
  });
  await bed.pool.query(`DO $$ BEGIN
    FOR i IN 1..400 LOOP
      EXIT WHEN EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND mode = 'ExclusiveLock');
      PERFORM pg_sleep(0.05);
    END LOOP;
  END $$`);
  expect(done).toBe(false);
  await flush.query('COMMIT');
  await applying;
  await flush.end();
});

test('a database that is newer than the code is refused', async () => {
  await bed.pool.query(`INSERT INTO public.meterhouse_migrations (name) VALUES ('9999_future.sql')`);
  for (const args of [['migrate'], ['lag']]) {
    const answer = await bed.run(...args);
    expect(answer.exitCode).toBe(1);
    expect(answer.stderr).toContain('newer than this code (9999_future.sql)');
  }
  await bed.pool.query(`DELETE FROM public.meterhouse_migrations WHERE name = '9999_future.sql'`);
});
