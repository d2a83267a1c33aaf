/**
 * Guarantees, on a real Postgres:
 *  - a gate reserves, confirms, renews and releases, and does nothing else: it reads no table, sets no
 *    size, settles nothing, owns nothing and tells no time
 *  - the decision log settles and forgets what has ended, and does nothing else
 *  - a session's own idea of the time changes no answer
 *  - a reader reads and changes nothing; an operator sets sizes, but not what is booked
 *  - calling the functions by hand, with arguments left out or out of bounds, gets past no guard
 */
import pg from 'pg';
import { afterAll, expect, test } from 'vitest';
import type { Pool } from '../pool.ts';
import { release, renew, reserve } from './index.ts';
import { capacityBed, granted, poolTruth } from './testing.ts';

const bed = await capacityBed(afterAll);
await bed.setPool('gpus', 4n);
const reader = bed.poolAs('meterhouse_reader');
const me = { tenantId: 'acme', by: 'gate' };
const request = { ...me, pool: 'gpus', key: 'k', units: 3n, ttlMs: 60_000 };

/** The SQLSTATE that a statement ends with. */
async function failure(pool: Pool, statement: string): Promise<string | undefined> {
  try {
    await pool.query(statement);
    return undefined;
  } catch (error) {
    if (error instanceof pg.DatabaseError) return error.code;
    throw error;
  }
}
const FORBIDDEN = '42501';

const TABLES = ['capacity_pools', 'capacity_reservations', 'capacity_history', 'capacity_pool_history'];
const WRITES = [
  'UPDATE meterhouse.capacity_pools SET size = 1000',
  `INSERT INTO meterhouse.capacity_pools (id, unit, size) VALUES ('x', 'x', 1)`,
  `UPDATE meterhouse.capacity_reservations SET units = 1`,
  'DELETE FROM meterhouse.capacity_reservations',
  `UPDATE meterhouse.capacity_history SET by = 'nobody'`,
  'DELETE FROM meterhouse.capacity_history',
  `SELECT nextval('meterhouse.capacity_fencing_token')`,
  `SELECT meterhouse.capacity_settle('gpus', now() + interval '1 year', 1000)`,
  'SELECT meterhouse.capacity_sweep(10)',
  'SELECT meterhouse.capacity_forget(86400000, 10)',
  `CREATE OR REPLACE FUNCTION meterhouse.capacity_now() RETURNS timestamptz LANGUAGE sql AS 'SELECT now()'`,
  'CREATE FUNCTION meterhouse.mine() RETURNS integer LANGUAGE sql RETURN 1',
];

test('a gate works through four functions and nothing else', async () => {
  const reserved = granted(await reserve(bed.gate, request));
  const holder = { ...me, reservationId: reserved.reservationId, fencingToken: reserved.fencingToken };
  const renewed = granted(await renew(bed.gate, { ...holder, key: 'r', ttlMs: 60_000 }));
  for (const table of TABLES)
    expect(await failure(bed.gate, `SELECT FROM meterhouse.${table}`)).toBe(FORBIDDEN);
  for (const statement of WRITES)
    expect([statement, await failure(bed.gate, statement)]).toEqual([statement, FORBIDDEN]);
  expect(await release(bed.gate, { ...holder, fencingToken: renewed.fencingToken })).toMatchObject({
    kind: 'released',
  });
  const owned = await bed.owner.query(
    `SELECT FROM pg_class WHERE relowner = 'meterhouse_gate'::regrole
     UNION ALL SELECT FROM pg_proc WHERE proowner = 'meterhouse_gate'::regrole`,
  );
  expect(owned.rowCount).toBe(0);
});

