/**
 * Guarantees, on a real Postgres, with a clock that the test sets:
 *  - an expired reservation does not count from the instant on which it expires, with no sweeper
 *    running, and nothing is done with it any more
 *  - what was settled as expired stays expired, also when the clock goes back
 *  - the time that counts is that at which the lock was obtained
 *  - a transaction that sees the past fails rather than overbook
 */
import { afterAll, expect, test } from 'vitest';
import { waitFor } from '@meterhouse/runtime';
import { isRetryable } from '../errors.ts';
import { confirm, release, renew, reserve } from './index.ts';
import { capacityScene, granted, holderOf, poolTruth } from './testing.ts';

const scene = await capacityScene(afterAll);
const { bed, freshPool, pass } = scene;

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

test('an expired reservation does not count, and nothing is done with it any more', async () => {
  const { pool, ask } = await freshPool(1n);
  const holder = holderOf(granted(await ask('first', 1n, 1_000)));
  await pass(999);
  expect(await ask('second')).toMatchObject({ kind: 'no_capacity', freesAt: scene.now + 1 });
  await pass(1);
  const over = { reservationId: holder.reservationId, endedAt: scene.now };
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
  expect(granted(await waiting).expiresAt).toBe(scene.now + 5_000);
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
