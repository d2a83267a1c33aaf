/**
 * Guarantees, on a real broker and Postgres:
 * - I6: what a flush commits reaches readers, rolled up the lineage, with an as-of that is true; the
 *   as-of moves on while nothing is used.
 * - A new period starts at 0 and is published so; what is past stays in the longer periods.
 * - A restart rebuilds everything from Postgres, with a higher epoch.
 * - A move of a tenant shows in both its old and its new parents.
 * - A snapshot topic that is made anew gets the whole state again before anything is called complete.
 * - Whoever stands by publishes nothing, and takes over when the leader goes.
 */
import { DAY_MS, HOUR_MS, TURNING_PERIODS } from '@meterhouse/usage';
import { expect, test } from 'vitest';
import { snapshotBed, untilUsed } from './testing/snapshot-bed.ts';
import { until } from './testing/until.ts';

test('I6: a flush reaches a reader, rolled up the lineage, with an as-of', async () => {
  const bed = await snapshotBed();
  const { now } = bed.clock;
  bed.publisher();
  const reader = bed.reader();
  await reader.ready();
  await bed.count('team', { value: '1.000000001' });
  await bed.count('search', { value: '0.5', ts: now - HOUR_MS });
  await bed.count('acme', { value: '10', ts: now - 2 * DAY_MS });
  await bed.count('team', { metric: 'm.max', value: '-3' });
  await bed.count('search', { metric: 'm.max', value: '-2' });
  await bed.count('team', { metric: 'm.latest', value: '7', ts: now - 5 });
  await bed.count('search', { metric: 'm.latest', value: '8', ts: now - 6 });
  await bed.complete(now - 100);
  await until('the as-of', () => reader.status().asOf === now - 100);

  const usedOf = (tenantId: string, metric: string): unknown =>
    TURNING_PERIODS.map((period) => {
      const reading = reader.get(tenantId, metric, period);
      return reading.state === 'known' ? reading.used : reading.state;
    });
  expect({
    team: usedOf('team', 'm.sum'),
    search: usedOf('search', 'm.sum'),
    acme: usedOf('acme', 'm.sum'),
    max: usedOf('acme', 'm.max'),
    latest: usedOf('acme', 'm.latest'),
  }).toEqual({
    team: ['1.000000001', '1.000000001', '1.000000001'],
    search: ['1.000000001', '1.500000001', '1.500000001'],
    acme: ['1.000000001', '1.500000001', '11.500000001'],
    max: ['-2', '-2', '-2'],
    latest: ['7', '7', '7'],
  });
  expect(reader.get('acme', 'm.sum', 'hour')).toMatchObject({ asOf: now - 100 });
});

test('I6: the as-of moves on by heartbeats while nothing is used, and not beyond the slowest partition', async () => {
  const bed = await snapshotBed();
  // Other sources are not the broker: one without a watermark holds nothing back.
  for (const source of ['quarantine', 'outbox']) await bed.changeLog.count(source, 0, []);
  bed.publisher();
  const reader = bed.reader();
  await bed.complete(bed.clock.now - 1000);
  await until('the first as-of', () => reader.status().asOf === bed.clock.now - 1000);
  await bed.changeLog.watermark(bed.eventsTopic, 0, bed.clock.now);
  await bed.changeLog.watermark(bed.eventsTopic, 1, bed.clock.now - 500);
  await until('the next as-of', () => reader.status().asOf === bed.clock.now - 500);
});

test('I6: while a partition has never been counted, nothing is said to be complete', async () => {
  const bed = await snapshotBed();
  bed.publisher();
  const reader = bed.reader();
  await bed.count('team');
  await bed.changeLog.watermark(bed.eventsTopic, 0, bed.clock.now);
  await untilUsed(reader, 'team', '1');
  await until('a heartbeat', () => reader.status().asOf !== null);
  expect(reader.status().asOf).toBe(0);
});

test('a new period starts at 0 and is published so', async () => {
  const bed = await snapshotBed();
  bed.publisher();
  const reader = bed.reader();
  await bed.count('team');
  // Ahead of its hour: it counts there once the hour begins.
  await bed.count('team', { ts: bed.clock.now + HOUR_MS });
  await untilUsed(reader, 'acme', '1');
  await untilUsed(reader, 'acme', '2', { period: 'day' });
  // The as-of stays where it is: the zeros come as messages of their own.
  bed.clock.now += HOUR_MS;
  await untilUsed(reader, 'acme', '1');
  await untilUsed(reader, 'acme', '2', { period: 'day' });
  bed.clock.now += HOUR_MS;
  for (const period of TURNING_PERIODS) await untilUsed(reader, 'acme', '0', { period });
  expect(reader.get('acme', 'm.sum', 'month')).toMatchObject({ periodStart: Date.UTC(2026, 3, 1) });
});

test('I6: a publisher whose clock is behind does not pass an old period for the current one', async () => {
  const bed = await snapshotBed();
  const service = bed.publisher({ now: () => bed.clock.now - HOUR_MS });
  const reader = bed.reader();
  await until('the first state', () => {
    const status = service.status();
    return status.role === 'leader' && status.publishedThrough !== null;
  });
  await bed.count('team', { ts: bed.clock.now - HOUR_MS, value: '5' });
  await bed.count('team');
  await bed.complete(bed.clock.now);
  await until('the as-of', () => reader.status().asOf === bed.clock.now);
  expect(reader.get('acme', 'm.sum', 'hour')).toMatchObject({ state: 'known', used: '1' });
});

