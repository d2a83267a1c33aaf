/**
 * Guarantees of a meter that decides by snapshots, with the snapshot service, broker and Postgres real:
 *  - It allows within the quota and denies beyond it, naming the scope of the lineage whose ceiling won; what
 *    was counted meanwhile changes the answer.
 *  - Before the snapshots are read it waits, and then has no answer: nothing is decided by what is not known.
 *  - With nothing published any more it is closed where it is launch-sensitive, and where the plan says so.
 *  - By the class that the registry gives a tenant, or that of what it belongs to, events are left out,
 *    logged as well, or metered.
 *  - Usage of past hours is not in the snapshots, and it says who could answer.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { changeRegistry } from '@meterhouse/postgres';
import { sharedStack } from '@meterhouse/dev-stack/testing';
import { createMeter, overTransport, type Meter, type MeterConfiguration } from '@meterhouse/producer';
import { waitFor } from '@meterhouse/runtime';
import { expect, onTestFinished, test } from 'vitest';
import { snapshotBed, type SnapshotBed } from '../../services/quota-snapshot/src/testing/snapshot-bed.ts';

const DEADLINE = { deadlineMs: 60_000, everyMs: 20 };
const NOW = Date.UTC(2026, 2, 31, 22, 30);
const entitlements = [{ product: 'ai', resourceType: '*', action: '*' }];
const limitOf = (value: string) => [{ metric: 'm.sum', period: 'month', value }];
/** Far from what a busy machine makes of a heartbeat a second. */
const MAX_AGE_MS = 60_000;
const stale = { maxAgeMs: MAX_AGE_MS, otherwise: 'deny' };
const lenient = { maxAgeMs: MAX_AGE_MS, otherwise: 'allow' };
const tenant = (id: string, parent: string | null, more: object = {}) => ({
  ...{ id, name: id, parent, class: null, plan: null, status: 'active' },
  ...more,
});

const metric = { name: 'm.sum', unit: 'unit', aggregation: 'sum', scale: 9, family: 'compute', groupBy: [] };
const REGISTRY: Readonly<Record<string, readonly object[]>> = {
  metric: [metric],
  product: [
    {
      ...{ id: 'ai', name: 'AI', dimensions: [{ metric: 'm.sum', unit: 'unit' }] },
      actions: [
        { resourceType: 'model', action: 'call', launchSensitive: false },
        { resourceType: 'job', action: 'launch', launchSensitive: true },
      ],
    },
  ],
  plan: [
    { ...{ id: 'capped', name: 'Capped', entitlements }, limits: limitOf('10'), stale },
    { ...{ id: 'lenient', name: 'Lenient', entitlements }, limits: limitOf('10'), stale: lenient },
  ],
  tenant: [
    tenant('acme', null, { class: 'external', plan: 'capped' }),
    tenant('search', 'acme'),
    tenant('team', 'search'),
    tenant('easy', null, { class: 'external', plan: 'lenient' }),
    tenant('ours', null, { class: 'internal', plan: 'capped' }),
    tenant('lab', 'ours'),
    tenant('sister', null, { class: 'arms_length', plan: 'capped' }),
  ],
  access_rule: [{ ...{ id: 'members', effect: 'allow' }, actors: { roles: ['member'] } }],
};

function nameOf(body: object): string {
  return 'id' in body ? String(body.id) : 'name' in body ? String(body.name) : '';
}

async function bedWithRegistry(): Promise<SnapshotBed> {
  const bed = await snapshotBed({ now: NOW });
  const changes = Object.entries(REGISTRY).flatMap(([kind, bodies]) =>
    bodies.map((after) => ({ kind, id: nameOf(after), before: null, after, privileged: false })),
  );
  const author = { by: 'test', why: 'test' };
  await changeRegistry(bed.changeLog.pool, () => ({ changes }), { author, dryRun: false });
  await bed.complete(NOW);
  return bed;
}

/** Its clocks are ahead of the bed's by so much. */
interface Ahead {
  ms: number;
}

async function meterOn(
  bed: SnapshotBed,
  more: Partial<Omit<MeterConfiguration, 'adapter' | 'source'>> = {},
  ahead: Ahead = { ms: 0 },
  topic = bed.snapshotsTopic,
): Promise<Meter> {
  const { kafka, schemaRegistry } = await sharedStack();
  const meter = createMeter(
    {
      source: 'test',
      adapter: overTransport({
        send: () => Promise.resolve(),
        close: () => Promise.resolve(),
        remakes: () => 0,
      }),
      snapshots: { brokers: [kafka], schemaRegistryUrl: schemaRegistry, topic },
      check: { from: 'snapshots', deadlineMs: 60_000 },
      ...more,
    },
    { ports: { now: () => bed.clock.now + ahead.ms, clock: () => performance.now() + ahead.ms } },
  );
  onTestFinished(async () => {
    await meter.close();
  });
  return meter;
}

