/**
 * Guarantees, on a real Postgres, with a clock that the test sets:
 *  - a key is one reservation: asked again, also at once, it gives the same answer; with other content
 *    it names the field; when the reservation has ended it says so
 *  - an expired reservation does not count from the instant on which it expires, with no sweeper running
 *  - what was settled as expired stays expired, also when the clock goes back
 *  - a token that somebody else's renewal has replaced does nothing any more, and is told from a
 *    reservation whose time is over
 *  - no_capacity says when the units asked for will be free, counting what expires until then
 *  - a request out of bounds is refused with the name of the field
 */
import { afterAll, expect, test } from 'vitest';
import { waitFor } from '@meterhouse/runtime';
import { isRetryable } from '../errors.ts';
import { CapacityRequestError, confirm, readReservationHistory, release, renew, reserve } from './index.ts';
import { capacityBed, granted, lasting, poolTruth, START } from './testing.ts';

const bed = await capacityBed(afterAll);
let now = START;
await bed.setClock(now);
const pass = (ms: number): Promise<void> => bed.setClock((now += ms));

let count = 0;
/** A pool of its own, and a request for some of it. */
async function freshPool(size: bigint) {
  const pool = `pool-${++count}`;
  await bed.setPool(pool, size);
  const request = (key: string, units = 1n, ttlMs = 1_000) => ({
    pool,
    tenantId: 'acme',
    units,
    key: `${pool}/${key}`,
    ttlMs,
    by: 'scheduler-1',
  });
  return { pool, request, ask: (...a: Parameters<typeof request>) => reserve(bed.gate, request(...a)) };
}

const holderOf = ({ reservationId, fencingToken }: { reservationId: bigint; fencingToken: bigint }) => ({
  tenantId: 'acme',
  reservationId,
  fencingToken,
  by: 'scheduler-1',
});

const waitingForLocks = (sessions: number): Promise<true> =>
  waitFor(
    `${sessions} sessions to wait for a lock`,
    async () => {
      const rows = await bed.owner.query(
        `SELECT FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = 'gate' AND wait_event_type = 'Lock'`,
      );
      return rows.rowCount === sessions ? true : undefined;
    },
    { deadlineMs: 10_000 },
  );

