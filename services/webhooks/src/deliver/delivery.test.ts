/**
 * Guarantees, on a real Postgres and real receivers:
 * - What is sent is signed as Standard Webhooks has it: the library verifies it; each attempt has the same id.
 *   While a secret is rotated both verify, afterwards only the new one.
 * - What fails is tried again, then dead, then replayed with the same id; nothing is lost.
 * - No answer, a slow one and an endless one end in time; redirects are not followed.
 * - A name that answers with another address a moment later is called at the address that was checked, and
 *   the next attempt checks anew.
 * - Workers beside each other send nothing twice, and together no more at once than one endpoint may get.
 * - A stop waits for answers as long as it has time, and what it leaves is sent by the next.
 * - An endpoint that fails is spared, then disabled with a reason, and whoever asked for it is told.
 */
import { randomBytes } from 'node:crypto';
import { withTenantScope } from '@meterhouse/postgres/access';
import {
  changeWebhook,
  leaseDeliveries,
  noteFailed,
  readWebhook,
  replayDeliveries,
} from '@meterhouse/postgres/webhooks';
import { Drain, waitFor } from '@meterhouse/runtime';
import { parseNetwork, SecretBox } from '@meterhouse/webhooks';
import { expect, onTestFinished, test } from 'vitest';
import { ok, startReceiver, status, verified, type Answer, type Receiver } from '../testing/receiver.ts';
import { DEADLINE_MS, webhookBed, type Subscribed, type WebhookBed } from '../testing/webhook-bed.ts';
import { attempt } from './attempt.ts';

const idsOf = (receiver: Receiver): string[] => receiver.received.map(({ id }) => id);
const secretsThatVerify = (receiver: Receiver, nth: number, secrets: readonly string[]): string[] => {
  const received = receiver.received.at(nth);
  if (received === undefined) throw new Error('nothing was received');
  return secrets.filter((secret) => {
    try {
      verified(received, secret);
      return true;
    } catch {
      return false;
    }
  });
};
const stored = (bed: WebhookBed, { id }: Subscribed) =>
  withTenantScope(bed.changeLog.poolAs('meterhouse_api'), 'acme', (client) => readWebhook(client, id));
const replayAll = (bed: WebhookBed, { id }: Subscribed) =>
  withTenantScope(bed.changeLog.poolAs('meterhouse_api'), 'acme', (client) =>
    replayDeliveries(client, {
      ...{ subscriptionId: id, deliveryId: null, from: null, to: null, after: null, limit: 100 },
      states: ['dead'],
    }),
  );

test('a message is signed so that the library verifies it, and nobody else’s secret does', async () => {
  const bed = await webhookBed();
  const receiver = await startReceiver();
  const webhook = await bed.subscribe(receiver.url);
  const [id = ''] = await bed.enqueue(webhook);
  bed.worker();
  await bed.untilStates({ delivered: 1 });
  const [received] = receiver.received;
  expect(received && verified(received, webhook.secret)).toMatchObject({
    type: 'webhook.ping',
    data: { webhookId: webhook.id },
  });
  expect(received?.headers).toMatchObject({ 'webhook-id': id, 'content-type': 'application/json' });
  const other = await bed.subscribe(receiver.url);
  expect(secretsThatVerify(receiver, 0, [other.secret])).toEqual([]);
});

test('while a secret is rotated both verify, and afterwards only the new one', async () => {
  const bed = await webhookBed();
  const receiver = await startReceiver();
  const webhook = await bed.subscribe(receiver.url);
  const renewed = await bed.rotate(webhook, 3_600_000);
  bed.worker();
  await bed.enqueue(webhook);
  await bed.untilStates({ delivered: 1 });
  const both = [webhook.secret, renewed];
  expect(secretsThatVerify(receiver, 0, both)).toEqual(both);
  await bed.changeLog.pool.query('UPDATE meterhouse.webhook_subscriptions SET previous_valid_until = now()');
  await bed.enqueue(webhook);
  await bed.untilStates({ delivered: 2 });
  expect(secretsThatVerify(receiver, 1, both)).toEqual([renewed]);
  const last = await bed.rotate(webhook, 0);
  await bed.enqueue(webhook);
  await bed.untilStates({ delivered: 3 });
  expect(secretsThatVerify(receiver, 2, [...both, last])).toEqual([last]);
});

