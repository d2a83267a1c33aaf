/**
 * Guarantees of what the relay says of itself, on a real Postgres, with targets that do as they are told:
 * - A lane that holds events and does not move makes /healthz fail by its number, and its end heals that.
 * - A lane that says why it waits is not stuck, for no restart would mend that: /readyz says why.
 * - Claims that come no further make it fail too, whatever the lanes do.
 */
import { randomUUID } from 'node:crypto';
import { freshDatabase, sharedStack } from '@meterhouse/dev-stack/testing';
import { createPool, migratePostgres, type Pool } from '@meterhouse/postgres';
import { OUTBOX_LANES, removeRows } from '@meterhouse/postgres/outbox';
import { createOutbox } from '@meterhouse/producer/outbox';
import { createLogger, waitFor } from '@meterhouse/runtime';
import { Metrics } from '@meterhouse/runtime/metrics';
import { Health } from '@meterhouse/runtime/service';
import { expect, onTestFinished, test } from 'vitest';
import { observeRelay, relayInstruments } from './observe.ts';
import { startRelay } from './relay.ts';
import type { Target } from './target.ts';

/** Longer than a claim takes on a machine that is busy with other tests. */
const STUCK_AFTER_MS = 5_000;
const DEADLINE = { deadlineMs: 60_000 };
const TIMEOUT_MS = 180_000;

interface Bed {
  readonly pool: Pool;
  readonly health: Health;
  /** @returns its lane */
  record(tenantId: string): Promise<number>;
}

/** @param deliver what the target does with rows of a tenant before they count as arrived */
async function relayBed(deliver: (tenantId: string) => Promise<void>): Promise<Bed> {
  const url = await freshDatabase(await sharedStack());
  await migratePostgres(url);
  const open = (max: number): Pool => {
    const pool = createPool({ url, applicationName: 'test', max });
    onTestFinished(() => pool.end());
    return pool;
  };
  const [pool, working, watching] = [open(2), open(5), open(2)];
  const target: Target = {
    open: (held) =>
      Promise.resolve({
        deliver: async (rows) => {
          for (const { tenantId } of rows) await deliver(tenantId);
          await removeRows(working, held.lane, rows);
          return true;
        },
        close: () => Promise.resolve(),
      }),
  };
  const [metrics, health] = [new Metrics(), new Health()];
  const logger = createLogger('test', 'silent');
  const relay = startRelay({
    ...{ pool: working, target, targetName: 'kafka', id: randomUUID(), leaseMs: 2_000, logger },
    bounds: { maxRows: 100, maxBytes: 1_000_000, pollMs: 200 },
    random: Math.random,
    observer: relayInstruments(metrics, Date.now),
  });
  onTestFinished(() => relay.stop());
  const observations = observeRelay({
    ...{ relay, pool: watching, metrics, health, logger },
    stuckAfterMs: STUCK_AFTER_MS,
    now: Date.now,
  });
  onTestFinished(() => observations.stop());
  await waitFor('its lanes', () => (relay.standing().length === OUTBOX_LANES ? true : undefined), DEADLINE);
  const outbox = createOutbox({ source: 'test' });
  return {
    pool,
    health,
    record: async (tenantId) => {
      const client = await pool.connect();
      try {
        await client.query('BEGIN');
        await outbox.recordIn(client, { tenantId, metric: 'tokens', value: '1' });
        await client.query('COMMIT');
        const { rows } = await client.query<{ lane: number }>(
          'SELECT meterhouse.outbox_lane_of($1) AS lane',
          [tenantId],
        );
        return rows[0]?.lane ?? -1;
      } finally {
        client.release();
      }
    },
  };
}

const stuckParts = (health: Health): string[] => health.liveness().stuck.map(({ part }) => part);
const untilStuck = (health: Health): Promise<string[]> =>
  waitFor(
    '/healthz to fail',
    () => {
      const stuck = stuckParts(health);
      return stuck.length > 0 ? stuck : undefined;
    },
    DEADLINE,
  );
const untilAlive = (health: Health): Promise<true> =>
  waitFor('/healthz to heal', () => (health.liveness().alive ? true : undefined), DEADLINE);

test(
  'a lane that stands is stuck by its number; one that says why it waits is not, and /readyz says it',
  async () => {
    const answered = Promise.withResolvers<undefined>();
    const bed = await relayBed(async (tenantId) => {
      if (tenantId === 'refused') throw new Error('the broker is away');
      await answered.promise;
    });
    onTestFinished(() => answered.resolve(undefined));
    const refused = await bed.record('refused');
    await waitFor(
      'the lane to say why it waits',
      () => bed.health.readiness().parts.find(({ reason }) => reason?.includes('the broker is away')),
      DEADLINE,
    );
    // It has waited for longer than the other by the time at which the other is stuck.
    const standing = await bed.record('standing');
    expect(standing).not.toBe(refused);
    expect(await untilStuck(bed.health)).toEqual([`lane ${standing}`]);
    expect(bed.health.readiness()).toMatchObject({
      ready: false,
      parts: [{ part: 'relaying', reason: `lane ${refused} cannot be relayed: the broker is away` }],
    });
    answered.resolve(undefined);
    await untilAlive(bed.health);
  },
  TIMEOUT_MS,
);

test(
  'claims that wait for a lock that is not given back are stuck, and heal with its end',
  async () => {
    const bed = await relayBed(() => Promise.resolve());
    const client = await bed.pool.connect();
    try {
      await client.query('BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0');
      await client.query('SELECT FROM meterhouse.outbox_state FOR UPDATE');
      expect(await untilStuck(bed.health)).toContain('claiming lanes');
    } finally {
      await client.query('ROLLBACK');
      client.release();
    }
    await untilAlive(bed.health);
  },
  TIMEOUT_MS,
);
