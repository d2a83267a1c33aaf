/**
 * Guarantees of /healthz, of the whole service on a real broker and Postgres:
 * - With nothing to do, and while receivers are slow, nothing is stuck.
 * - A lock that nothing gets past makes what waits for it stuck, by name, and its end heals that.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { GroupStand } from '@meterhouse/kafka';
import { waitFor } from '@meterhouse/runtime';
import { Metrics, observe } from '@meterhouse/runtime/metrics';
import { Health } from '@meterhouse/runtime/service';
import { expect, onTestFinished, test } from 'vitest';
import { progressObservation } from './observe.ts';
import { startReceiver } from './testing/receiver.ts';
import { serviceBed, type ServiceBed } from './testing/service-bed.ts';
import { DEADLINE_MS } from './testing/webhook-bed.ts';

/** Longer than a round takes on a machine that is busy with other tests. */
const STUCK_AFTER_MS = 8_000;
const TIMEOUT_MS = 180_000;

async function watched(bed: ServiceBed, stands: () => readonly GroupStand[] = () => []): Promise<Health> {
  const service = await bed.start();
  await waitFor('partitions', () => service.following()[0], { deadlineMs: DEADLINE_MS });
  const health = new Health();
  const decisions = progressObservation(
    { service, readStands: () => Promise.resolve(stands()), stuckAfterMs: STUCK_AFTER_MS },
    { health, everyMs: 50 },
  );
  const observations = observe([decisions], { metrics: new Metrics(), logger: bed.logger });
  onTestFinished(() => observations.stop());
  return health;
}

/** Looks as a probe does, for longer than a part may stand still. */
async function stuckWithin(health: Health): Promise<string[]> {
  const until = performance.now() + 1.5 * STUCK_AFTER_MS;
  const stuck = new Set<string>();
  while (performance.now() < until) {
    for (const { part } of health.liveness().stuck) stuck.add(part);
    await delay(100);
  }
  return [...stuck];
}

test(
  'with nothing to do, and while a receiver is slow, nothing is stuck',
  async () => {
    const bed = await serviceBed();
    const health = await watched(bed, () => [{ partition: 0, logStart: 0n, nextOffset: 7n, logEnd: 7n }]);
    expect(await stuckWithin(health)).toEqual([]);
    const answered = Promise.withResolvers<undefined>();
    const receiver = await startReceiver(async (response) => {
      await answered.promise;
      response.writeHead(204).end();
    });
    await bed.enqueue(await bed.subscribe(receiver.url), 10);
    await waitFor('a delivery', () => receiver.received[0], { deadlineMs: DEADLINE_MS });
    expect(await stuckWithin(health)).toEqual([]);
    answered.resolve(undefined);
  },
  TIMEOUT_MS,
);

test(
  'what waits for a lock that is not given back is stuck, and heals with its end',
  async () => {
    const bed = await serviceBed();
    const health = await watched(bed);
    const client = await bed.changeLog.pool.connect();
    await client.query('BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0');
    await client.query('LOCK TABLE meterhouse.webhook_deliveries IN ACCESS EXCLUSIVE MODE');
    const stuck = await waitFor(
      'delivering to be stuck',
      () => health.liveness().stuck.find(({ part }) => part === 'delivering'),
      { deadlineMs: DEADLINE_MS },
    );
    expect(stuck.reason).toMatch(/^it has not moved for \d+ s though there is work$/);
    await client.query('ROLLBACK');
    client.release();
    await waitFor('it to move', () => (health.liveness().alive ? true : undefined), {
      deadlineMs: DEADLINE_MS,
    });
  },
  TIMEOUT_MS,
);

test(
  'decisions that are not followed make their partition stuck; another’s partition does not',
  async () => {
    const bed = await serviceBed();
    const behind = (partition: number) => ({ partition, logStart: 0n, nextOffset: 3n, logEnd: 9n });
    const health = await watched(bed, () => [behind(0), behind(1_000)]);
    expect(await stuckWithin(health)).toEqual(['decisions of partition 0']);
  },
  TIMEOUT_MS,
);