test('a restart rebuilds everything from Postgres, also what was counted while nobody published', async () => {
  const bed = await snapshotBed();
  const first = bed.publisher();
  const reader = bed.reader();
  await bed.count('team');
  await untilUsed(reader, 'acme', '1');
  await first.stop();
  expect(first.status()).toEqual({ role: 'stopped' });
  await bed.count('team');
  await bed.changeLog.pool.query('DELETE FROM meterhouse.change_log');
  bed.publisher();
  await untilUsed(reader, 'acme', '2');
  const epochs = new Set((await bed.log()).map(({ epoch }) => epoch));
  expect(epochs.size).toBe(2);
});

test('a tenant that moves takes its usage from its old parents to its new ones', async () => {
  const bed = await snapshotBed();
  await bed.register([{ id: 'other', parent: null }]);
  bed.publisher();
  const reader = bed.reader();
  await bed.count('team', { value: '5' });
  await bed.count('search', { value: '1' });
  await untilUsed(reader, 'acme', '6');
  await bed.register([{ id: 'team', parent: 'other' }]);
  await untilUsed(reader, 'other', '5');
  await untilUsed(reader, 'search', '1');
  await untilUsed(reader, 'acme', '1');
  await bed.register([{ id: 'search', parent: 'other' }]);
  await untilUsed(reader, 'other', '6');
  // Nothing is left below acme, and that is said.
  await untilUsed(reader, 'acme', '0');
});

test('a tenant and a metric that are registered later count without a restart', async () => {
  const bed = await snapshotBed();
  bed.publisher();
  const reader = bed.reader();
  await bed.count('team');
  await untilUsed(reader, 'acme', '1');
  await bed.register([{ id: 'late', parent: 'acme' }]);
  await bed.count('late');
  await untilUsed(reader, 'late', '1');
  await untilUsed(reader, 'acme', '2');
});

test('one publishes, the other stands by and takes over', async () => {
  const bed = await snapshotBed();
  const first = bed.publisher();
  await until('a leader', () => first.status().role === 'leader');
  const second = bed.publisher();
  const reader = bed.reader();
  await bed.count('team');
  await untilUsed(reader, 'acme', '1');
  expect(second.status().role).toBe('standby');
  await first.stop();
  await bed.count('team');
  await untilUsed(reader, 'acme', '2');
  expect(second.status().role).toBe('leader');
});

test('sessions that Postgres ends cost the lead, not the process', async () => {
  const bed = await snapshotBed();
  const service = bed.publisher();
  const reader = bed.reader();
  await bed.count('team');
  await untilUsed(reader, 'acme', '1');
  const before = service.status();
  await bed.changeLog.pool.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE pid <> pg_backend_pid() AND datname = current_database()`,
  );
  await until('another term', () => {
    const status = service.status();
    return status.role === 'leader' && before.role === 'leader' && status.epoch > before.epoch;
  });
  await bed.count('team');
  await untilUsed(reader, 'acme', '2');
});

test('I10: more buckets than the bound end the service with an error that says so', async () => {
  const bed = await snapshotBed();
  const service = bed.publisher({ bounds: { maxBuckets: 1 } });
  await bed.count('team');
  await bed.count('search');
  await expect(service.failed).rejects.toThrow('more than 1 hour buckets');
  expect(service.status().role).toBe('stopped');
});

test('a large state is published in bounded batches, and only then complete', async () => {
  const bed = await snapshotBed();
  await bed.register(Array.from({ length: 40 }, (_, i) => ({ id: `t${i}`, parent: 'acme' })));
  for (let i = 0; i < 40; i++) await bed.count(`t${i}`);
  await bed.complete(bed.clock.now);
  bed.publisher({ bounds: { maxBatchMessages: 7 } });
  const reader = bed.reader();
  await until('the as-of', () => reader.status().asOf === bed.clock.now);
  const log = await bed.log();
  const firstHeartbeat = log.findIndex(({ kind }) => kind === 'heartbeat');
  // 41 tenants with usage, three periods each.
  expect(log.slice(0, firstHeartbeat).filter(({ kind }) => kind === 'usage')).toHaveLength(123);
  await untilUsed(reader, 'acme', '40');
});

test('I6: a snapshot topic that is made anew gets the whole state again, in a higher epoch', async () => {
  const bed = await snapshotBed();
  const service = bed.publisher();
  const reader = bed.reader();
  await bed.count('team');
  await bed.complete(bed.clock.now);
  await untilUsed(reader, 'acme', '1');
  const before = service.status();
  await bed.remakeSnapshotsTopic();
  await until('another term', () => {
    const status = service.status();
    return status.role === 'leader' && before.role === 'leader' && status.epoch > before.epoch;
  });
  const fresh = bed.reader();
  await until('the as-of', () => fresh.status().asOf === bed.clock.now);
  expect(fresh.get('acme', 'm.sum', 'hour')).toMatchObject({ state: 'known', used: '1' });
  await bed.count('team');
  for (const each of [reader, fresh]) await untilUsed(each, 'acme', '2');
}, 120_000);
