/**
 * Guarantees, on a real Postgres:
 *  - pools are made as given, once; who changed a size from what, and why, is kept
 *  - a size below what is reserved takes nothing from anybody, and lets nothing in until enough has ended
 *  - a pool's unit is settled; a list with a mistake changes nothing and names the field
 *  - the sweep settles what has expired and forgets what has ended for long, within its bounds; the
 *    history stays
 */
import { afterAll, expect, test } from 'vitest';
import { inTransaction } from '../transaction.ts';
import {
  applyPools,
  CapacityRequestError,
  listReservations,
  readPools,
  readReservationHistory,
  release,
  reserve,
  sweepReservations,
  type CapacityPool,
} from './index.ts';
import { capacityBed, granted, START } from './testing.ts';

const bed = await capacityBed(afterAll);
let now = START;
await bed.setClock(now);
const DAY_MS = 86_400_000;

const apply = (...pools: CapacityPool[]) =>
  inTransaction(bed.operator, (client) => applyPools(client, pools, { by: 'ann', reason: 'ticket 7' }));
const gpus = (size: bigint): CapacityPool => ({ id: 'gpus', unit: 'gpu', size });

async function take(pool: string, key: string, units: bigint, ttlMs = 60_000) {
  const holder = { tenantId: 'acme', by: 'test' };
  const answer = await reserve(bed.gate, { ...holder, pool, key, units, ttlMs });
  return { answer, give: () => release(bed.gate, { ...holder, ...idsOf(granted(answer)) }) };
}
const idsOf = ({ reservationId, fencingToken }: { reservationId: bigint; fencingToken: bigint }) => ({
  reservationId,
  fencingToken,
});

test('applied twice is applied once, and what changed is kept', async () => {
  const slots = { id: 'slots', unit: 'slot', size: 0n };
  expect(await apply(gpus(8n), slots)).toMatchObject([
    { id: 'gpus', change: 'created', sizeBefore: null },
    { id: 'slots', change: 'created' },
  ]);
  expect((await apply(gpus(8n), slots)).map(({ change }) => change)).toEqual(['unchanged', 'unchanged']);
  expect(await apply(gpus(9n))).toMatchObject([{ change: 'changed', sizeBefore: 8n, size: 9n }]);
  const history = await bed.owner.query(
    'SELECT pool_id, size_before, size, by, reason FROM meterhouse.capacity_pool_history ORDER BY id',
  );
  const noted = (pool_id: string, size_before: string | null, size: string) => ({
    ...{ pool_id, size_before, size },
    ...{ by: 'ann', reason: 'ticket 7' },
  });
  expect(history.rows).toEqual([
    noted('gpus', null, '8'),
    noted('slots', null, '0'),
    noted('gpus', '8', '9'),
  ]);
});

test('of those who create the same pool at the same time, one does', async () => {
  for (let round = 0; round < 10; round++) {
    const pool = { id: `new-${round}`, unit: 'gpu', size: 1n };
    const applied = await Promise.all(Array.from({ length: 4 }, () => apply(pool)));
    const changes = applied.map(([one]) => one?.change).sort();
    expect(changes).toEqual(['created', 'unchanged', 'unchanged', 'unchanged']);
  }
});

test('made smaller than what is reserved', async () => {
  await apply(gpus(10n));
  const six = await take('gpus', 'six', 6n);
  const three = await take('gpus', 'three', 3n, 30_000);
  await apply(gpus(4n));
  expect(await readPools(bed.operator, 'gpus')).toEqual([
    { ...gpus(4n), reserved: 9n, free: 0n, reservations: 2n, nextExpiresAt: now + 30_000 },
  ]);
  const refused = { kind: 'no_capacity', size: 4n, reserved: 9n, freesAt: now + 60_000, freesUnits: 9n };
  expect((await take('gpus', 'one', 1n)).answer).toEqual(refused);
  await three.give();
  expect((await take('gpus', 'one', 1n)).answer.kind).toBe('no_capacity');
  await six.give();
  expect((await take('gpus', 'four', 4n)).answer.kind).toBe('reserved');
});

test.each([
  ['pools[1].id', [gpus(1n), gpus(2n)]],
  ['pools[0].size', [gpus(-1n)]],
  ['pools[0].size', [gpus(10n ** 16n)]],
  ['pools[1].unit', [gpus(3n), { id: 'slots', unit: 'seat', size: 5n }]],
  ['pools[0].id', [{ id: '', unit: 'gpu', size: 1n }]],
])('a mistake in %s changes nothing', async (field, pools) => {
  const before = await readPools(bed.operator);
  const error = await apply(...pools).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(CapacityRequestError);
  expect(error).toMatchObject({ field });
  expect(await readPools(bed.operator)).toEqual(before);
});

test('the sweep settles and forgets within its bounds', async () => {
  await apply({ id: 'swept', unit: 'slot', size: 100n });
  for (let n = 0; n < 7; n++) await take('swept', `lease-${n}`, 1n, 1_000);
  const kept = await take('swept', 'kept', 1n, 40 * DAY_MS);
  await bed.setClock((now += 1_000));
  const sweep = (maxRows: number) => sweepReservations(bed.operator, { keepMs: DAY_MS, maxRows });
  expect(await sweep(5)).toEqual({ settled: 5, forgotten: 0, more: true });
  expect(await sweep(5)).toEqual({ settled: 2, forgotten: 0, more: false });
  const listed = () => listReservations(bed.operator, { pool: 'swept' }, { afterId: 0n, limit: 100 });
  const leases = (await listed()).filter((one) => one.state === 'expired');
  expect(leases.map((one) => one.endedAt)).toEqual(Array.from({ length: 7 }, () => now));
  await bed.setClock((now += DAY_MS));
  await sweep(100);
  expect((await listed()).length).toBe(8);
  await bed.setClock((now += 1));
  expect(await sweep(6)).toEqual({ settled: 0, forgotten: 6, more: true });
  expect(await sweep(6)).toEqual({ settled: 0, forgotten: 1, more: false });
  expect((await listed()).map(({ key }) => key)).toEqual(['kept']);
  const history = await readReservationHistory(bed.operator, leases[0]?.id ?? 0n);
  expect(history.map(({ action, by }) => [action, by])).toEqual([
    ['reserved', 'test'],
    ['expired', 'meterhouse'],
  ]);
  expect((await kept.give()).kind).toBe('released');
  await expect(sweepReservations(bed.operator, { keepMs: 1, maxRows: 1 })).rejects.toThrow('a day at least');
});