test('a secret that is sealed with another key sends nothing unsigned: it waits for its key', async () => {
  const bed = await webhookBed();
  const receiver = await startReceiver();
  const webhook = await bed.subscribe(receiver.url);
  await bed.enqueue(webhook);
  const lost = { ...bed.parts, secrets: new SecretBox([randomBytes(32).toString('base64')], randomBytes) };
  const leased = await leaseDeliveries(bed.parts.pool, {
    ...{ max: 1, maxPerSubscription: 1, openAfterFailures: 5, leaseMs: 60_000 },
  });
  for (const delivery of leased) expect(await attempt(delivery, lost)).toBe('failed');
  expect(receiver.received).toEqual([]);
  expect((await bed.deliveries())[0]).toMatchObject({ last_error: 'its secret cannot be opened' });
});

test('what fails is tried again with the same id until it is accepted', async () => {
  const bed = await webhookBed();
  const answers: Answer[] = [status(500), status(503, { 'retry-after': '0' }), ok];
  const receiver = await startReceiver((response, received, count) =>
    (answers[count - 1] ?? ok)(response, received, count),
  );
  const webhook = await bed.subscribe(receiver.url);
  const [id = ''] = await bed.enqueue(webhook);
  bed.worker();
  const [delivery] = await bed.untilStates({ delivered: 1 });
  expect(idsOf(receiver)).toEqual([id, id, id]);
  expect(new Set(receiver.received.map(({ body }) => body)).size).toBe(1);
  expect(delivery).toMatchObject({ attempts: 3, last_status: 204, last_error: null });
});

test('after the last attempt it is dead, and a replay sends it with the id it had', async () => {
  const bed = await webhookBed();
  let answer = status(500);
  const receiver = await startReceiver((...of) => answer(...of));
  const webhook = await bed.subscribe(receiver.url);
  const [id] = await bed.enqueue(webhook);
  bed.worker();
  const [dead] = await bed.untilStates({ dead: 1 });
  expect(dead).toMatchObject({ attempts: 4, last_status: 500, last_error: 'answered 500' });
  expect(idsOf(receiver)).toEqual([id, id, id, id]);
  answer = ok;
  expect(await replayAll(bed, webhook)).toMatchObject({ replayed: 1 });
  await bed.untilStates({ delivered: 1 });
  expect(idsOf(receiver)).toEqual([id, id, id, id, id]);
});

test.each<[string, Answer, string]>([
  ['no answer', () => undefined, 'no full answer within 300 ms'],
  [
    'an answer that drips',
    (response) => {
      response.writeHead(200);
      const drip = setInterval(() => response.write('.'), 50);
      response.on('close', () => clearInterval(drip));
    },
    'no full answer within 300 ms',
  ],
  ['a connection that breaks', (response) => void response.destroy(), 'UND_ERR_SOCKET'],
])('%s is a failed attempt, in time', async (_what, answer, error) => {
  const bed = await webhookBed();
  const receiver = await startReceiver(answer);
  await bed.enqueue(await bed.subscribe(receiver.url));
  bed.worker({ bounds: { send: { timeoutMs: 300, maxAnswerBytes: 1_024 }, retryCeilingsMs: [] } });
  const [dead] = await bed.untilStates({ dead: 1 });
  expect(dead).toMatchObject({ last_error: error, last_status: null });
});

test('of an endless answer no more is read than the bound', async () => {
  const bed = await webhookBed();
  let written = 0;
  let cutOff = false;
  const receiver = await startReceiver((response) => {
    response.writeHead(200);
    response.on('close', () => (cutOff = true));
    const more = (): void => {
      while (!response.closed && response.write(Buffer.alloc(64 * 1024))) written += 64;
      if (!response.closed) response.once('drain', more);
    };
    more();
  });
  await bed.enqueue(await bed.subscribe(receiver.url));
  bed.worker({ bounds: { send: { timeoutMs: 30_000, maxAnswerBytes: 1_024 } } });
  await bed.untilStates({ delivered: 1 });
  await waitFor('the connection to end', () => (cutOff ? true : undefined), { deadlineMs: DEADLINE_MS });
  expect(written).toBeLessThan(64 * 1024);
});

