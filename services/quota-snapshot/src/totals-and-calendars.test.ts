/**
 * Guarantees, on a real broker and Postgres:
 * - A total is everything ever counted, rolled up the lineage: also what was counted before the limit
 *   was set, what comes late, and what is counted while nobody publishes; it is there before readers
 *   hear of the limit that asks for it.
 * - A month by a tenant's own time zone and billing day holds what was counted in it, also what comes 20
 *   days late, across a restart.
 * - Another calendar shows in all of the tree's usage, without a restart.
 */
import { changeRegistry, type RegistryChange } from '@meterhouse/postgres';
import { DAY_MS, HOUR_MS } from '@meterhouse/usage';
import type { SnapshotReader } from '@meterhouse/quota/reader';
import { expect, test } from 'vitest';
import { snapshotBed, untilUsed, type SnapshotBed } from './testing/snapshot-bed.ts';
import { until } from './testing/until.ts';

const NOW = Date.UTC(2026, 2, 31, 22, 30);
const TOTAL = { period: 'total' } as const;
const MONTH = { period: 'month' } as const;

type Written = readonly [kind: string, body: object & { readonly id: string }];

async function write(bed: SnapshotBed, ...documents: readonly Written[]) {
  const changes: RegistryChange[] = documents.map(([kind, body]) => ({
    kind,
    id: body.id,
    before: null,
    after: body,
    privileged: false,
  }));
  const author = { by: 'test', why: 'test' };
  const { version } = await changeRegistry(bed.changeLog.pool, () => ({ changes }), {
    author,
    dryRun: false,
  });
  return version;
}

const tenant = (id: string, parent: string | null, more: object = {}) =>
  ['tenant', { id, name: id, parent, class: null, plan: null, status: 'active', ...more }] as const;
const limited = (metric: string) =>
  [
    'plan',
    { id: 'capped', name: 'capped', limits: [{ metric, period: 'total', value: '100' }], entitlements: [] },
  ] as const;

async function untilRegistry(reader: SnapshotReader, version: bigint): Promise<void> {
  await until('the registry', () => reader.status().registryVersion >= version);
}

test('a total has everything ever counted, from the moment at which readers hear of its limit', async () => {
  const bed = await snapshotBed({ now: NOW });
  await bed.count('team', { value: '1', ts: NOW - 400 * DAY_MS });
  await bed.count('search', { value: '2', ts: NOW - 50 * DAY_MS });
  await bed.count('team', { value: '4' });
  await bed.count('team', { metric: 'm.max', value: '9', ts: NOW - 100 * DAY_MS });
  bed.publisher();
  const reader = bed.reader();
  await untilUsed(reader, 'acme', '4', MONTH);
  expect(reader.get('acme', 'm.sum', 'total')).toMatchObject({ state: 'unknown', reason: 'not_published' });

  const version = await write(bed, limited('m.sum'), tenant('acme', null, { plan: 'capped' }));
  await untilRegistry(reader, version);
  expect(reader.get('acme', 'm.sum', 'total')).toMatchObject({ state: 'known', used: '7' });
  // Nobody asks for its total.
  expect(reader.get('team', 'm.sum', 'total')).toMatchObject({ reason: 'not_published' });

  await bed.count('team', { value: '8' });
  await untilUsed(reader, 'acme', '15', TOTAL);
  // Late by more than is held hour by hour; then once more into the same hour.
  await bed.count('team', { value: '16', ts: NOW - 33 * DAY_MS });
  await untilUsed(reader, 'acme', '31', TOTAL);
  await bed.count('search', { value: '32', ts: NOW - 50 * DAY_MS });
  await bed.count('team', { value: '64', ts: NOW - 33 * DAY_MS });
  await untilUsed(reader, 'acme', '127', TOTAL);
  await untilUsed(reader, 'acme', '12', MONTH);

  const override = {
    id: 'o',
    tenant: 'team',
    metric: 'm.max',
    period: 'total',
    value: '5',
    reason: 'r',
    author: 'a',
  };
  await untilRegistry(reader, await write(bed, ['override', override]));
  expect(reader.get('team', 'm.max', 'total')).toMatchObject({ used: '9' });
});

