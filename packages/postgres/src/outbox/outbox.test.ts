/**
 * Guarantees of the outbox, on a real Postgres, with the rights of those who use it:
 *  - I4: once a relay's lane is somebody else's, it reads nothing of it, locks nothing, sets nothing and gives
 *    nothing back; a lease that runs is nobody else's; a lane that was taken over and back is another epoch
 *  - relays share the lanes, all go to one place, and one that is gone is no longer counted
 *  - a lane holds no more than its bound, numbers of rolled back transactions do not count, and other lanes
 *    are not touched by it
 *  - what commits late with a lower number stays, and is read next
 *  - I9: an application may record, within its scope, and neither read, change nor empty the outbox; a relay
 *    to Kafka reads nothing else
 */
import { randomUUID } from 'node:crypto';
import type { Pool } from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { freshDatabase, sharedStack } from '@meterhouse/dev-stack/testing';
import { migratePostgres } from '../migrations.ts';
import { createPool, type Role } from '../pool.ts';
import { inTransaction } from '../transaction.ts';
import {
  claimLanes,
  leaveOutbox,
  lockLane,
  OtherTargetError,
  OUTBOX_LANES,
  readLane,
  recordUsage,
  releaseLanes,
  removeRows,
  setIdle,
  type Claimed,
  type HeldLane,
} from './index.ts';

const BOUNDS = { maxRows: 100, maxBytes: 1_000_000 };
/** Long enough to outlast any test: only what a test ends is over. */
const LEASE_MS = 600_000;
const [ONE, TWO] = [randomUUID(), randomUUID()];

interface Bed {
  readonly pool: Pool;
  readonly relay: Pool;
  readonly as: (role: Role) => Pool;
  readonly claim: (relayId: string) => Promise<Claimed>;
  readonly laneOf: (tenant: string) => Promise<number>;
  readonly waiting: () => Promise<number>;
}

async function outboxBed(): Promise<Bed> {
  const url = await freshDatabase(await sharedStack());
  await migratePostgres(url);
  const open = (role?: Role): Pool => {
    const pool = createPool({
      url,
      applicationName: 'test',
      max: 3,
      ...(role === undefined ? {} : { role }),
    });
    onTestFinished(() => pool.end());
    return pool;
  };
  const pool = open();
  const relay = open('meterhouse_relay');
  await pool.query(`INSERT INTO meterhouse.tenants (id, name, parent) VALUES
    ('acme', 'Acme', NULL), ('acme-search', 'Search', 'acme'), ('other', 'Other', NULL)`);
  return {
    pool,
    relay,
    as: open,
    claim: (relayId) => claimLanes(relay, { relayId, target: 'kafka', leaseMs: LEASE_MS }),
    laneOf: async (tenant) => {
      const found = await pool.query<{ lane: number }>('SELECT meterhouse.outbox_lane_of($1) AS lane', [
        tenant,
      ]);
      return found.rows[0]?.lane ?? -1;
    },
    waiting: async () => (await pool.query('SELECT FROM meterhouse.usage_outbox')).rowCount ?? 0,
  };
}

const endLeases = (pool: Pool): Promise<unknown> =>
  pool.query(`UPDATE meterhouse.outbox_lanes SET lease_until = '-infinity'`);

function heldOf({ held }: Claimed, lane: number): HeldLane {
  const found = held.find((one) => one.lane === lane);
  if (found === undefined) throw new Error(`lane ${lane} is not held`);
  return found;
}

async function laneRow(pool: Pool, lane: number): Promise<object> {
  const found = await pool.query<object>(
    'SELECT holder, epoch::integer, is_idle FROM meterhouse.outbox_lanes WHERE lane = $1',
    [lane],
  );
  return found.rows[0] ?? {};
}

test('I4: whoever lost a lane reads, locks, sets and gives back nothing of it', async () => {
  const { pool, relay, claim, laneOf } = await outboxBed();
  const lane = await laneOf('acme');
  await recordUsage(pool, 'acme', '{}');
  const before = heldOf(await claim(ONE), lane);
  expect(await readLane(relay, before, BOUNDS)).toMatchObject([{ tenantId: 'acme', event: '{}' }]);
  // Its lease runs: nobody takes it.
  expect((await claim(TWO)).held).toEqual([]);
  await endLeases(pool);
  await pool.query('DELETE FROM meterhouse.outbox_relays WHERE id = $1', [ONE]);
  const after = heldOf(await claim(TWO), lane);
  expect(after.epoch).toBe(before.epoch + 1n);
  expect(await readLane(relay, before, BOUNDS)).toBeNull();
  expect(await inTransaction(relay, (client) => lockLane(client, before))).toBe(false);
  await setIdle(relay, before, true);
  await releaseLanes(relay, [before]);
  await leaveOutbox(relay, ONE);
  const untouched = { holder: TWO, epoch: Number(after.epoch), is_idle: false };
  expect(await laneRow(pool, lane)).toEqual(untouched);
  // Taken back by the first: what it knew of its first time is void all the same.
  await leaveOutbox(relay, TWO);
  const again = heldOf(await claim(ONE), lane);
  expect(again.epoch).toBe(after.epoch + 1n);
  expect(await readLane(relay, before, BOUNDS)).toBeNull();
  expect(await inTransaction(relay, (client) => lockLane(client, before))).toBe(false);
  await setIdle(relay, before, true);
  await releaseLanes(relay, [before]);
  expect(await laneRow(pool, lane)).toEqual({ holder: ONE, epoch: Number(again.epoch), is_idle: false });
  expect(await readLane(relay, again, BOUNDS)).toHaveLength(1);
});