test('a redirect is a failure, and its target hears nothing', async () => {
  const bed = await webhookBed();
  const inside = await startReceiver();
  const receiver = await startReceiver(status(307, { location: inside.url }));
  await bed.enqueue(await bed.subscribe(receiver.url));
  bed.worker({ bounds: { retryCeilingsMs: [] } });
  const [dead] = await bed.untilStates({ dead: 1 });
  expect(dead?.last_error).toBe('answered 307: redirects are not followed');
  expect(inside.received).toEqual([]);
});

test('nothing internal is called, by any name: without allowed networks, loopback hears nothing', async () => {
  const bed = await webhookBed();
  const receiver = await startReceiver();
  const { port } = receiver;
  for (const url of [
    receiver.url,
    `http://localhost:${port}/`,
    `https://127.1:${port}/`,
    `https://[::1]:${port}/`,
  ])
    await bed.enqueue(await bed.subscribe(url));
  bed.worker({ bounds: { retryCeilingsMs: [] }, target: { allowedNetworks: [] } });
  const dead = await bed.untilStates({ dead: 4 });
  for (const { last_error } of dead) expect(last_error).toMatch(/^not called: /);
  expect(receiver.received).toEqual([]);
});

test('a name that changes its address is called where it was checked, and checked anew the next time', async () => {
  const bed = await webhookBed();
  // Of the two only 127.0.0.2 may be called: it stands for what is public.
  const outside = await startReceiver(status(500), { host: '127.0.0.2' });
  const inside = await startReceiver(ok, { port: outside.port });
  let asked = 0;
  const resolve = () =>
    Promise.resolve([{ address: (asked += 1) === 1 ? '127.0.0.2' : '127.0.0.1', family: 4 as const }]);
  await bed.enqueue(await bed.subscribe(`http://hook.example:${outside.port}/`));
  bed.worker({
    bounds: { retryCeilingsMs: [0] },
    target: { resolve, allowedNetworks: [parseNetwork('127.0.0.2/32')] },
  });
  const [dead] = await bed.untilStates({ dead: 1 });
  expect(asked).toBe(2);
  expect(outside.received.map(({ headers }) => headers['host'])).toEqual([`hook.example:${outside.port}`]);
  expect(inside.received).toEqual([]);
  expect(dead?.last_error).toMatch(/^not called: /);
});

test('workers beside each other send each once, and one endpoint no more at once than its bound', async () => {
  const bed = await webhookBed();
  const receiver = await startReceiver(async (response) => {
    await new Promise((resolve) => setImmediate(resolve));
    response.writeHead(200).end();
  });
  const webhook = await bed.subscribe(receiver.url);
  const ids = await bed.enqueue(webhook, 150);
  for (let i = 0; i < 3; i += 1) bed.worker({ bounds: { maxPerSubscription: 3 } });
  await bed.untilStates({ delivered: 150 });
  expect(idsOf(receiver).sort()).toEqual([...ids].sort());
  expect(receiver.mostAtOnce()).toBeLessThanOrEqual(3);
});

test('what is leased is leased to nobody else until its lease is over, and then the old one counts no more', async () => {
  const bed = await webhookBed();
  const { pool } = bed.parts;
  const bounds = { max: 5, maxPerSubscription: 5, openAfterFailures: 5, leaseMs: 3_600_000 };
  await bed.enqueue(await bed.subscribe('http://127.0.0.1:1/'));
  const [first] = await leaseDeliveries(pool, bounds);
  expect(await leaseDeliveries(pool, bounds)).toEqual([]);
  await bed.changeLog.pool.query('UPDATE meterhouse.webhook_deliveries SET next_attempt_at = now()');
  const [second] = await leaseDeliveries(pool, bounds);
  expect(second).toMatchObject({ id: first?.id, attempts: 2 });
  if (first === undefined) throw new Error('nothing was leased');
  const late = { status: null, error: 'late', retryInMs: null, gone: false };
  await noteFailed(pool, first, late, bed.parts.bounds.circuit, () => Promise.resolve());
  expect((await bed.deliveries())[0]).toMatchObject({ state: 'pending', last_error: null });
});

