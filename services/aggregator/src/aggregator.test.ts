/**
 * On a real broker and Postgres:
 *  I1  a bucket equals the exact aggregate of the distinct accepted events, however often and in
 *      whatever order they were delivered
 *  I2  what was sent is in a bucket or in quarantine
 *  I4  of two workers on the same partitions, one counts
 *  I6  processed_through moves on when there is nothing to count
 * A partition whose records are gone is halted, and asked for no more often than is of use until then.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { sharedStack } from '@meterhouse/dev-stack/testing';
import { createKafka } from '@meterhouse/kafka';
import { DEDUP_PERIOD_MS, dedupPeriod } from '@meterhouse/postgres/flush';
import { waitFor } from '@meterhouse/runtime';
import { HOUR_MS, hourOf } from '@meterhouse/usage';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { DEFAULT_TIMES } from './configuration.ts';
import { anEvent, readBuckets, readQuarantine, testBed } from './testing.ts';

test('I1: repetitions, late and out-of-order events end in the exact buckets', async () => {
  const bed = await testBed();
  const now = hourOf(Date.now()) + 1;
  const events = [
    anEvent({ value: '0.1', ts: now }),
    anEvent({ value: '0.2', ts: now }),
    anEvent({ value: '99999999999999999999999999999.999999999', ts: now - 30 * 24 * HOUR_MS }),
    anEvent({ value: '-0.000000001', ts: now - 2 * HOUR_MS }),
    anEvent({ tenantId: 't2', metric: 'bytes', value: '5', attrs: { model: 'a', other: 'x' }, ts: now }),
    anEvent({ tenantId: 't2', metric: 'bytes', value: '7', attrs: { model: 'b' }, ts: now }),
    anEvent({ tenantId: 't2', metric: 'calls', value: '1', ts: now }),
  ].map((event) => bed.encode(event));
  await bed.send([...events, ...events.toReversed()], 0);
  await bed.start();
  await bed.send(events, 1);
  await bed.counted();
  expect(await readBuckets(bed.pool)).toEqual({
    't1/tokens/{}': '100000000000000000000000000000.299999998×4',
    't2/bytes/{"model": "a"}': '5×1',
    't2/bytes/{"model": "b"}': '7×1',
    't2/calls/{}': '1×1',
  });
  expect(await readQuarantine(bed.pool)).toEqual([]);
});

test('max, min and latest are of the distinct events, ties of latest by id', async () => {
  const bed = await testBed();
  const ts = hourOf(Date.now());
  await bed.start();
  for (const metric of ['peak', 'low', 'seats'])
    await bed.send(
      [
        anEvent({ id: 'b', metric, value: '7', ts: ts + 1 }),
        anEvent({ id: 'a', metric, value: '3', ts: ts + 1 }),
        anEvent({ id: 'c', metric, value: '9', ts }),
      ].map((event) => bed.encode({ ...event, id: `${metric}-${event.id}` })),
    );
  await bed.counted();
  const rows = await bed.pool.query(
    `SELECT metric, trim_scale(min)::text AS min, trim_scale(max)::text AS max, trim_scale(latest)::text AS latest, latest_id
     FROM meterhouse.usage_hourly ORDER BY metric`,
  );
  expect(rows.rows).toEqual([
    { metric: 'low', min: '3', max: '9', latest: '7', latest_id: 'low-b' },
    { metric: 'peak', min: '3', max: '9', latest: '7', latest_id: 'peak-b' },
    { metric: 'seats', min: '3', max: '9', latest: '7', latest_id: 'seats-b' },
  ]);
});

test('I2: what cannot be counted is quarantined under its reason, and its neighbours are counted', async () => {
  const bed = await testBed();
  const day = 24 * HOUR_MS;
  const good = anEvent();
  const bad = [
    anEvent({ id: 'tenant', tenantId: 'nobody' }),
    anEvent({ id: 'metric', metric: 'nothing' }),
    anEvent({ id: 'unit', unit: 'parsec' }),
    anEvent({ id: 'nan', value: 'NaN' }),
    anEvent({ id: 'exponent', value: '1e3' }),
    anEvent({ id: 'decimals', value: '0.0000000001' }),
    anEvent({ id: 'scale', metric: 'calls', value: '0.5' }),
    anEvent({ id: 'overflow', value: '1' + '0'.repeat(29) }),
    anEvent({ id: 'old', ts: Date.now() - 36 * day }),
    anEvent({ id: 'future', ts: Date.now() + 2 * HOUR_MS }),
    anEvent({ id: 'year1', ts: -62_135_596_800_000 }),
    anEvent({ id: 'year9999', ts: 253_402_300_799_999 }),
    anEvent({ id: 'nul\0', value: '1' }),
    anEvent({ id: 'attr', attrs: { big: 'x'.repeat(1_000_000) } }),
  ].map((event) => bed.encode(event));
  const encoded = bed.encode(good);
  const garbage = [
    encoded.subarray(0, encoded.length - 3),
    Buffer.concat([Buffer.from([1]), encoded.subarray(1)]),
    Buffer.concat([Buffer.from([0, 0x7f, 0xff, 0xff, 0xff]), encoded.subarray(5)]),
    Buffer.alloc(10_000_000, 1),
    Buffer.alloc(0),
    null,
  ];
  await bed.start();
  for (const value of [...bad, ...garbage, encoded]) await bed.send([value]);
  await bed.counted();
  expect(await readBuckets(bed.pool)).toEqual({ 't1/tokens/{}': '1×1' });
  const rows = await readQuarantine(bed.pool);
  expect(rows.map((row) => `${row.event_id ?? '-'}: ${row.reason} ${row.field ?? ''}`.trimEnd())).toEqual([
    'tenant: unknown_tenant tenantId',
    'metric: unknown_metric metric',
    'unit: wrong_unit unit',
    'nan: invalid_value value',
    'exponent: invalid_value value',
    'decimals: invalid_value value',
    'scale: invalid_value value',
    'overflow: invalid_value value',
    'old: too_old ts',
    'future: in_the_future ts',
    'year1: too_old ts',
    'year9999: in_the_future ts',
    'nul�: invalid_event id',
    'attr: invalid_event attrs.big',
    '-: undecodable attrs',
    ...Array<string>(5).fill('-: undecodable'),
  ]);
});

test('the same id with other content is an id_conflict, also across periods, and is never counted', async () => {
  const bed = await testBed();
  const now = Date.now();
  const otherPeriod = dedupPeriod(now) * DEDUP_PERIOD_MS - 1;
  const first = anEvent({ id: 'same', value: '1', ts: now });
  await bed.start({ window: { backMs: 60 * 24 * HOUR_MS, aheadMs: HOUR_MS } });
  await bed.send([bed.encode(first), bed.encode({ ...first, value: '2' })]);
  await bed.counted();
  // Alone, so that it is the table and not the batch that knows the id.
  await bed.send([bed.encode({ ...first, ts: otherPeriod })]);
  await bed.counted();
  await bed.send([
    bed.encode({ ...first, value: '1.0', source: 'another way', correlationId: 'c' }),
    bed.encode({ ...first, attrs: { a: 'b' } }),
    bed.encode({ ...first, tenantId: 't2', value: '4' }),
  ]);
  await bed.counted();
  expect(await readBuckets(bed.pool)).toEqual({ 't1/tokens/{}': '1×1', 't2/tokens/{}': '4×1' });
  expect((await readQuarantine(bed.pool)).map((row) => row.reason)).toEqual(Array(3).fill('id_conflict'));
});

test('I2: a registered metric and a replay count what waited, once, also when it was sent again', async () => {
  const bed = await testBed();
  const waiting = anEvent({ id: 'w1', metric: 'later', value: '3' });
  const resent = anEvent({ id: 'w2', metric: 'later', value: '4' });
  await bed.start();
  await bed.send([waiting, waiting, resent, anEvent({ id: 'never', tenantId: 'nobody' })].map(bed.encode));
  await bed.counted();
  expect((await readQuarantine(bed.pool)).map((row) => [row.event_id, row.occurrences])).toEqual([
    ['w1', '2'],
    ['w2', '1'],
    ['never', '1'],
  ]);
  await bed.pool.query(
    `INSERT INTO meterhouse.metrics (name, unit, aggregation, scale, family) VALUES ('later', 'x', 'sum', 0, 'compute');
     UPDATE meterhouse.registry_version SET version = version + 1`,
  );
  await bed.send([bed.encode(resent)], 1);
  await bed.counted();
  await bed.pool.query(
    `UPDATE meterhouse.quarantine SET status = 'replay_requested' WHERE status = 'waiting'`,
  );
  await waitFor(
    'the replay',
    async () =>
      (await readQuarantine(bed.pool)).some((row) => row.status === 'replay_requested') ? undefined : true,
    { deadlineMs: 10_000 },
  );
  expect(await readBuckets(bed.pool)).toEqual({ 't1/later/{}': '7×2' });
  expect((await readQuarantine(bed.pool)).map((row) => `${row.event_id}: ${row.status}`)).toEqual([
    'w1: counted',
    'w2: counted',
    'never: waiting',
  ]);
  const history = await bed.pool.query<{ action: string }>(
    `SELECT action FROM meterhouse.quarantine_history AS h JOIN meterhouse.quarantine AS q ON q.id = h.quarantine_id
     ORDER BY q.partition, q."offset", h.id`,
  );
  expect(history.rows.map((row) => row.action)).toEqual(['counted', 'counted', 'still_refused']);
});

test('I4: two workers that both read every partition count once', async () => {
  const bed = await testBed({ partitions: 2 });
  const events = Array.from({ length: 5_000 }, () => bed.encode(anEvent({ value: '2' })));
  // Different groups: each is given all partitions, as after a rebalance that one has not heard of.
  await bed.start({ groupId: `${bed.topic}-a` });
  await bed.start({ groupId: `${bed.topic}-b` });
  for (let i = 0; i < events.length; i += 500)
    // Garbage has no id that de-duplication could know it by: only the next offset guards it.
    await bed.send([...events.slice(i, i + 500), Buffer.from('garbage')], (i / 500) % 2);
  await bed.counted();
  expect(await readBuckets(bed.pool)).toEqual({ 't1/tokens/{}': '10000×5000' });
  expect(await readQuarantine(bed.pool)).toHaveLength(10);
});

test('I3: the committed Kafka offset is only advice: a worker starts where Postgres says', async () => {
  const bed = await testBed({ partitions: 1 });
  const first = await bed.start();
  await bed.send([bed.encode(anEvent({ value: '5' }))]);
  await bed.counted();
  await first.stop();
  await bed.send([bed.encode(anEvent({ value: '6' }))]);
  const admin = bed.kafka.admin();
  await admin.connect();
  await admin.setOffsets({
    groupId: `group_${bed.topic.slice(13)}`,
    topic: bed.topic,
    partitions: [{ partition: 0, offset: '2' }],
  });
  await admin.disconnect();
  await bed.start();
  await bed.counted();
  expect(await readBuckets(bed.pool)).toEqual({ 't1/tokens/{}': '11×2' });
});

test('a partition whose log no longer holds what comes next is stopped, loudly, and skips nothing', async () => {
  const bed = await testBed({ partitions: 1 });
  await bed.send([anEvent(), anEvent(), anEvent()].map(bed.encode));
  await bed.pool.query(`INSERT INTO meterhouse.progress (source, partition, next_offset) VALUES ($1, 0, 1)`, [
    bed.topic,
  ]);
  const admin = bed.kafka.admin();
  await admin.connect();
  await admin.fetchTopicOffsets(bed.topic); // kafkajs loads the topic's metadata only when asked this way
  await admin.deleteTopicRecords({ topic: bed.topic, partitions: [{ partition: 0, offset: '2' }] });
  await admin.disconnect();
  const lines: string[] = [];
  const logger = pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) });
  const kafka = createKafka({ brokers: [(await sharedStack()).kafka], clientId: 'worker', logger });
  // Time enough for kafkajs to go back and forth a thousand times, were it let.
  await bed.start({ kafka, times: { ...DEFAULT_TIMES, sessionTimeoutMs: 6_000, watermarkEveryMs: 400 } });
  const reason = await waitFor(
    'the partition to be stopped',
    async () => {
      const rows = await bed.pool.query<{ halted_reason: string | null; next_offset: string }>(
        'SELECT halted_reason, next_offset FROM meterhouse.progress WHERE source = $1',
        [bed.topic],
      );
      return rows.rows[0]?.halted_reason ?? undefined;
    },
    { deadlineMs: 30_000 },
  );
  expect(reason).toMatch(/the log starts at 2, above the next offset 1/);
  const resets = () => lines.filter((line) => line.includes('ConsumerGroup')).length;
  const before = resets();
  expect(before).toBeGreaterThan(0);
  expect(before).toBeLessThan(20);
  // Once it is halted nothing of it is asked for any more.
  await delay(2_000);
  expect(resets()).toBeLessThanOrEqual(before + 1);
  expect(await readBuckets(bed.pool)).toEqual({});
});

test('I6: an idle partition is complete through now', async () => {
  const bed = await testBed({ partitions: 2 });
  await bed.start();
  await bed.send([bed.encode(anEvent())]);
  await bed.counted();
  const since = new Date();
  await waitFor(
    'both partitions to pass the instant',
    async () => {
      const rows = await bed.pool.query<{ behind: string }>(
        `SELECT count(*) AS behind FROM meterhouse.progress
         WHERE source = $1 AND (processed_through IS NULL OR processed_through < $2)`,
        [bed.topic, since],
      );
      return rows.rows[0]?.behind === '0' ? true : undefined;
    },
    { deadlineMs: 15_000 },
  );
});

test('usage_daily is right at every moment, also after a late event', async () => {
  const bed = await testBed();
  const yesterday = Math.floor(Date.now() / (24 * HOUR_MS)) * 24 * HOUR_MS - 5 * HOUR_MS;
  await bed.start();
  await bed.send([
    bed.encode(anEvent({ value: '1', ts: yesterday })),
    bed.encode(anEvent({ value: '2', ts: yesterday + HOUR_MS })),
  ]);
  await bed.counted();
  await bed.send([bed.encode(anEvent({ value: '0.5', ts: yesterday }))]);
  await bed.counted();
  const rows = await bed.pool.query(
    `SELECT day::text, trim_scale(sum)::text AS sum, count::int, revision::int FROM meterhouse.usage_daily`,
  );
  expect(rows.rows).toEqual([
    { day: new Date(yesterday).toISOString().slice(0, 10), sum: '3.5', count: 3, revision: 3 },
  ]);
});
