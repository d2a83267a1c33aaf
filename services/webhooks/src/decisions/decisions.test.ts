/**
 * Guarantees, on a real broker, Postgres and receiver:
 * - A denial or a warning is told once to each subscription that asked for it, of its tenant or one below it;
 *   what was allowed, and what is no decision, is not, and holds up nothing.
 * - Decisions alike in a window are one event; without a window each is one. Read again they make no more.
 * - What a tenant above has used is not shown to those below.
 * - A process that is killed after it sent and before it noted loses nothing: it is sent again, with the same id.
 */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { bareEnvironment } from '@meterhouse/dev-stack';
import type { DecisionRecord } from '@meterhouse/quota';
import { webhookEvent } from '@meterhouse/webhooks';
import { expect, onTestFinished, test } from 'vitest';
import { startReceiver, verified, type Receiver } from '../testing/receiver.ts';
import { GROUP, serviceBed } from '../testing/service-bed.ts';

/** In the middle of a minute, so that a few are in one window. */
const AT = Math.floor(Date.now() / 60_000) * 60_000 + 1_000;
const EVENTS = ['quota.denied', 'quota.warned'];

function aRecord(
  fields: Partial<Omit<DecisionRecord, 'request'>> & { tenantId?: string; action?: string } = {},
): DecisionRecord {
  const { tenantId = 'team', action = 'complete', ...more } = fields;
  return {
    id: randomUUID(),
    at: AT,
    request: {
      ...{ correlationId: 'c-1', tenantId, product: 'llm', resourceType: 'model', action, slots: 0 },
      actor: { type: 'user', id: 'ann', roles: [], scopes: [] },
      usage: { metric: 'm.sum', unit: 'unit', delta: '1' },
    },
    registryVersion: '7',
    verdict: { outcome: 'allow', engine: 'built-in', version: '1', rules: [], problem: null },
    rate: { outcome: 'none' },
    strict: { outcome: 'not_needed' },
    places: { outcome: 'none' },
    keptPpm: 1_000_000,
    capacity: { outcome: 'not_needed' },
    now: { wallMs: AT, monotonicMs: 1 },
    heard: { asOf: AT - 500, ageMs: 500, monotonicAgeMs: 500 },
    readings: {},
    pending: {},
    outcome: 'deny',
    reason: 'quota_exhausted',
    enforced: true,
    ceiling: {
      ...{ scope: 'search', metric: 'm.sum', period: 'day', value: '1000', source: 'plan:pro' },
      ...{ used: '999.5', pending: '0', remaining: '0.5' },
    },
    ...more,
  };
}

const dataOf = ({ received }: Receiver) =>
  received.map(({ body }) => webhookEvent.parse(JSON.parse(body)).data);

test('denials and warnings are told once, alike ones once in a window, and nobody else’s', async () => {
  const bed = await serviceBed();
  const [own, above, each, elsewhere] = await Promise.all(Array.from({ length: 4 }, () => startReceiver()));
  if (!own || !above || !each || !elsewhere) throw new Error('no receivers');
  await bed.subscribe(own.url, { tenantId: 'team', events: ['quota.denied'] });
  await bed.subscribe(above.url, { tenantId: 'acme', events: EVENTS });
  await bed.subscribe(each.url, {
    tenantId: 'search',
    events: ['quota.denied'],
    quietSeconds: 0,
    metrics: ['m.sum'],
  });
  await bed.subscribe(elsewhere.url, { tenantId: 'other', events: EVENTS });
  await bed.start();
  const first = aRecord();
  await bed.decide([
    ...[first, aRecord(), Buffer.from('garbage'), aRecord({ outcome: 'allow', reason: 'ok' })],
    aRecord({ outcome: 'warn', reason: 'quota_warning' }),
    ...[{ ...aRecord(), readings: 5 } as unknown as DecisionRecord, aRecord({ at: AT + 60_000 })],
    aRecord({ action: 'embed' }),
    aRecord({ tenantId: 'nobody' }),
  ]);
  await bed.untilFollowed(GROUP);
  await bed.untilStates({ delivered: 3 + 4 + 4 });
  expect(dataOf(own).map((data) => 'action' in data && [data.action, data.ceiling])).toEqual(
    expect.arrayContaining([
      ['complete', null],
      ['embed', null],
    ]),
  );
  expect(own.received.length).toBe(3);
  expect(above.received.length).toBe(4);
  expect(each.received.length).toBe(4);
  expect(elsewhere.received).toEqual([]);
  expect(dataOf(above).find((data) => 'decisionId' in data && data.decisionId === first.id)).toMatchObject({
    ...{ tenantId: 'team', outcome: 'deny', reason: 'quota_exhausted', product: 'llm', quietSeconds: 60 },
    ceiling: { scope: 'search', period: 'day', value: '1000', used: '999.5', remaining: '0.5' },
    asOf: new Date(AT - 500).toISOString(),
  });

  const before = (await bed.deliveries()).map(({ id }) => id);
  await bed.start({ groupId: 'again' });
  await bed.untilFollowed('again');
  expect((await bed.deliveries()).map(({ id }) => id)).toEqual(before);
});

test('a process that is killed between sending and noting: sent again with the same id, by the next', async () => {
  const bed = await serviceBed();
  const child = spawn(process.execPath, [fileURLToPath(new URL('../main.ts', import.meta.url))], {
    env: { ...bareEnvironment(), ...bed.environment, WEBHOOK_TIMEOUT_MS: '1000', LOG_LEVEL: 'error' },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  const gone = once(child, 'exit');
  const receiver = await startReceiver(async (response, _received, count) => {
    if (count === 1) {
      child.kill('SIGKILL');
      await gone;
    }
    response.writeHead(204).end();
  });
  const webhook = await bed.subscribe(receiver.url);
  const [id] = await bed.enqueue(webhook);
  await gone;
  expect((await bed.deliveries())[0]).toMatchObject({ state: 'pending', attempts: 1 });
  bed.worker();
  await bed.untilStates({ delivered: 1 });
  expect(receiver.received.map((each) => each.id)).toEqual([id, id]);
  for (const each of receiver.received) verified(each, webhook.secret);
}, 90_000);