test('a stop leaves what a receiver has not answered in time, and the next worker sends it again', async () => {
  const bed = await webhookBed();
  const hanging = Promise.withResolvers<undefined>();
  const receiver = await startReceiver(async (response, _received, count) => {
    if (count === 1) await hanging.promise;
    response.writeHead(200).end();
  });
  const [id] = await bed.enqueue(await bed.subscribe(receiver.url));
  const worker = bed.worker({ bounds: { send: { timeoutMs: 45_000, maxAnswerBytes: 10 } } });
  onTestFinished(() => hanging.resolve(undefined));
  await waitFor('it to be sent', () => receiver.received[0], { deadlineMs: DEADLINE_MS });
  await worker.stop(Drain.within(500));
  expect(worker.inFlight).toBe(1);
  await bed.changeLog.pool.query('UPDATE meterhouse.webhook_deliveries SET next_attempt_at = now()');
  bed.worker();
  await bed.untilStates({ delivered: 1 });
  expect(idsOf(receiver)).toEqual([id, id]);
});

test('one slow endpoint holds up no other', async () => {
  const bed = await webhookBed();
  const slow = await startReceiver(() => undefined);
  const quick = await startReceiver();
  await bed.enqueue(await bed.subscribe(slow.url), 20);
  await bed.enqueue(await bed.subscribe(quick.url), 20);
  bed.worker({ bounds: { maxInFlight: 8, send: { timeoutMs: 5_000, maxAnswerBytes: 10 } } });
  await waitFor('the quick one', () => (quick.received.length === 20 ? true : undefined), {
    deadlineMs: DEADLINE_MS,
  });
  expect(slow.received.length).toBeLessThanOrEqual(4);
}, 60_000);

test('after failures in a row one delivery at a time goes there, until one is accepted', async () => {
  const bed = await webhookBed();
  const receiver = await startReceiver((response, _received, count) => {
    response.writeHead(count <= 6 ? 500 : 200).end();
  });
  const webhook = await bed.subscribe(receiver.url);
  await bed.enqueue(webhook, 10);
  const circuit = { openAfterFailures: 2, openMs: 200, disableAfterMs: 3_600_000 };
  bed.worker({ bounds: { circuit, retryCeilingsMs: Array.from({ length: 10 }, () => 1) } });
  await waitFor('the circuit to open', async () => (await stored(bed, webhook))?.pausedUntil ?? undefined, {
    deadlineMs: DEADLINE_MS,
  });
  await bed.untilStates({ delivered: 10 });
  expect(await stored(bed, webhook)).toMatchObject({ failures: 0, pausedUntil: null, failingSince: null });
});

test.each<['failing' | 'gone', Answer, number]>([
  ['failing', status(500), -1],
  ['gone', status(410), 3_600_000],
])('an endpoint that is %s is disabled, and who asked is told', async (reason, answer, disableAfterMs) => {
  const bed = await webhookBed();
  const receiver = await startReceiver(answer);
  const watcher = await startReceiver();
  const webhook = await bed.subscribe(receiver.url, { tenantId: 'search' });
  const above = await bed.subscribe(watcher.url, { events: ['webhook.disabled'] });
  const elsewhere = await startReceiver();
  await bed.subscribe(elsewhere.url, { tenantId: 'other', events: ['webhook.disabled'] });
  await bed.enqueue(webhook, 3);
  bed.worker({ bounds: { maxPerSubscription: 1, circuit: { ...bed.parts.bounds.circuit, disableAfterMs } } });
  await bed.untilStates({ dead: 3, delivered: 1 });
  expect(await stored(bed, webhook)).toMatchObject({ enabled: false, disabledReason: reason });
  expect(receiver.received.length).toBe(1);
  const [told] = watcher.received;
  expect(told && verified(told, above.secret)).toMatchObject({
    type: 'webhook.disabled',
    data: { webhookId: webhook.id, tenantId: 'search', reason },
  });
  expect(elsewhere.received).toEqual([]);
  // What happens meanwhile is dead from the start, and nothing of it is lost.
  await bed.enqueue(webhook);
  await bed.untilStates({ dead: 4, delivered: 1 });
  await withTenantScope(bed.changeLog.poolAs('meterhouse_api'), 'acme', async (client) => {
    const now = await readWebhook(client, webhook.id);
    if (now !== null) await changeWebhook(client, webhook.id, { ...now, url: watcher.url, enabled: true });
  });
  expect(await replayAll(bed, webhook)).toMatchObject({ replayed: 4 });
  await bed.untilStates({ delivered: 5 });
});
