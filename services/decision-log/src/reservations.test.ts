/**
 * Guarantee: while a decision log runs, reservations that expired are settled and those that ended long ago
 * are forgotten, however many there are, with the service's own rights.
 */
import { reserve } from '@meterhouse/postgres/capacity';
import { waitFor } from '@meterhouse/runtime';
import { DAY_MS } from '@meterhouse/usage';
import { expect, test } from 'vitest';
import { DEADLINE_MS, decisionBed } from './testing/decision-bed.ts';

test('reservations are settled and forgotten by themselves', async () => {
  const bed = await decisionBed();
  await bed.pool.query(`INSERT INTO meterhouse.tenants (id, name) VALUES ('acme', 'Acme')`);
  await bed.pool.query(`INSERT INTO meterhouse.capacity_pools (id, unit, size) VALUES ('gpus', 'gpu', 9)`);
  const ask = { pool: 'gpus', tenantId: 'acme', units: 1n, by: 'test', reason: 'a test' };
  for (const key of ['a', 'b', 'c']) await reserve(bed.pool, { ...ask, key, ttlMs: 1 });
  await reserve(bed.pool, { ...ask, key: 'live', ttlMs: 600_000 });
  await bed.start({
    keepReservationsMs: 2 * DAY_MS,
    bounds: { sweepRows: 1 },
    times: { sessionTimeoutMs: 6_000, reservationsEveryMs: 50 },
  });
  const settled = async (): Promise<true | undefined> => {
    const { rows } = await bed.pool.query<{ booked: string; open: string }>(
      `SELECT booked, (SELECT count(*) FROM meterhouse.capacity_reservations WHERE ended_at IS NULL) AS open
       FROM meterhouse.capacity_pools`,
    );
    return rows[0]?.booked === '1' && rows[0].open === '1' ? true : undefined;
  };
  await waitFor('those that expired to be settled', settled, { deadlineMs: DEADLINE_MS });
  await bed.pool.query(
    `UPDATE meterhouse.capacity_reservations SET ended_at = ended_at - interval '3 days',
       reserved_at = reserved_at - interval '3 days' WHERE key IN ('a', 'b')`,
  );
  const keys = async (): Promise<readonly string[]> => {
    const { rows } = await bed.pool.query<{ key: string }>(
      'SELECT key FROM meterhouse.capacity_reservations ORDER BY key',
    );
    return rows.map(({ key }) => key);
  };
  const forgotten = async (): Promise<true | undefined> => ((await keys()).length === 2 ? true : undefined);
  await waitFor('those that ended long ago to be forgotten', forgotten, { deadlineMs: DEADLINE_MS });
  expect(await keys()).toEqual(['c', 'live']);
});
