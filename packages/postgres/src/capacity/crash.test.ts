/**
 * Guarantees, on a real Postgres, with processes that are killed and sessions that are ended:
 *  - a process killed with its transaction open leaves nothing, and whoever waited for it goes on
 *  - a process killed after Postgres has committed, before it has read the answer, is given that answer
 *    when it asks again: nothing is done twice, by any of the four operations
 *  - a session that is ended while it waits has changed nothing
 *  - while processes of a crowd are killed at any moment, the pool never holds more than its size, and what
 *    they leave behind is free again when its time is over
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { bareEnvironment } from '@meterhouse/dev-stack';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { waitFor } from '@meterhouse/runtime';
import { isRetryable } from '../errors.ts';
import {
  confirm,
  readPools,
  readReservationHistory,
  release,
  renew,
  reserve,
  sweepReservations,
} from './index.ts';
import { capacityBed, granted, lasting, poolTruth } from './testing.ts';

const bed = await capacityBed(afterAll);
const deadlineMs = 30_000;
const me = { tenantId: 'acme', by: 'test' };
const script = fileURLToPath(new URL('doomed-client.testing.ts', import.meta.url));

function doomed(...args: string[]): ChildProcess {
  const child = spawn(process.execPath, [script, ...args], {
    env: { ...bareEnvironment(), DATABASE_URL: bed.url },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

const historyRows = async (): Promise<number> =>
  (await bed.owner.query('SELECT FROM meterhouse.capacity_history')).rowCount ?? 0;

/** Resolves when a session of this name waits for a lock. */
const waitingFor = (applicationName: string): Promise<number> =>
  waitFor(
    `${applicationName} to wait for a lock`,
    async () => {
      const rows = await bed.owner.query<{ pid: number }>(
        `SELECT pid FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = $1 AND wait_event_type = 'Lock'`,
        [applicationName],
      );
      return rows.rows[0]?.pid;
    },
    { deadlineMs },
  );

test('killed with its transaction open', async () => {
  await bed.setPool('open', 1n);
  const child = doomed('transaction', 'open', 'its-key');
  if (child.stdout === null) throw new Error('no pipe');
  await once(child.stdout, 'data');
  const waiting = reserve(bed.gate, { ...me, pool: 'open', key: 'mine', units: 1n, ttlMs: 60_000 });
  await waitingFor('gate');
  await kill(child);
  expect(await waiting).toMatchObject({ kind: 'reserved' });
  const own = await reserve(bed.gate, { ...me, pool: 'open', key: 'its-key', units: 1n, ttlMs: 60_000 });
  expect(own).toMatchObject({ kind: 'no_capacity', reserved: 1n });
  expect(await poolTruth(bed.owner, 'open')).toEqual({ size: 1n, booked: 1n, open: 1n, live: 1n });
});

/** Has another process do it, which is killed before it knows. */
async function committedUnanswered(statement: string, parameters: readonly unknown[]): Promise<void> {
  const before = await historyRows();
  const tokens = `SELECT last_value FROM meterhouse.capacity_fencing_token`;
  const tokenBefore = await bed.owner.query<{ last_value: string }>(tokens);
  const child = doomed('unanswered', statement, ...parameters.map(String));
  await waitFor(
    'the operation to be committed',
    async () => {
      const token = await bed.owner.query<{ last_value: string }>(tokens);
      const idle = await bed.owner.query(
        `SELECT FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = 'doomed' AND state = 'idle' AND query LIKE '%capacity_%'`,
      );
      const done =
        token.rows[0]?.last_value !== tokenBefore.rows[0]?.last_value || (await historyRows()) > before;
      return done && idle.rowCount === 1 ? true : undefined;
    },
    { deadlineMs },
  );
  await kill(child);
}