test('a reader reads, an operator sets sizes', async () => {
  for (const table of TABLES) {
    expect(await failure(reader, `SELECT FROM meterhouse.${table}`)).toBeUndefined();
    expect(await failure(bed.operator, `SELECT FROM meterhouse.${table}`)).toBeUndefined();
  }
  for (const statement of WRITES)
    expect([statement, await failure(reader, statement)]).toEqual([statement, FORBIDDEN]);
  expect(
    await failure(reader, `SELECT meterhouse.capacity_reserve('gpus', 'acme', 1, 'x', 1, 'me', '')`),
  ).toBe(FORBIDDEN);
  expect(await failure(bed.operator, 'UPDATE meterhouse.capacity_pools SET size = 4')).toBeUndefined();
  for (const statement of [
    'UPDATE meterhouse.capacity_pools SET booked = 0',
    'DELETE FROM meterhouse.capacity_pools',
    'DELETE FROM meterhouse.capacity_history',
    'UPDATE meterhouse.capacity_reservations SET expires_at = NULL',
    'DELETE FROM meterhouse.capacity_pool_history',
  ])
    expect([statement, await failure(bed.operator, statement)]).toEqual([statement, FORBIDDEN]);
});

test('the decision log keeps house through two functions and nothing else', async () => {
  const log = bed.poolAs('meterhouse_decisions');
  for (const table of TABLES) expect(await failure(log, `SELECT FROM meterhouse.${table}`)).toBe(FORBIDDEN);
  for (const statement of WRITES) {
    const housekeeping = statement.includes('capacity_sweep') || statement.includes('capacity_forget');
    const expected = housekeeping ? undefined : FORBIDDEN;
    expect([statement, await failure(log, statement)]).toEqual([statement, expected]);
  }
  expect(await failure(log, `SELECT meterhouse.capacity_reserve('gpus', 'acme', 1, 'x', 1, 'me', '')`)).toBe(
    FORBIDDEN,
  );
});

test('time is the server’s, whatever the session believes', async () => {
  const before = Date.now();
  const client = await bed.gate.connect();
  await client.query(`SET timezone = 'Pacific/Kiritimati'`);
  await client.query(`SET search_path = pg_temp, meterhouse`);
  await client.query(`CREATE FUNCTION pg_temp.capacity_now() RETURNS timestamptz LANGUAGE sql
                      RETURN '2000-01-01T00:00Z'::timestamptz`);
  await client.query(`CREATE FUNCTION pg_temp.clock_timestamp() RETURNS timestamptz LANGUAGE sql
                      RETURN '2000-01-01T00:00Z'::timestamptz`);
  // The transaction is old by the time it asks: what counts is when it has the lock.
  await client.query('BEGIN');
  await client.query('SELECT pg_sleep(0.05)');
  const answer = granted(await reserve(client, { ...request, key: 'time', units: 1n, ttlMs: 60_000 }));
  await client.query('COMMIT');
  client.release(true);
  expect(answer.expiresAt).toBeGreaterThanOrEqual(before + 60_050 - 2);
  expect(answer.expiresInMs).toBe(60_000);
});

test('by hand, past the checks of the package', async () => {
  const holder = granted(await reserve(bed.gate, { ...request, key: 'by hand', units: 1n }));
  const id = holder.reservationId;
  for (const [statement, state] of [
    [`capacity_reserve('gpus', 'acme', NULL, 'n', 1, 'me', '')`, '22004'],
    [`capacity_reserve('gpus', 'acme', -5, 'n', 1, 'me', '')`, '23514'],
    [`capacity_reserve('gpus', 'acme', 1, 'n', -1, 'me', '')`, '23514'],
    [`capacity_reserve('gpus', 'acme', 1, 'n', 99999999999, 'me', '')`, '23514'],
    [`capacity_reserve('gpus', 'acme', 1, 'n', 1, '', '')`, '23514'],
    [`capacity_release(${id}, 'acme', NULL, 'me', '')`, '22004'],
    [`capacity_confirm(${id}, 'acme', NULL, NULL, 'me', '')`, '22004'],
    [`capacity_renew(${id}, 'acme', NULL, NULL, 1000, 'me', '')`, '22004'],
    [`capacity_renew(${id}, 'acme', ${holder.fencingToken}, 'r', 99999999999, 'me', '')`, '23514'],
  ] as const)
    expect([statement, await failure(bed.gate, `SELECT meterhouse.${statement}`)]).toEqual([
      statement,
      state,
    ]);
  const truth = await poolTruth(bed.owner, 'gpus');
  expect([truth.booked, truth.booked]).toEqual([truth.open, truth.live]);
});
