/**
 * Guarantees, on a real Postgres:
 *  - I2: the repetition of a counted event is never quarantined, also where a batch brings it after
 *    an event that contradicts it
 *  - of two events under one id, the one that was counted first stays counted, in whatever batches
 *    and order both are delivered again
 */
import type { Pool } from 'pg';
import { expect, test } from 'vitest';
import { dedupPeriod } from './index.ts';
import { anEvent, flushBed, flushNext, NOW, WEEKS_AGO } from './testing.ts';

async function quarantined(pool: Pool): Promise<unknown[]> {
  const rows = await pool.query<object>(
    'SELECT reason, value, occurrences FROM meterhouse.quarantine ORDER BY value',
  );
  return rows.rows;
}

async function usage(pool: Pool): Promise<unknown[]> {
  const rows = await pool.query<object>(
    'SELECT trim_scale(sum)::text AS sum, count FROM meterhouse.usage_hourly',
  );
  return rows.rows;
}

test('I2: a repetition that comes after its contradiction in a batch is a repetition', async () => {
  const { pool, worker } = await flushBed();
  await flushNext(worker, [{ event: anEvent({ value: '1' }) }]);
  const second = await flushNext(worker, [
    { event: anEvent({ value: '7' }) },
    { event: anEvent({ value: '1' }) },
    { event: anEvent({ value: '9' }) },
  ]);
  expect(second).toMatchObject({ counted: 0, duplicates: 1, quarantined: 2 });
  expect(await quarantined(pool)).toEqual([
    { reason: 'id_conflict', value: '7', occurrences: '1' },
    { reason: 'id_conflict', value: '9', occurrences: '1' },
  ]);
  expect(await usage(pool)).toEqual([{ sum: '1', count: '1' }]);
});

test('I2: so it is when the contradiction lies in another period of the de-duplication', async () => {
  const { pool, worker } = await flushBed();
  expect(dedupPeriod(WEEKS_AGO)).not.toBe(dedupPeriod(NOW));
  await flushNext(worker, [{ event: anEvent({ value: '1' }) }]);
  const second = await flushNext(worker, [
    { event: anEvent({ value: '1', ts: WEEKS_AGO }) },
    { event: anEvent({ value: '1' }) },
  ]);
  expect(second).toMatchObject({ counted: 0, duplicates: 1, quarantined: 1 });
  expect(await quarantined(pool)).toEqual([{ reason: 'id_conflict', value: '1', occurrences: '1' }]);
  expect(await usage(pool)).toEqual([{ sum: '1', count: '1' }]);
});

test('of a new id, the first of the batch counts and what says otherwise is quarantined', async () => {
  const { pool, worker } = await flushBed();
  expect(
    await flushNext(worker, [
      { event: anEvent({ value: '1' }) },
      { event: anEvent({ value: '7' }) },
      { event: anEvent({ value: '1' }) },
    ]),
  ).toMatchObject({
    counted: 1,
    duplicates: 1,
    quarantined: 1,
  });
  expect(await usage(pool)).toEqual([{ sum: '1', count: '1' }]);
});