test('killed after the commit, before the answer: each operation answers again, and is done once', async () => {
  await bed.setPool('answer', 4n);
  const request = { ...me, pool: 'answer', key: 'lost', units: 3n, ttlMs: 600_000 };
  await committedUnanswered(`SELECT meterhouse.capacity_reserve($1, 'acme', 3, $2, 600000, 'doomed', '')`, [
    'answer',
    'lost',
  ]);
  const reserved = granted(await reserve(bed.gate, request));
  expect(await poolTruth(bed.owner, 'answer')).toMatchObject({ booked: 3n, open: 3n });
  let holder = { ...me, reservationId: reserved.reservationId, fencingToken: reserved.fencingToken };

  await committedUnanswered(`SELECT meterhouse.capacity_renew($1, 'acme', $2, 'r', 600000, 'doomed', '')`, [
    holder.reservationId,
    holder.fencingToken,
  ]);
  const renewed = granted(await renew(bed.gate, { ...holder, key: 'r', ttlMs: 600_000 }));
  expect(renewed.fencingToken > holder.fencingToken).toBe(true);
  expect(lasting(await renew(bed.gate, { ...holder, key: 'r', ttlMs: 600_000 }))).toEqual(
    lasting({ kind: 'renewed', ...renewed }),
  );
  holder = { ...holder, fencingToken: renewed.fencingToken };

  await committedUnanswered(`SELECT meterhouse.capacity_confirm($1, 'acme', $2, NULL, 'doomed', '')`, [
    holder.reservationId,
    holder.fencingToken,
  ]);
  expect(await confirm(bed.gate, { ...holder, ttlMs: null })).toMatchObject({ kind: 'confirmed' });

  await committedUnanswered(`SELECT meterhouse.capacity_release($1, 'acme', $2, 'doomed', '')`, [
    holder.reservationId,
    holder.fencingToken,
  ]);
  expect(await release(bed.gate, holder)).toMatchObject({ kind: 'released' });
  expect(await poolTruth(bed.owner, 'answer')).toEqual({ size: 4n, booked: 0n, open: 0n, live: 0n });
  const history = await readReservationHistory(bed.operator, holder.reservationId);
  expect(history.map(({ action, by }) => `${action} by ${by}`)).toEqual([
    'reserved by doomed',
    'confirmed by doomed',
    'released by doomed',
  ]);
});

test('a session that is ended while it waits for the pool has changed nothing', async () => {
  await bed.setPool('blocked', 1n);
  const blocker = await bed.owner.connect();
  await blocker.query('BEGIN');
  await blocker.query(`SELECT FROM meterhouse.capacity_pools WHERE id = 'blocked' FOR UPDATE`);
  const request = { ...me, pool: 'blocked', key: 'k', units: 1n, ttlMs: 60_000 };
  const failing = reserve(bed.gate, request).catch((error: unknown) => error);
  await bed.owner.query('SELECT pg_terminate_backend($1)', [await waitingFor('gate')]);
  expect(isRetryable(await failing)).toBe(true);
  await blocker.query('ROLLBACK');
  blocker.release();
  expect(await poolTruth(bed.owner, 'blocked')).toEqual({ size: 1n, booked: 0n, open: 0n, live: 0n });
  expect(await reserve(bed.gate, request)).toMatchObject({ kind: 'reserved' });
});

test('a crowd whose processes are killed never holds more than there is', { timeout: 120_000 }, async () => {
  const size = 5n;
  await bed.setPool('crowd', size);
  const start = (): ChildProcess => doomed('crowd', 'crowd');
  const crowd = [start(), start(), start()];
  const entries = await historyRows();
  for (let round = 1; round <= 5; round++) {
    await waitFor(
      'the crowd to go on',
      async () => {
        const { live, open, booked } = await poolTruth(bed.owner, 'crowd');
        expect([live <= size, booked <= size, open]).toEqual([true, true, booked]);
        await bed.owner.query(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
           WHERE datname = current_database() AND application_name = 'doomed' AND random() < 0.02`,
        );
        expect(crowd.map(({ exitCode }) => exitCode)).toEqual([null, null, null]);
        return (await historyRows()) - entries >= round * 60 ? true : undefined;
      },
      { deadlineMs, everyMs: 5 },
    );
    const victim = crowd[round % crowd.length];
    if (victim !== undefined) await kill(victim);
    crowd[round % crowd.length] = start();
  }
  for (const child of crowd) await kill(child);
  await waitFor(
    'what they left to expire',
    async () => ((await readPools(bed.operator, 'crowd'))[0]?.free === size ? true : undefined),
    { deadlineMs },
  );
  expect((await sweepReservations(bed.operator, { keepMs: 86_400_000, maxRows: 10_000 })).more).toBe(false);
  expect(await poolTruth(bed.owner, 'crowd')).toEqual({ size, booked: 0n, open: 0n, live: 0n });
});
