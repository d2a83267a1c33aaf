/**
 *  I3   whatever step of the flush dies, and however often, its effects are all there or none is
 *  I10  what was fetched and is not counted stays within its bound, however long the backlog and
 *       however long Postgres blocks
 * A Postgres that is frozen, and so gives no error, ends the process by POSTGRES_TIMEOUT_MS all the same.
 */
import { createPool } from '@meterhouse/postgres';
import { FLUSH_STEPS, type FlushStep } from '@meterhouse/postgres/flush';
import { postgresProxy } from '@meterhouse/postgres/proxy-testing';
import { waitFor } from '@meterhouse/runtime';
import { expect, onTestFinished, test } from 'vitest';
import { DEFAULT_BOUNDS, DEFAULT_TIMES } from './configuration.ts';
import { anEvent, readBuckets, readQuarantine, testBed } from './testing.ts';

const KIB = 1024;

/** What pg throws when the server ends the session. */
class AdminShutdown extends Error {
  readonly code = '57P01';
}

test.each(FLUSH_STEPS)('I3: a session that ends %s loses nothing and counts nothing twice', async (step) => {
  const bed = await testBed({ partitions: 1 });
  let strikes = 3;
  await bed.start({
    failpoint: (at: FlushStep) => {
      if (at !== step || strikes === 0) return Promise.resolve();
      strikes -= 1;
      return Promise.reject(new AdminShutdown(`struck ${at}`));
    },
  });
  const events = Array.from({ length: 50 }, (_, i) => anEvent({ value: String(i) }));
  const bad = anEvent({ id: 'bad', tenantId: 'nobody' });
  await bed.send([...events, bad, ...events].map((event) => bed.encode(event)));
  await bed.counted();
  await bed.send([bed.encode(anEvent({ value: '1000' }))]);
  await bed.counted();
  expect(await readBuckets(bed.pool)).toEqual({ 't1/tokens/{}': '2225×51' });
  expect(await readQuarantine(bed.pool)).toMatchObject([
    { event_id: 'bad', occurrences: '1', status: 'waiting' },
  ]);
  const log = await bed.pool.query<{ from_offset: string; next_offset: string }>(
    'SELECT from_offset, next_offset FROM meterhouse.change_log WHERE source = $1 ORDER BY next_offset',
    [bed.topic],
  );
  for (const [index, row] of log.rows.entries())
    expect(row.from_offset).toBe(log.rows[index - 1]?.next_offset ?? '0');
});

test('I10: while Postgres blocks, fetching stops at the bound, and goes on afterwards', async () => {
  const bed = await testBed({ partitions: 2 });
  const maxBufferedBytes = 256 * KIB;
  const maxBytesPerPartition = 128 * KIB;
  const service = await bed.start({
    bounds: {
      ...DEFAULT_BOUNDS,
      fetch: { maxBytes: 512 * KIB, maxBytesPerPartition, maxWaitMs: 50 },
      maxBufferedBytes,
    },
  });
  await bed.send([bed.encode(anEvent())], 0);
  await bed.send([bed.encode(anEvent())], 1);
  await bed.counted();
  const blocker = await bed.pool.connect();
  await blocker.query('BEGIN');
  await blocker.query('SELECT FROM meterhouse.progress FOR UPDATE');
  const padding = Object.fromEntries(Array.from({ length: 4 }, (_, i) => [`a${i}`, 'x'.repeat(250)]));
  let highest = 0;
  for (let round = 0; round < 10; round++) {
    for (const partition of [0, 1])
      await bed.send(
        Array.from({ length: 500 }, () => bed.encode(anEvent({ attrs: padding }))),
        partition,
      );
    highest = Math.max(highest, service.bufferedBytes());
  }
  await waitFor(
    'the bound to be reached',
    () => (service.bufferedBytes() >= maxBufferedBytes ? true : undefined),
    {
      deadlineMs: 10_000,
    },
  );
  highest = Math.max(highest, service.bufferedBytes());
  // One chunk a partition may be let in when there is just room, and each is a little larger in
  // memory than on the wire. Ten megabytes lie in the broker.
  expect(highest).toBeLessThan(maxBufferedBytes + 2 * 2 * maxBytesPerPartition);
  await blocker.query('ROLLBACK');
  blocker.release();
  await bed.counted();
  expect(await readBuckets(bed.pool)).toEqual({ 't1/tokens/{}': '10002×10002' });
  expect(service.bufferedBytes()).toBe(0);
});

test('a Postgres that neither answers nor refuses ends the process by its timeout', async () => {
  const bed = await testBed({ partitions: 1 });
  const proxy = await postgresProxy(bed.databaseUrl);
  const pool = createPool({ url: proxy.url, role: 'meterhouse_aggregator', applicationName: 'worker' });
  onTestFinished(() => pool.end());
  const times = { ...DEFAULT_TIMES, sessionTimeoutMs: 6_000, postgresTimeoutMs: 3_000 };
  const service = await bed.start({ pool, times });
  await bed.send([bed.encode(anEvent())]);
  await bed.counted();
  proxy.freeze();
  await bed.send([bed.encode(anEvent())]);
  await expect(service.failed).rejects.toThrow('waited 3000 ms for an answer of Postgres');
  await proxy.shut();
});
