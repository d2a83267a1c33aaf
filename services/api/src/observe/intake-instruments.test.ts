/**
 * Guarantees of what the API exports about its intake:
 * - every event is counted once, by what it was answered and why
 * - a request that is sent back for want of room is counted by what ran out, and so is no event
 * - how full the intake is, is shown beside its bounds
 * - /healthz fails when events wait and none is settled; a broker that is away, and having none, is no such trouble
 */
import { setTimeout as delay } from 'node:timers/promises';
import { createLogger } from '@meterhouse/runtime';
import { Metrics } from '@meterhouse/runtime/metrics';
import { Health } from '@meterhouse/runtime/service';
import { expect, onTestFinished, test } from 'vitest';
import { createEventIntake, type EventIntake } from '../events/intake.ts';
import { known, startTestApi, treeOf, type TestApi } from '../testing.ts';
import { intakeInstruments, intakeRefusals, watchIntake } from './intake-instruments.ts';

const MIB = 1024 * 1024;
const event = { metric: 'm', unit: 'u', value: '1' };

/** Nobody listens at the broker's address: every event waits until its time is up. */
async function bed(
  bufferEvents: number,
): Promise<{ readonly api: TestApi; readonly intake: EventIntake; samples: () => Promise<string[]> }> {
  const metrics = new Metrics();
  const intake = createEventIntake(
    { brokers: ['127.0.0.1:9'], schemaRegistryUrl: 'http://127.0.0.1:9' },
    createLogger('api-test', 'silent'),
    { bufferEvents, deliveryMs: 300, attemptMs: 200 },
    intakeRefusals(metrics),
  );
  const api = await startTestApi({
    ...{ metrics, intake, tree: treeOf({ acme: ['acme'] }) },
    authenticate: known({ acme: { type: 'api_key', id: 'k', role: 'ingest', tenantId: 'acme' } }),
  });
  onTestFinished(async () => {
    await api.close();
    await intake.close(1_000);
  });
  const samples = async (): Promise<string[]> =>
    (await metrics.text()).split('\n').filter((line) => /^api_(events|intake)_/.test(line));
  return { api, intake, samples };
}

async function send({ api }: { api: TestApi }, events: readonly object[]): Promise<number> {
  const response = await api.call('acme', '/v1/events', {
    method: 'POST',
    body: JSON.stringify(events),
    headers: { 'content-type': 'application/json' },
  });
  await response.arrayBuffer();
  return response.status;
}

test('every event is counted once, by what it was answered and why', async () => {
  const system = await bed(10);
  expect(
    await send(system, [event, event, { ...event, value: 'many' }, { ...event, tenantId: 'other' }]),
  ).toBe(503);
  expect(await system.samples()).toEqual(
    expect.arrayContaining([
      'api_events_total{outcome="acknowledged",reason="none"} 0',
      'api_events_total{outcome="not_acknowledged",reason="broker_unavailable"} 2',
      'api_events_total{outcome="refused",reason="invalid_value"} 1',
      'api_events_total{outcome="refused",reason="unknown_tenant"} 1',
      'api_events_request_events_sum 4',
      'api_events_request_events_count 1',
    ]),
  );
});

test('what is sent back for want of room is counted by what ran out', async () => {
  const system = await bed(2);
  expect(await send(system, [event, event, event])).toBe(503);
  system.intake.budget.lease('a').take(24 * MIB);
  expect(() => system.intake.budget.lease('a').take(1)).toThrow('more at one time than it may');
  system.intake.budget.lease('b').take(24 * MIB);
  expect(() => system.intake.budget.lease('c').take(24 * MIB)).toThrow('Too much is being sent');
  expect(await system.samples()).toEqual(
    expect.arrayContaining([
      'api_intake_refused_total{reason="waiting_events"} 1',
      'api_intake_refused_total{reason="body_memory"} 1',
      'api_intake_refused_total{reason="key_share"} 1',
      'api_intake_waiting_events 0',
      'api_intake_waiting_limit_events 2',
      `api_intake_held_bytes ${48 * MIB}`,
      `api_intake_held_limit_bytes ${64 * MIB}`,
      'api_events_total{outcome="not_acknowledged",reason="broker_unavailable"} 0',
    ]),
  );
});

test('acknowledged events are counted, all of a request', async () => {
  const metrics = new Metrics();
  const counted = intakeInstruments(metrics, {
    waitingEvents: () => 7,
    maxWaitingEvents: 10,
    budget: { heldBytes: 3, maxBytes: 5 },
  });
  const acknowledged = (index: number) => ({ index, outcome: 'acknowledged', id: `e${index}` }) as const;
  counted([acknowledged(0), acknowledged(1), acknowledged(2)]);
  counted([acknowledged(0)]);
  expect(await metrics.text()).toContain('api_events_total{outcome="acknowledged",reason="none"} 4');
  expect(await metrics.text()).toContain('api_intake_waiting_events 7');
});

const STUCK_AFTER_MS = 1_500;

test('events that wait and are not settled make it stuck; none, and any that is settled, do not', async () => {
  const intake = { waiting: 0, settled: 5 };
  const health = new Health();
  watchIntake(
    { waitingEvents: () => intake.waiting, settledEvents: () => intake.settled },
    health,
    STUCK_AFTER_MS,
  );
  const alive = async (): Promise<boolean> => {
    health.liveness();
    await delay(STUCK_AFTER_MS + 100);
    return health.liveness().alive;
  };
  expect(await alive()).toBe(true);
  intake.waiting = 3;
  expect(await alive()).toBe(false);
  expect(health.liveness().stuck[0]).toMatchObject({ part: 'the way to the broker' });
  intake.settled += 1;
  expect(health.liveness().alive).toBe(true);
});

test('a broker that is away is no reason to restart: what waits for it is settled as not acknowledged', async () => {
  const system = await bed(100);
  const health = new Health();
  watchIntake(system.intake, health, STUCK_AFTER_MS);
  const looks: boolean[] = [];
  for (const until = performance.now() + 2 * STUCK_AFTER_MS; performance.now() < until;) {
    const sent = send(system, [event, event]);
    looks.push(health.liveness().alive);
    expect(await sent).toBe(503);
    looks.push(health.liveness().alive);
  }
  expect(looks).not.toContain(false);
  expect(system.intake.settledEvents()).toBeGreaterThan(2);
});