test('reserve, confirm, release; each again gives the same answer', async () => {
  const { pool, ask } = await freshPool(8n);
  const reserved = await ask('k', 5n, 60_000);
  expect(reserved).toMatchObject({
    kind: 'reserved',
    state: 'held',
    expiresAt: now + 60_000,
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
  expect(released).toEqual({ kind: 'released', reservationId: holder.reservationId, endedAt: now });
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
  const { pool, ask } = await freshPool(3n);
  for (let round = 0; round < 60; round++) {
    const answers = await Promise.all(Array.from({ length: 6 }, () => ask(`all-${round}`, 3n)));
    expect(answers.map(({ kind }) => kind)).toEqual(Array.from({ length: 6 }, () => 'reserved'));
    await release(bed.gate, holderOf(granted(answers[0] ?? { kind: 'none' })));
  }
  expect((await poolTruth(bed.owner, pool)).booked).toBe(0n);
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

test('an expired reservation does not count, and nothing is done with it any more', async () => {
  const { pool, ask } = await freshPool(1n);
  const holder = holderOf(granted(await ask('first', 1n, 1_000)));
  await pass(999);
  expect(await ask('second')).toMatchObject({ kind: 'no_capacity', freesAt: now + 1 });
  await pass(1);
  const over = { reservationId: holder.reservationId, endedAt: now };
  expect(await renew(bed.gate, { ...holder, key: 'r', ttlMs: 1_000 })).toEqual({ kind: 'expired', ...over });
  expect(await ask('first')).toEqual({ kind: 'ended', state: 'expired', ...over });
  expect(await ask('second')).toMatchObject({ kind: 'reserved' });
  expect(await confirm(bed.gate, { ...holder, ttlMs: null })).toEqual({ kind: 'expired', ...over });
  expect(await release(bed.gate, holder)).toEqual({ kind: 'expired', ...over });
  expect(await poolTruth(bed.owner, pool)).toEqual({ size: 1n, booked: 1n, open: 1n, live: 1n });
});

test('more than one round of expired ones makes room at once', async () => {
  const { pool, ask } = await freshPool(1_200n);
  await bed.owner.query(
    `INSERT INTO meterhouse.capacity_reservations (pool_id, tenant_id, key, units, ttl_ms, fencing_token, expires_at, holder, reserved_at)
     SELECT $1, 'acme', $1 || '/crowd-' || n, 1, 10, nextval('meterhouse.capacity_fencing_token'),
            meterhouse.capacity_now() + interval '10 ms', 'crowd', meterhouse.capacity_now()
     FROM generate_series(1, 1200) AS n`,
    [pool],
  );
  await bed.owner.query('UPDATE meterhouse.capacity_pools SET booked = 1200 WHERE id = $1', [pool]);
  await pass(10);
  expect(await ask('all', 1_200n)).toMatchObject({ kind: 'reserved' });
  expect(await poolTruth(bed.owner, pool)).toEqual({ size: 1200n, booked: 1200n, open: 1200n, live: 1200n });
});

test('a clock that goes back revives nobody whose place was given away', async () => {
  const { pool, ask } = await freshPool(1n);
  const holder = holderOf(granted(await ask('first', 1n, 1_000)));
  await pass(1_000);
  expect(await ask('second', 1n, 60_000)).toMatchObject({ kind: 'reserved' });
  await pass(-900);
  for (const answer of [
    await confirm(bed.gate, { ...holder, ttlMs: null }),
    await renew(bed.gate, { ...holder, key: 'r', ttlMs: 1_000 }),
    await release(bed.gate, holder),
  ])
    expect(answer.kind).toBe('expired');
  expect((await poolTruth(bed.owner, pool)).live).toBe(1n);
  await pass(900);
});

test('the time that counts is that at which the lock was obtained', async () => {
  const { pool, ask } = await freshPool(2n);
  const holder = holderOf(granted(await ask('first', 1n, 1_000)));
  const block = async (statement: string, parameter: unknown) => {
    const blocker = await bed.owner.connect();
    await blocker.query('BEGIN');
    await blocker.query(statement, [parameter]);
    return async () => {
      await blocker.query('COMMIT');
      blocker.release();
    };
  };
  const unblockPool = await block('SELECT FROM meterhouse.capacity_pools WHERE id = $1 FOR UPDATE', pool);
  const waiting = ask('second', 1n, 5_000);
  await waitingForLocks(1);
  const unblockReservation = await block(
    'SELECT FROM meterhouse.capacity_reservations WHERE id = $1 FOR UPDATE',
    holder.reservationId,
  );
  const confirming = confirm(bed.gate, { ...holder, ttlMs: null });
  const renewing = renew(bed.gate, { ...holder, key: 'r', ttlMs: 1_000 });
  await waitingForLocks(3);
  await pass(1_000);
  await unblockReservation();
  await unblockPool();
  expect((await waiting).kind).toBe('reserved');
  expect(granted(await waiting).expiresAt).toBe(now + 5_000);
  expect([(await confirming).kind, (await renewing).kind]).toEqual(['expired', 'expired']);
});

test('a transaction that sees the pool as it was long ago cannot overbook it', async () => {
  const { pool, ask, request } = await freshPool(1n);
  const client = await bed.gate.connect();
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
  await client.query('SELECT FROM pg_class LIMIT 1');
  await ask('first');
  const late = await reserve(client, request('late')).catch((error: unknown) => error);
  expect(late).toMatchObject({ code: '40001' });
  expect(isRetryable(late)).toBe(true);
  await client.query('ROLLBACK');
  client.release();
  expect(await poolTruth(bed.owner, pool)).toMatchObject({ booked: 1n, live: 1n });
});

test('a renewal gives time and a new token, and puts the old one out', async () => {
  const { ask } = await freshPool(1n);
  const first = granted(await ask('job', 1n, 1_000));
  // Two processes with the same reservation: one was frozen, the other was started in its place.
  const frozen = holderOf(first);
  await pass(600);
  const renewed = await renew(bed.gate, { ...frozen, key: 'r1', ttlMs: 1_000, by: 'scheduler-2' });
  expect(renewed).toMatchObject({ kind: 'renewed', expiresAt: now + 1_000, expiresInMs: 1_000 });
  const current = holderOf(granted(renewed));
  expect(current.fencingToken > frozen.fencingToken).toBe(true);

  const stale = { kind: 'stale_token' };
  expect(await renew(bed.gate, { ...frozen, key: 'other', ttlMs: 1_000 })).toEqual(stale);
  expect(await confirm(bed.gate, { ...frozen, ttlMs: null })).toEqual(stale);
  expect(await release(bed.gate, frozen)).toEqual(stale);
  // A token of nobody, or of a later grant elsewhere, is none either.
  expect(await release(bed.gate, { ...current, fencingToken: current.fencingToken + 99n })).toEqual(stale);

  // The answer to the renewal was lost: it is asked for again, with what it was asked with.
  await pass(100);
  const again = await renew(bed.gate, { ...frozen, key: 'r1', ttlMs: 1_000 });
  expect(lasting(again)).toEqual(lasting(renewed));
  expect(await renew(bed.gate, { ...frozen, key: 'r1', ttlMs: 2_000 })).toEqual({
    kind: 'conflict',
    field: 'ttlMs',
  });
  // Its time is over: that is another answer, also to the current token.
  await pass(900);
  expect(await release(bed.gate, frozen)).toEqual(stale);
  expect(await release(bed.gate, current)).toMatchObject({ kind: 'expired', endedAt: now });
  expect(
    (await readReservationHistory(bed.operator, first.reservationId)).map(
      ({ action, by }) => `${action} by ${by}`,
    ),
  ).toEqual(['reserved by scheduler-1', 'renewed by scheduler-2']);
});

test('a lease: confirmed for a time, renewed, and ended when not', async () => {
  const { ask } = await freshPool(1n);
  const reserved = holderOf(granted(await ask('lease', 1n, 100)));
  const confirmed = await confirm(bed.gate, { ...reserved, ttlMs: 5_000 });
  expect(confirmed).toMatchObject({ kind: 'confirmed', expiresAt: now + 5_000 });
  let holder = holderOf(granted(confirmed));
  for (let term = 0; term < 5; term++) {
    await pass(4_000);
    const renewed = await renew(bed.gate, { ...holder, key: `term-${term}`, ttlMs: 5_000 });
    expect(renewed).toMatchObject({ kind: 'renewed', state: 'confirmed', expiresAt: now + 5_000 });
    holder = holderOf(granted(renewed));
  }
  await pass(5_000);
  expect(await ask('next')).toMatchObject({ kind: 'reserved' });
  expect(await renew(bed.gate, { ...holder, key: 'late', ttlMs: 5_000 })).toMatchObject({
    kind: 'expired',
    endedAt: now,
  });
});

test('what is held until it is released has no term to renew', async () => {
  const { ask } = await freshPool(1n);
  const holder = holderOf(granted(await ask('k')));
  await confirm(bed.gate, { ...holder, ttlMs: null });
  expect(await renew(bed.gate, { ...holder, key: 'r', ttlMs: 5 })).toMatchObject({
    kind: 'does_not_expire',
    fencingToken: holder.fencingToken,
    expiresAt: null,
  });
});

test('no_capacity says what is held, and when enough of it will be free', async () => {
  const { ask } = await freshPool(10n);
  const forever = holderOf(granted(await ask('forever', 2n)));
  await confirm(bed.gate, { ...forever, ttlMs: null });
  await ask('late', 3n, 3_000);
  await ask('soon', 1n, 1_000);
  await ask('middle', 2n, 2_000);
  await ask('middle too', 1n, 2_000);
  const refused = (freesIn: number | null, freesUnits: bigint) => ({
    kind: 'no_capacity',
    size: 10n,
    reserved: 9n,
    freesAt: freesIn === null ? null : now + freesIn,
    freesUnits,
  });
  expect(await ask('x', 2n)).toEqual(refused(1_000, 1n));
  expect(await ask('x', 3n)).toEqual(refused(2_000, 4n));
  expect(await ask('x', 5n)).toEqual(refused(2_000, 4n));
  expect(await ask('x', 8n)).toEqual(refused(3_000, 7n));
  expect(await ask('x', 9n)).toEqual(refused(null, 7n));
  expect(await ask('x', 11n)).toEqual(refused(null, 7n));
  // It was not remembered: the same key takes what is free.
  expect(await ask('x', 1n)).toMatchObject({ kind: 'reserved' });
});

test('what there is none of', async () => {
  const { request, ask } = await freshPool(1n);
  expect(await reserve(bed.gate, { ...request('k'), pool: 'none' })).toEqual({ kind: 'unknown_pool' });
  expect(await reserve(bed.gate, { ...request('k'), tenantId: 'nobody' })).toEqual({
    kind: 'unknown_tenant',
  });
  const holder = holderOf(granted(await ask('k')));
  const unknown = { kind: 'unknown_reservation' };
  expect(await release(bed.gate, { ...holder, reservationId: 999_999n })).toEqual(unknown);
  // Another tenant's is as unknown as one that never was.
  const foreign = { ...holder, tenantId: 'beta' };
  expect(await release(bed.gate, foreign)).toEqual(unknown);
  expect(await confirm(bed.gate, { ...foreign, ttlMs: null })).toEqual(unknown);
  expect(await renew(bed.gate, { ...foreign, key: 'r', ttlMs: 1 })).toEqual(unknown);
});

test.each([
  ['pool', { pool: '' }],
  ['tenantId', { tenantId: 'no spaces' }],
  ['units', { units: 0n }],
  ['units', { units: 10n ** 15n + 1n }],
  ['key', { key: 'k'.repeat(257) }],
  ['key', { key: 'broken \ud800' }],
  ['ttlMs', { ttlMs: 0.5 }],
  ['ttlMs', { ttlMs: 91 * 86_400_000 }],
  ['by', { by: '' }],
  ['reason', { reason: 'a\0b' }],
])('a request with a wrong %s names it', async (field, wrong) => {
  const request = { pool: 'p', tenantId: 'acme', units: 1n, key: 'k', ttlMs: 1, by: 'me', ...wrong };
  const error = await reserve(bed.gate, request).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(CapacityRequestError);
  expect(error).toMatchObject({ field, message: expect.stringContaining(`${field}: `) as string });
});