test('a total is the same after a restart, with what was counted while nobody published', async () => {
  const bed = await snapshotBed({ now: NOW });
  await write(bed, limited('m.sum'), tenant('acme', null, { plan: 'capped' }));
  await bed.count('team', { value: '1', ts: NOW - 100 * DAY_MS });
  const first = bed.publisher();
  const reader = bed.reader();
  await untilUsed(reader, 'acme', '1', TOTAL);
  await first.stop();
  await bed.count('team', { value: '2', ts: NOW - 100 * DAY_MS });
  await bed.count('search', { value: '4' });
  bed.publisher();
  await untilUsed(reader, 'acme', '7', TOTAL);
  // A month later the hours that were held have become part of the past.
  bed.clock.now += 40 * DAY_MS;
  await untilUsed(reader, 'acme', '0', MONTH);
  await bed.count('search', { value: '8', ts: NOW });
  await untilUsed(reader, 'acme', '15', TOTAL);
});

test('a limit whose usage is nothing yet is known to be 0', async () => {
  const bed = await snapshotBed({ now: NOW });
  const version = await write(bed, limited('m.sum'), tenant('search', 'acme', { plan: 'capped' }));
  bed.publisher();
  const reader = bed.reader();
  await untilRegistry(reader, version);
  await untilUsed(reader, 'search', '0', TOTAL);
});

test('an anchored month holds what comes 20 days late, across a restart, and turns at midnight there', async () => {
  // 23:30 in Berlin on 14 April, half an hour before the 15th.
  const turn = Date.UTC(2026, 3, 14, 22);
  const began = Date.UTC(2026, 2, 14, 23);
  const bed = await snapshotBed({ now: turn - HOUR_MS / 2 });
  await write(bed, tenant('acme', null, { billing: { timeZone: 'Europe/Berlin', anchorDay: 15 } }));
  const first = bed.publisher();
  const reader = bed.reader();
  await bed.count('team', { value: '1' });
  // The first hour of the period, and the last of the one before, in one UTC month.
  await bed.count('team', { value: '2', ts: began });
  await bed.count('team', { value: '4', ts: began - 1 });
  await untilUsed(reader, 'acme', '3', MONTH);
  expect(reader.get('acme', 'm.sum', 'month')).toMatchObject({ periodStart: began });
  await bed.count('search', { value: '8', ts: bed.clock.now - 20 * DAY_MS });
  await untilUsed(reader, 'acme', '11', MONTH);
  await first.stop();
  await bed.count('search', { value: '16', ts: bed.clock.now - 20 * DAY_MS });
  const second = bed.publisher();
  await untilUsed(reader, 'acme', '27', MONTH);
  await untilUsed(reader, 'team', '3', MONTH);

  // It turns, and what is late goes where it belongs: not into the new one.
  await bed.count('team', { value: '32', ts: turn });
  bed.clock.now = turn + 1;
  await untilUsed(reader, 'acme', '32', MONTH);
  await untilUsed(reader, 'acme', '32', { period: 'day' });
  await bed.count('team', { value: '64', ts: turn - 20 * DAY_MS });
  await bed.count('team', { value: '128' });
  await untilUsed(reader, 'acme', '160', MONTH);
  expect(reader.get('acme', 'm.sum', 'month')).toMatchObject({ periodStart: turn });
  await second.stop();
}, 120_000);

test('another calendar shows in all of the tree, without a restart', async () => {
  const bed = await snapshotBed({ now: NOW });
  bed.publisher();
  const reader = bed.reader();
  await bed.count('team', { value: '1' });
  await bed.count('team', { value: '2', ts: Date.UTC(2026, 2, 10) });
  await bed.count('team', { value: '4', ts: Date.UTC(2026, 1, 20) });
  await untilUsed(reader, 'team', '3', MONTH);
  const by = (anchorDay: number) =>
    tenant('acme', null, { billing: { timeZone: 'America/New_York', anchorDay } });
  await write(bed, by(15));
  await untilUsed(reader, 'team', '1', MONTH);
  await untilUsed(reader, 'acme', '1', MONTH);
  await write(bed, by(31));
  // 30 March was 31 February's day: none, so the month began on 28 February and ends today.
  await until('the new month', () => {
    const reading = reader.get('acme', 'm.sum', 'month');
    return reading.state === 'known' && reading.periodStart === Date.UTC(2026, 2, 31, 4);
  });
  await write(bed, tenant('acme', null));
  await untilUsed(reader, 'team', '3', MONTH);
});
