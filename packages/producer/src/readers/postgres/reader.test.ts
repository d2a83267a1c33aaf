/**
 * Guarantees of asking Postgres, by the adapter or by the reader on its own, on a real one:
 *  - Beside an adapter that only delivers it answers `getUsage`, `check` and classes, and can write nothing;
 *    a cache that is away is passed by.
 *  - Quota is used up to the billionth, and the denial names the scope whose ceiling won.
 *  - With Postgres away everything that is launch-sensitive is denied as stale, and so is the rest where the
 *    plan says so; what was never read, or is older than the bound, decides nothing.
 *  - A change of the registry holds with the next answer; access rules are compiled once for each.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { postgresProxy } from '@meterhouse/postgres/proxy-testing';
import { usageBed, type UsageBed } from '@meterhouse/postgres/usage-testing';
import { HOUR_MS, hourOf } from '@meterhouse/usage';
import { afterAll, expect, onTestFinished, test, vi } from 'vitest';
import type { MeterConfiguration } from '../../configuration/schema.ts';
import { createMeter, type MeterParts } from '../../create-meter.ts';
import type { Meter } from '../../meter.ts';

const compiled = vi.hoisted(() => ({ times: 0 }));
vi.mock(import('@meterhouse/policy'), async (load) => {
  const policy = await load();
  return {
    ...policy,
    compileAccessRules: (...given) => {
      compiled.times += 1;
      return policy.compileAccessRules(...given);
    },
  };
});

const folder = mkdtempSync(join(tmpdir(), 'meterhouse-reader-'));
afterAll(() => rmSync(folder, { recursive: true }));

const entitlements = [{ product: 'ai', resourceType: '*', action: '*' }];
const limitOf = (value: string) => [{ metric: 'tokens', period: 'month', value }];
const REGISTRY = {
  metric: [{ name: 'tokens', unit: 'token', aggregation: 'sum', scale: 9, family: 'token_request' }],
  product: [
    {
      id: 'ai',
      name: 'AI',
      dimensions: [{ metric: 'tokens', unit: 'token' }],
      actions: [
        { resourceType: 'model', action: 'call', launchSensitive: false },
        { resourceType: 'job', action: 'launch', launchSensitive: true },
      ],
    },
  ],
  plan: [
    { id: 'pro', name: 'Pro', limits: limitOf('10'), entitlements },
    {
      id: 'lenient',
      name: 'Lenient',
      limits: limitOf('10'),
      entitlements,
      stale: { maxAgeMs: 5_000, otherwise: 'allow' },
    },
  ],
  tenant: [
    { id: 'org', name: 'Org', parent: null, class: 'external', plan: 'pro', status: 'active' },
    { id: 'team', name: 'Team', parent: 'org', class: null, plan: null, status: 'active' },
    { id: 'easy', name: 'Easy', parent: null, class: 'external', plan: 'lenient', status: 'active' },
    { id: 'own', name: 'Own', parent: null, class: 'internal', plan: 'pro', status: 'active' },
  ],
  access_rule: [{ id: 'members', effect: 'allow', actors: { roles: ['member'] } }],
} as const;

async function bedWith(): Promise<UsageBed> {
  const bed = await usageBed(onTestFinished);
  await bed.register(
    Object.entries(REGISTRY).flatMap(([kind, bodies]) => bodies.map((body) => ({ kind, body }))),
  );
  return bed;
}

function meterWith(configuration: Omit<MeterConfiguration, 'source'>, parts: MeterParts = {}): Meter {
  const meter = createMeter({ source: 'test', ...configuration }, parts);
  onTestFinished(async () => {
    await meter.close({ deadlineMs: 0 });
  });
  return meter;
}

const actor = { type: 'user', id: 'ann', roles: ['member'], scopes: [] };
const call = (tenantId: string, delta: string) => ({
  ...{ actor, tenantId, product: 'ai', resourceType: 'model', action: 'call' },
  usage: { metric: 'tokens', unit: 'token', delta },
});
const launch = { actor, tenantId: 'easy', product: 'ai', resourceType: 'job', action: 'launch' };

/** An adapter that answers nothing itself, with Postgres beside it. */
const beside = (url: string) =>
  ({
    adapter: 'log',
    log: { file: join(folder, 'usage.log') },
    postgres: { url, connections: 2 },
    usage: { from: 'postgres' },
    check: { from: 'postgres' },
  }) as const;

/** A login with the one right that the reader is documented to need. */
async function loginThatReads(bed: UsageBed): Promise<string> {
  const name = `reader_${randomBytes(6).toString('hex')}`;
  await bed.owner.query(`CREATE ROLE ${name} LOGIN PASSWORD '${name}' IN ROLE meterhouse_reader`);
  onTestFinished(async () => {
    await bed.owner.query(`DROP ROLE ${name}`);
  });
  const url = new URL(bed.url);
  url.username = name;
  url.password = name;
  return url.href;
}

