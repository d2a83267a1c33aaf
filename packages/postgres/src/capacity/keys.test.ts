/**
 * Guarantees, on a real Postgres, with a clock that the test sets:
 *  - reserve, confirm and release each give the same answer again, and leave a line of history once
 *  - a key is one reservation, also when it is asked for many times at once; with other content it
 *    names the field
 */
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { waitFor } from '@meterhouse/runtime';
import { confirm, readReservationHistory, release, reserve } from './index.ts';
import { capacityScene, granted, holderOf, lasting, poolTruth } from './testing.ts';

const scene = await capacityScene(afterAll);
const { bed, freshPool, pass } = scene;

test('reserve, confirm, release; each again gives the same answer', async () => {
  const { pool, ask } = await freshPool(8n);
  const reserved = await ask('k', 5n, 60_000);
  expect(reserved).toMatchObject({
    kind: 'reserved',
    state: 'held',
    expiresAt: scene.now + 60_000,
    expiresInMs: 60_000,
  });
  const holder = holderOf(granted(reserved));
  await pass(1_000);
  const again = await ask('k', 5n, 60_000);
  expect(lasting(again)).toEqual(lasting(reserved));
  expect(granted(again).expiresInMs).toBe(59_000);

  const confirmed = await confirm(bed.gate, { ...holder, ttlMs: null });
  expect(confirmed).toMatchObject({ kind: 'confirmed', state: 'confirmed', expiresAt: null });
  expect(await confirm(bed.gate, { ...holder, ttlMs: null })).toEqual(confirmed);
  expect(await confirm(bed.gate, { ...holder, ttlMs: 5 })).toEqual({ kind: 'conflict', field: 'ttlMs' });
  await pass(365 * 86_400_000);
  expect(await poolTruth(bed.owner, pool)).toMatchObject({ live: 5n });

  const released = await release(bed.gate, holder);
  expect(released).toEqual({ kind: 'released', reservationId: holder.reservationId, endedAt: scene.now });
  await pass(1);
  expect(await release(bed.gate, holder)).toEqual(released);
  expect(await confirm(bed.gate, { ...holder, ttlMs: null })).toEqual(released);
  expect(await poolTruth(bed.owner, pool)).toEqual({ size: 8n, booked: 0n, open: 0n, live: 0n });
  const history = await readReservationHistory(bed.operator, holder.reservationId);
  expect(history.map(({ action, by }) => `${action} by ${by}`)).toEqual([
    'reserved by scheduler-1',
    'confirmed by scheduler-1',
    'released by scheduler-1',
  ]);
});

test('a key asked for many times at once is one reservation', async () => {
  const { pool, ask } = await freshPool(100n);
  const answers = await Promise.all(Array.from({ length: 24 }, () => ask('k', 7n)));
  expect(new Set(answers.map((answer) => granted(answer).reservationId)).size).toBe(1);
  for (const answer of answers) expect(lasting(answer)).toEqual(lasting(answers[0] ?? answer));
  expect(await poolTruth(bed.owner, pool)).toEqual({ size: 100n, booked: 7n, open: 7n, live: 7n });
});

test('nobody is refused for the units of the same request, asked at the same time', async () => {
  const { bed: own, freshPool: ownPool } = await capacityScene(onTestFinished);
  const { pool, request } = await ownPool(3n);
  // Between looking for the key and looking at the pool, in whichever order, there is time for a twin.
  await own.owner.query(`
    ALTER FUNCTION meterhouse.capacity_refusal(text, bigint, timestamptz) RENAME TO capacity_refusal_at_once;
    CREATE FUNCTION meterhouse.capacity_refusal(refused_pool text, asked_units bigint, at timestamptz)
    RETURNS SETOF meterhouse.capacity_answer LANGUAGE plpgsql VOLATILE AS $$
    BEGIN
      PERFORM pg_advisory_xact_lock_shared(7);
      RETURN QUERY SELECT * FROM meterhouse.capacity_refusal_at_once(refused_pool, asked_units, at);
    END $$`);
  const wanted = request('all', 3n);
  const twin = await own.owner.connect();
  await twin.query('BEGIN');
  await twin.query('SELECT pg_advisory_xact_lock(7)');
  const asked = reserve(own.gate, wanted);
  await waitFor(
    'the request to be in the middle',
    async () => {
      const waiting = await own.owner.query(
        `SELECT FROM pg_locks JOIN pg_database AS d ON d.oid = database
         WHERE d.datname = current_database() AND locktype = 'advisory' AND NOT granted`,
      );
      return waiting.rowCount === 1 ? true : undefined;
    },
    { deadlineMs: 10_000 },
  );
  const first = await reserve(twin, wanted);
  await twin.query('COMMIT');
  twin.release();
  expect(first.kind).toBe('reserved');
  expect(lasting(await asked)).toEqual(lasting(first));
  expect((await poolTruth(own.owner, pool)).booked).toBe(3n);
});

test('a key with other content names the field, also when both come at once', async () => {
  const one = await freshPool(100n);
  const other = await freshPool(100n);
  await one.ask('k', 2n);
  const field = (name: string) => ({ kind: 'conflict', field: name });
  expect(await one.ask('k', 3n)).toEqual(field('units'));
  expect(await one.ask('k', 2n, 999)).toEqual(field('ttlMs'));
  expect(await reserve(bed.gate, { ...one.request('k', 2n), pool: other.pool })).toEqual(field('pool'));
  // Keys are a tenant's own.
  expect(await reserve(bed.gate, { ...one.request('k', 3n), tenantId: 'beta' })).toMatchObject({
    kind: 'reserved',
  });
  for (let round = 0; round < 10; round++) {
    const key = `both-${round}`;
    const answers = await Promise.all([
      reserve(bed.gate, { ...one.request(key, 2n), key }),
      reserve(bed.gate, { ...other.request(key, 2n), key }),
    ]);
    expect(answers.map(({ kind }) => kind).sort()).toEqual(['conflict', 'reserved']);
    expect(answers).toContainEqual(field('pool'));
  }
  const booked = [await poolTruth(bed.owner, one.pool), await poolTruth(bed.owner, other.pool)];
  expect(booked.map((truth) => truth.booked - truth.open)).toEqual([0n, 0n]);
});