test('relays share the lanes, and all go to one place', async () => {
  const { pool, relay, claim } = await outboxBed();
  expect((await claim(ONE)).held).toHaveLength(OUTBOX_LANES);
  expect((await claim(TWO)).held).toHaveLength(0);
  const first = await claim(ONE);
  expect(first.surplus).toBe(OUTBOX_LANES / 2);
  await releaseLanes(relay, first.held.slice(-first.surplus));
  expect((await claim(TWO)).held).toHaveLength(OUTBOX_LANES / 2);
  const held = await pool.query(
    'SELECT DISTINCT lane, holder FROM meterhouse.outbox_lanes WHERE holder IS NOT NULL',
  );
  expect(held.rowCount).toBe(OUTBOX_LANES);
  const direct = { relayId: randomUUID(), target: 'direct', leaseMs: LEASE_MS } as const;
  await expect(claimLanes(relay, direct)).rejects.toThrow(OtherTargetError);
  await pool.query(`UPDATE meterhouse.outbox_relays SET seen_at = '-infinity' WHERE id = $1`, [TWO]);
  await endLeases(pool);
  expect((await claim(ONE)).held).toHaveLength(OUTBOX_LANES);
});

test('a lane holds no more than its bound, by rows and not by numbers', async () => {
  const { pool, laneOf, waiting } = await outboxBed();
  expect(await laneOf('other')).not.toBe(await laneOf('acme'));
  await pool.query('UPDATE meterhouse.outbox_state SET max_rows_per_lane = 3');
  for (let i = 0; i < 5; i++)
    await inTransaction(pool, async (client) => {
      await recordUsage(client, 'acme', '{}');
      throw new Error('rolled back');
    }).catch(() => undefined);
  for (let i = 0; i < 3; i++) expect(await recordUsage(pool, 'acme', '{}')).toEqual({ outcome: 'recorded' });
  expect(await recordUsage(pool, 'acme', '{}')).toEqual({ outcome: 'buffer_full', waiting: 3n });
  expect(await recordUsage(pool, 'other', '{}')).toEqual({ outcome: 'recorded' });
  expect(await waiting()).toBe(4);
});

test('what commits late with a lower number is not taken out with what was read', async () => {
  const { pool, relay, claim, laneOf, waiting } = await outboxBed();
  const lane = heldOf(await claim(ONE), await laneOf('acme'));
  const slow = await pool.connect();
  try {
    await slow.query('BEGIN');
    await recordUsage(slow, 'acme', '{"slow":true}');
    await recordUsage(pool, 'acme', '{"fast":true}');
    const rows = (await readLane(relay, lane, BOUNDS)) ?? [];
    expect(rows.map(({ event }) => event)).toEqual(['{"fast":true}']);
    await slow.query('COMMIT');
    expect(await removeRows(relay, lane.lane, rows)).toBe(1);
  } finally {
    slow.release();
  }
  expect(await waiting()).toBe(1);
  expect(await readLane(relay, lane, BOUNDS)).toMatchObject([{ event: '{"slow":true}' }]);
});

test('I9: an application records within its scope, and no more; a relay sees the outbox alone', async () => {
  const { pool, relay, as, waiting } = await outboxBed();
  const [recorder, producer, api] = [
    as('meterhouse_recorder'),
    as('meterhouse_producer'),
    as('meterhouse_api'),
  ];
  const inScope = <T>(
    of: Pool,
    work: (client: Parameters<typeof recordUsage>[0]) => Promise<T>,
  ): Promise<T> =>
    inTransaction(of, async (client) => {
      await client.query(`SET LOCAL meterhouse.tenant_scope = 'acme'`);
      return work(client);
    });
  const recorded = (tenant: string) => inScope(recorder, (client) => recordUsage(client, tenant, '{}'));
  expect(await recorded('acme-search')).toEqual({ outcome: 'recorded' });
  expect(await recorded('other')).toEqual({ outcome: 'out_of_scope' });
  expect(await recorded('nobody')).toEqual({ outcome: 'out_of_scope' });
  expect(await recordUsage(recorder, 'other', '{}')).toEqual({ outcome: 'recorded' });
  expect(await waiting()).toBe(2);
  const refused = (of: Pool, statement: string): Promise<unknown> =>
    of.query(statement).then(
      ({ rowCount }) => rowCount,
      (error: unknown) => (error instanceof Error && 'code' in error ? error.code : error),
    );
  const insert = `INSERT INTO meterhouse.usage_outbox (lane, seq, tenant_id, event) VALUES (0, 99, 'acme', '{}')`;
  for (const of of [recorder, producer, api])
    for (const statement of [
      'SELECT FROM meterhouse.usage_outbox',
      'DELETE FROM meterhouse.usage_outbox',
      'UPDATE meterhouse.outbox_lanes SET epoch = epoch + 1',
      'UPDATE meterhouse.outbox_state SET max_rows_per_lane = 1000000000',
      insert,
    ])
      expect([statement, await refused(of, statement)]).toEqual([statement, '42501']);
  expect(await refused(relay, 'SELECT FROM meterhouse.usage_outbox')).toBe(2);
  for (const statement of ['SELECT FROM meterhouse.usage_hourly', insert])
    expect(await refused(relay, statement)).toBe('42501');
  // Whoever was given the right by mistake sees no more than the scope of the transaction.
  await pool.query('GRANT SELECT ON meterhouse.usage_outbox TO meterhouse_api');
  const seen = await inScope(api, (client) =>
    client.query('SELECT tenant_id FROM meterhouse.usage_outbox', []),
  );
  expect(seen.rows).toEqual([{ tenant_id: 'acme-search' }]);
  expect(await refused(api, 'SELECT FROM meterhouse.usage_outbox')).toBe(0);
});
