/**
 * Guarantees, on a real Postgres, with a clock that the test sets:
 *  - a renewal gives time and a higher token; whoever has the old one is out, and hears that it is
 *    stale, not that the time is over
 *  - a renewal whose answer was lost is asked for again and gives the same
 *  - a lease lives as long as it is renewed, and ends when it is not
 */
import { afterAll, expect, test } from 'vitest';
import { confirm, readReservationHistory, release, renew } from './index.ts';
import { capacityScene, granted, holderOf, lasting } from './testing.ts';

const scene = await capacityScene(afterAll);
const { bed, freshPool, pass } = scene;

test('a renewal gives time and a new token, and puts the old one out', async () => {
  const { ask } = await freshPool(1n);
  const first = granted(await ask('job', 1n, 1_000));
  // Two processes with the same reservation: one was frozen, the other was started in its place.
  const frozen = holderOf(first);
  await pass(600);
  const renewed = await renew(bed.gate, { ...frozen, key: 'r1', ttlMs: 1_000, by: 'scheduler-2' });
  expect(renewed).toMatchObject({ kind: 'renewed', expiresAt: scene.now + 1_000, expiresInMs: 1_000 });
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
  expect(await release(bed.gate, current)).toMatchObject({ kind: 'expired', endedAt: scene.now });
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
  expect(confirmed).toMatchObject({ kind: 'confirmed', expiresAt: scene.now + 5_000 });
  let holder = holderOf(granted(confirmed));
  for (let term = 0; term < 5; term++) {
    await pass(4_000);
    const renewed = await renew(bed.gate, { ...holder, key: `term-${term}`, ttlMs: 5_000 });
    expect(renewed).toMatchObject({ kind: 'renewed', state: 'confirmed', expiresAt: scene.now + 5_000 });
    holder = holderOf(granted(renewed));
  }
  await pass(5_000);
  expect(await ask('next')).toMatchObject({ kind: 'reserved' });
  expect(await renew(bed.gate, { ...holder, key: 'late', ttlMs: 5_000 })).toMatchObject({
    kind: 'expired',
    endedAt: scene.now,
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
