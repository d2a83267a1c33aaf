/**
 * Guarantees, on a real Postgres, with a clock that the test sets:
 *  - no_capacity says what is reserved and when the units asked for fit, counting what expires until
 *    then; it is not remembered
 *  - pools, tenants and reservations that do not exist are told from what is refused, and another
 *    tenant's reservation is one of them
 *  - a request out of bounds is refused with the name of the field
 */
import { afterAll, expect, test } from 'vitest';
import { CapacityRequestError, confirm, release, renew, reserve } from './index.ts';
import { capacityScene, granted, holderOf } from './testing.ts';

const scene = await capacityScene(afterAll);
const { bed, freshPool } = scene;

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
    freesAt: freesIn === null ? null : scene.now + freesIn,
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