const actor = { type: 'user', id: 'ann', roles: ['member'], scopes: [] };
const call = (tenantId: string, delta: string) => ({
  ...{ actor, tenantId, product: 'ai', resourceType: 'model', action: 'call' },
  usage: { metric: 'm.sum', unit: 'unit', delta },
});
const launch = (tenantId: string) => ({
  ...{ actor, tenantId, product: 'ai', resourceType: 'job', action: 'launch' },
});

async function until(meter: Meter, question: Parameters<Meter['check']>[0], reason: string): Promise<void> {
  let last: unknown;
  await waitFor(
    `the answer ${reason}`,
    async () => {
      last = await meter.check(question);
      return (last as { reason: string }).reason === reason ? true : undefined;
    },
    DEADLINE,
  ).catch((error: unknown) => {
    throw new Error(`last answer: ${inspect(last)}`, { cause: error });
  });
}

test('it decides by what is published, and is closed when nothing is', { timeout: 180_000 }, async () => {
  const bed = await bedWithRegistry();
  const ahead = { ms: 0 };
  const never = { check: { from: 'snapshots', deadlineMs: 3_000 } } as const;
  const blind = await meterOn(bed, never, ahead, `${bed.snapshotsTopic}_that_is_not_there`);
  await expect(blind.check(launch('team'))).rejects.toMatchObject({ code: 'unavailable' });

  await bed.count('team', { value: '8.000000001' });
  await bed.count('easy', { value: '1' });
  const publisher = bed.publisher();
  const meter = await meterOn(bed, {}, ahead);
  await until(meter, call('team', '1.999999999'), 'ok');
  expect(await meter.check(call('team', '1.999999999'))).toMatchObject({
    outcome: 'allow',
    enforced: true,
    decidedBy: 'snapshots',
  });
  await expect(meter.checkOrThrow(call('team', '2'))).rejects.toMatchObject({
    name: 'QuotaExceeded',
    scope: 'acme',
    decision: { reason: 'quota_exhausted', ceiling: { used: '8.000000001', remaining: '1.999999999' } },
  });
  await bed.count('search', { value: '1' });
  await until(meter, call('team', '1'), 'quota_exhausted');
  expect(await meter.check(launch('team'))).toMatchObject({ outcome: 'allow', reason: 'ok' });
  await expect(
    meter.getUsage({ tenantId: 'team', metric: 'm.sum', from: NOW - 1_800_000, to: NOW + 1_800_000 }),
  ).rejects.toMatchObject({ code: 'unsupported' });
  await expect(meter.check({ ...launch('team'), slots: -1 })).rejects.toMatchObject({ code: 'refused' });

  await publisher.stop();
  ahead.ms = 2 * MAX_AGE_MS;
  expect(await meter.check(launch('easy'))).toMatchObject({ outcome: 'deny', reason: 'stale_snapshot' });
  expect(await meter.check(call('team', '0.5'))).toMatchObject({ outcome: 'deny', reason: 'stale_snapshot' });
  expect(await meter.check(call('easy', '1'))).toMatchObject({
    ...{ outcome: 'allow', reason: 'stale_snapshot', enforced: false },
  });
});

test('events weigh what the class of their tenant says', { timeout: 180_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'meterhouse-weights-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, 'audit.log');
  const bed = await bedWithRegistry();
  bed.publisher();
  const meter = await meterOn(bed, {
    log: { file },
    weights: {
      from: 'snapshots',
      internal: 'off',
      armsLength: 'meter_and_audit',
      external: 'meter',
      maxAgeMs: 1_000,
    },
  });
  // Until its class is known, an event is metered.
  await waitFor(
    'the class of lab',
    () => {
      meter.add({ tenantId: 'lab', metric: 'm.sum' });
      return meter.counters().discarded > 0 ? true : undefined;
    },
    DEADLINE,
  );
  for (const tenantId of ['lab', 'sister', 'team', 'nobody']) meter.add({ tenantId, metric: 'm.sum' });
  await meter.flush();
  const before = meter.counters();
  for (const tenantId of ['lab', 'lab', 'sister', 'team', 'nobody']) meter.add({ tenantId, metric: 'm.sum' });
  await meter.flush();
  const { accepted, discarded, audited } = meter.counters();
  expect({
    metered: accepted - before.accepted,
    leftOut: discarded - before.discarded,
    logged: audited - before.audited,
  }).toEqual({ metered: 3, leftOut: 2, logged: 1 });
  const lines = (await readFile(file, 'utf8')).split('\n').filter((line) => line !== '');
  expect(lines.every((line) => line.includes('"tenantId":"sister"'))).toBe(true);
});
