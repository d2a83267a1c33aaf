/**
 * Guarantees, on a real Postgres and by its own clock:
 *  - a lease that is kept lives on, also when sessions are ended under it, and is given back with the
 *    token that it has by then
 *  - a renewal whose answer was lost is not a renewal that failed
 *  - its holder is told when somebody else goes on with the reservation
 *  - cut off from Postgres, it is told no later than the place is given to somebody else; an error that
 *    does not pass ends it at once
 */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { waitFor } from '@meterhouse/runtime';
import { createPool, type Pool } from '../pool.ts';
import { keepLease, LeaseLostError, listReservations, renew, reserve, type Lease } from './index.ts';
import { capacityBed, granted, holderOf, poolTruth } from './testing.ts';

const bed = await capacityBed(afterAll);
const who = { tenantId: 'acme', by: 'holder' };
const deadlineMs = 30_000;

async function leaseOf(pool: string, db: Pool, ttlMs: number): Promise<{ lease: Lease; id: bigint }> {
  await bed.setPool(pool, 1n);
  const askedAt = performance.now();
  const grant = granted(await reserve(db, { ...who, pool, key: pool, units: 1n, ttlMs }));
  const lease = keepLease(db, grant, { ...who, ttlMs, askedAt, newKey: randomUUID });
  return { lease, id: grant.reservationId };
}

const find = async (pool: string) =>
  (await listReservations(bed.operator, { pool }, { afterId: 0n, limit: 1 }))[0];

const lost = async ({ signal }: Lease): Promise<LeaseLostError> => {
  if (!signal.aborted) await once(signal, 'abort');
  if (signal.reason instanceof LeaseLostError) return signal.reason;
  throw new TypeError('it was lost for no reason');
};

test('a lease that is kept outlives its terms and the sessions that are ended under it', async () => {
  const { lease, id } = await leaseOf('kept', bed.poolAs('meterhouse_gate', 'keeper'), 3_000);
  const first = lease.fencingToken;
  let seen = 0n;
  await waitFor(
    'more renewals than one term has',
    async () => {
      expect(lease.signal.reason).toBeUndefined();
      const renewals = (await find('kept'))?.renewals ?? 0n;
      if (renewals > seen)
        await bed.owner.query(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
           WHERE datname = current_database() AND application_name = 'keeper'`,
        );
      seen = renewals;
      return renewals >= 4n ? true : undefined;
    },
    { deadlineMs, everyMs: 5 },
  );
  expect(lease.fencingToken > first).toBe(true);
  const releasing = async () => lease.release('done');
  const released = await waitFor('the release to be answered', releasing, { deadlineMs, retryErrors: true });
  expect(released).toMatchObject({ kind: 'released', reservationId: id });
  expect(await poolTruth(bed.owner, 'kept')).toMatchObject({ booked: 0n, live: 0n });
});

test('somebody else goes on with it', async () => {
  const { lease, id } = await leaseOf('taken', bed.gate, 3_000);
  const twin = { reservationId: id, fencingToken: lease.fencingToken };
  expect((await renew(bed.gate, { ...holderOf(twin), key: 'twin', ttlMs: 60_000 })).kind).toBe('renewed');
  expect((await lost(lease)).end).toBe('stale_token');
  expect((await lease.release()).kind).toBe('stale_token');
  expect((await find('taken'))?.state).toBe('held');
});

test('an error that does not pass', async () => {
  const { lease } = await leaseOf('forbidden', bed.gate, 3_000);
  const renewing = 'FUNCTION meterhouse.capacity_renew(bigint, text, bigint, text, bigint, text, text)';
  await bed.owner.query(`REVOKE EXECUTE ON ${renewing} FROM meterhouse_gate`);
  const error = await lost(lease);
  await bed.owner.query(`GRANT EXECUTE ON ${renewing} TO meterhouse_gate`);
  expect(error).toMatchObject({ end: 'failed', cause: { code: '42501' } });
});

/** The way to Postgres, which can be cut, for good or once: after a question, before its answer. */
async function cable(): Promise<{ db: Pool; cut: () => void; loseNextAnswer: () => void }> {
  const target = new URL(bed.url);
  const sockets = new Set<Socket>();
  let losing = false;
  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
    }
    client.pipe(upstream);
    upstream.on('close', () => client.destroy());
    upstream.on('data', (data) => {
      if (losing) upstream.destroy();
      else client.write(data);
      losing = false;
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = new URL(bed.url);
  url.port = String((server.address() as AddressInfo).port);
  const db = createPool({ url: url.href, role: 'meterhouse_gate', applicationName: 'far away', max: 1 });
  const cut = (): void => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  onTestFinished(async () => {
    await db.end();
    cut();
  });
  return { db, cut, loseNextAnswer: () => (losing = true) };
}

test('a renewal whose answer was lost is asked for again, also by the release', async () => {
  const { db, loseNextAnswer } = await cable();
  const { lease } = await leaseOf('lost answer', db, 3_000);
  const renewed = (times: bigint) =>
    waitFor(
      `${times} renewals`,
      async () => {
        expect(lease.signal.reason).toBeUndefined();
        return ((await find('lost answer'))?.renewals ?? 0n) >= times ? true : undefined;
      },
      { deadlineMs, everyMs: 5 },
    );
  loseNextAnswer();
  await renewed(2n);
  loseNextAnswer();
  await renewed(3n);
  expect((await lease.release()).kind).toBe('released');
});

test('cut off, the holder is told before anybody else gets its place', async () => {
  const { db, cut } = await cable();
  const { lease } = await leaseOf('cut', db, 2_000);
  cut();
  await waitFor(
    'the place to be given to somebody else',
    async () => {
      const other = await reserve(bed.gate, {
        ...who,
        ...{ pool: 'cut', key: 'other', units: 1n, ttlMs: 60_000 },
      });
      return other.kind === 'reserved' ? true : undefined;
    },
    { deadlineMs, everyMs: 1 },
  );
  await turn();
  expect(lease.signal.aborted).toBe(true);
  expect(await lost(lease)).toMatchObject({ end: 'out_of_time', cause: expect.any(Error) as Error });
});