async function used(bed: UsageBed, tenantId: string, value: string): Promise<void> {
  const counting = meterWith({ adapter: 'postgres', postgres: { url: bed.url } });
  await counting.record({ tenantId, metric: 'tokens', value });
  await counting.close();
}

test('the reader answers beside another adapter, past a cache that is away', async () => {
  const bed = await bedWith();
  await used(bed, 'team', '1.000000001');
  const { usage, ...rest } = beside(await loginThatReads(bed));
  const meter = meterWith({
    ...rest,
    usage: { ...usage, cache: 'redis', redisUrl: 'redis://127.0.0.1:9' },
    weights: { from: 'postgres', internal: 'off' },
  });
  const from = hourOf(Date.now()) - HOUR_MS;
  const question = { tenantId: 'org', metric: 'tokens', from, to: from + 3 * HOUR_MS, descendants: true };
  expect(await meter.getUsage(question)).toMatchObject({
    value: '1.000000001',
    asOf: { origin: 'postgres', cache: 'unavailable' },
  });
  expect(await meter.check(call('team', '1'))).toMatchObject({ outcome: 'allow', decidedBy: 'postgres' });
  await vi.waitFor(
    async () => {
      await meter.record({ tenantId: 'own', metric: 'tokens' });
      expect(meter.counters().discarded).toBeGreaterThan(0);
    },
    { timeout: 30_000 },
  );

  const { rows } = await bed.owner.query(
    `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'meterhouse-producer-test'`,
  );
  expect(rows.length).toBeLessThanOrEqual(2);
});

test('quota is used up to the billionth, by the scope whose ceiling won', async () => {
  const bed = await bedWith();
  await used(bed, 'team', '8.000000001');
  const meter = meterWith({ adapter: 'postgres', postgres: { url: bed.url } });
  expect(await meter.check(call('team', '1.999999999'))).toMatchObject({ outcome: 'allow', enforced: true });
  expect(await meter.check(call('team', '2'))).toMatchObject({
    outcome: 'deny',
    reason: 'quota_exhausted',
    ceiling: { scope: 'org', used: '8.000000001', remaining: '1.999999999' },
  });
  await expect(meter.checkOrThrow(call('team', '2'))).rejects.toMatchObject({
    name: 'QuotaExceeded',
    scope: 'org',
  });
});

test('with Postgres away it is closed: stale where the registry is known, no answer where it is not', async () => {
  const bed = await bedWith();
  await used(bed, 'easy', '1');
  const door = await postgresProxy(bed.url);
  let clock = 0;
  const meter = meterWith(beside(door.url), { ports: { clock: () => clock } });
  expect(await meter.check(launch)).toMatchObject({ outcome: 'allow', reason: 'ok' });
  await door.shut();
  const stranger = meterWith(beside(door.url));
  await expect(stranger.check(launch)).rejects.toMatchObject({ code: 'unavailable' });
  await expect(
    stranger.getUsage({ tenantId: 'easy', metric: 'tokens', from: 0, to: HOUR_MS }),
  ).rejects.toMatchObject({
    code: 'unavailable',
  });
  expect(await meter.check(launch)).toMatchObject({ outcome: 'deny', reason: 'stale_snapshot' });
  expect(await meter.check(call('team', '1'))).toMatchObject({ outcome: 'deny', reason: 'stale_snapshot' });
  expect(await meter.check(call('easy', '1'))).toMatchObject({
    outcome: 'allow',
    reason: 'stale_snapshot',
    enforced: false,
  });
  clock = 300_001;
  await expect(meter.check(call('easy', '1'))).rejects.toMatchObject({ code: 'unavailable' });
  await door.open();
  expect(await meter.check(launch)).toMatchObject({ outcome: 'allow', reason: 'ok' });
});

test('access rules are compiled once for each version of the registry', async () => {
  const bed = await bedWith();
  await used(bed, 'team', '1');
  const meter = meterWith(beside(bed.url));
  const before = compiled.times;
  for (let i = 0; i < 5; i++)
    expect(await meter.check(call('team', '1'))).toMatchObject({ outcome: 'allow' });
  expect(compiled.times - before).toBe(1);
  const body = { id: 'nobody', effect: 'deny', actors: { roles: ['member'] } };
  await bed.register([{ kind: 'access_rule', body }]);
  expect(await meter.check(call('team', '1'))).toMatchObject({ outcome: 'deny', reason: 'policy_denied' });
  expect(await meter.check(call('team', '1'))).toMatchObject({ outcome: 'deny', reason: 'policy_denied' });
  expect(compiled.times - before).toBe(2);
});
