/**
 * Guarantees of SIGTERM, of every service as a process of its own in the middle of its work: it ends with 0
 * within its deadline, and loses nothing.
 * - API: what it acknowledged is counted, and each denial that it answered is kept, whoever keeps connections.
 * - aggregator: stopped between flushes and started again, each event is counted once.
 * - decision-log: decisions that it had not kept are kept by the next, once.
 * - webhooks: what was on its way is answered and not sent again; what was due is sent by the next.
 * - relay: what was in the outbox gets to Kafka, by it or by the next.
 * - quota-snapshot: it gives the lead back, so that the next publishes at once.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import {
  createDecisionEncoder,
  createKafka,
  createRegistry,
  ensureTopics,
  fetchLogEnds,
  registerDecisionSchema,
} from '@meterhouse/kafka';
import { createPool } from '@meterhouse/postgres';
import { createOutbox } from '@meterhouse/producer/outbox';
import { createLogger, Releases, waitFor } from '@meterhouse/runtime';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { anEvent, commandBed, freePort } from '../../packages/cli/src/testing.ts';
import { aRecord } from '../../services/decision-log/src/testing/decision-bed.ts';
import { startReceiver } from '../../services/webhooks/src/testing/receiver.ts';
import { runService, type ProgramRun, type ServiceName } from '../secured/service-run.testing.ts';

const REGISTRY = `
tenants:
  - { id: acme, name: Acme }
metrics:
  - { name: tokens, unit: token, aggregation: sum, scale: 0, family: token_request }
`;
const DEADLINE = { deadlineMs: 120_000, everyMs: 100, retryErrors: true };
/** Of a busy machine; the default is for one that has only this to do. */
const DRAIN_TIMEOUT_MS = 30_000;
const TIMEOUT_MS = 300_000;

const bed = await commandBed({
  DRAIN_TIMEOUT_MS: `${DRAIN_TIMEOUT_MS}`,
  SESSION_TIMEOUT_MS: '6000',
  WEBHOOK_SECRET_KEY: randomBytes(32).toString('base64'),
  WEBHOOK_ALLOWED_NETWORKS: '127.0.0.0/8',
  WEBHOOK_GROUP: `webhooks_${randomBytes(6).toString('hex')}`,
  DECISION_LOG_GROUP: `decisions_${randomBytes(6).toString('hex')}`,
  CONSUMER_GROUP: `aggregator_${randomBytes(6).toString('hex')}`,
});
const releases = new Releases();
afterAll(() => releases.releaseAll());
const decisionsTopic = bed.env['QUOTA_DECISIONS_TOPIC'] ?? '';
const kafka = createKafka({
  brokers: [bed.env['KAFKA_BROKERS'] ?? ''],
  clientId: 'drain',
  logger: createLogger('drain', 'silent'),
});
beforeAll(async () => {
  await bed.json(['apply', '-f', await bed.file('registry.yaml', REGISTRY)]);
  await ensureTopics(kafka, { quotaDecisions: { topic: decisionsTopic, partitions: 1 } });
});

const READY: Readonly<Record<ServiceName, RegExp>> = {
  api: /"at":"([^"]+)","msg":"serving"/,
  aggregator: /"msg":"(partitions assigned)"/,
  'quota-snapshot': /"epoch":(\d+),"msg":"publishing snapshots"/,
  'decision-log': /"msg":"(partitions assigned)"/,
  webhooks: /"msg":"(partitions assigned)"/,
  relay: /"msg":"(relaying the outbox)"/,
};

/** Resolves once it works; it is gone with the test. */
async function started(
  name: ServiceName,
  more: Readonly<Record<string, string>> = {},
): Promise<{ run: ProgramRun; said: string }> {
  const run = runService(name, { ...bed.env, ...more });
  onTestFinished(async () => {
    run.signal('SIGKILL');
    await run.ended;
  });
  return { run, said: await run.says(READY[name]) };
}

/** Ends it as an orchestrator does; says what it said where it does not end well. */
async function drained(run: ProgramRun): Promise<void> {
  const startedAt = performance.now();
  run.signal('SIGTERM');
  const code = await run.ended;
  const tookMs = performance.now() - startedAt;
  expect({ code, inTime: tookMs < DRAIN_TIMEOUT_MS, said: code === 0 ? '' : run.output() }).toEqual({
    ...{ code: 0, inTime: true, said: '' },
  });
}

async function numberOf(text: string, values: readonly unknown[] = []): Promise<number> {
  const { rows } = await bed.pool.query<{ n: string }>(text, [...values]);
  return Number(rows[0]?.n ?? 0);
}

const countedOf = (ids: readonly string[]): Promise<number> =>
  numberOf(`SELECT count(DISTINCT event_key) AS n FROM meterhouse.seen_events WHERE event_key = ANY($1)`, [
    ids,
  ]);

test(
  'api: what was acknowledged is counted and what was denied is kept, amid load',
  async () => {
    const port = await freePort();
    const { run } = await started('api', { API_PORT: `${port}`, API_KEY_REQUESTS_PER_SECOND: '100000' });
    const { key } = z
      .object({ key: z.string() })
      .parse(await bed.json(['keys', 'create', '--name', 'e2e', '--role', 'platform_admin', '--by', 'test']));
    const acknowledged: string[] = [];
    const denied: string[] = [];
    let unanswered = 0;
    let stopping = false;
    const post = async (path: string, body: unknown): Promise<unknown> => {
      try {
        const response = await fetch(`http://127.0.0.1:${port}${path}`, {
          method: 'POST',
          headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
          body: JSON.stringify(body),
        });
        return await response.json();
      } catch {
        // Nobody is promised anything by a connection that is refused or ends.
        unanswered += 1;
        return {};
      }
    };
    const answer = z.object({
      events: z.array(z.object({ outcome: z.string(), id: z.string().nullable() })).default([]),
      outcome: z.string().optional(),
    });
    const sender = async (): Promise<void> => {
      while (!stopping || unanswered === 0) {
        const events = Array.from({ length: 20 }, () => ({
          ...{ id: randomUUID(), tenantId: 'acme', metric: 'tokens', unit: 'token', value: '1' },
          ts: new Date().toISOString(),
        }));
        const { events: outcomes } = answer.parse(await post('/v1/events', events));
        for (const { outcome, id } of outcomes)
          if (outcome === 'acknowledged' && id !== null) acknowledged.push(id);
      }
    };
    const asker = async (): Promise<void> => {
      while (!stopping || unanswered === 0) {
        const correlationId = randomUUID();
        const { outcome } = answer.parse(
          await post('/v1/decide', {
            ...{ actor: { type: 'user', id: 'ann' }, tenantId: 'acme', product: 'llm', correlationId },
            ...{ resourceType: 'model', action: 'complete' },
          }),
        );
        if (outcome === 'deny') denied.push(correlationId);
      }
    };
    const load = Promise.all([sender(), sender(), sender(), sender(), asker(), asker()]);
    await waitFor(
      'load',
      () => (acknowledged.length > 200 && denied.length > 20 ? true : undefined),
      DEADLINE,
    );
    stopping = true;
    await drained(run);
    await load;

    await started('aggregator');
    await waitFor(
      `${acknowledged.length} events to be counted`,
      async () => ((await countedOf(acknowledged)) === acknowledged.length ? true : undefined),
      DEADLINE,
    );
    await started('decision-log');
    const kept = () =>
      numberOf(
        `SELECT count(DISTINCT correlation_id) AS n FROM meterhouse.decisions WHERE correlation_id = ANY($1)`,
        [denied],
      );
    await waitFor(
      `${denied.length} denials to be kept`,
      async () => ((await kept()) === denied.length ? true : undefined),
      DEADLINE,
    );
  },
  TIMEOUT_MS,
);

test(
  'aggregator: stopped in the middle of a backlog and started again, each event is counted once',
  async () => {
    const EVENTS = 6_000;
    const before = await numberOf('SELECT coalesce(sum(count), 0) AS n FROM meterhouse.usage_hourly');
    const ids: string[] = [];
    for (let sent = 0; sent < EVENTS; sent += 1_000) {
      const events = Array.from({ length: 1_000 }, () => anEvent({ id: randomUUID(), value: '1' }));
      ids.push(...events.map(({ id }) => id));
      await bed.send(events.map(bed.encode), (sent / 1_000) % 2);
    }
    const small = { FLUSH_MAX_EVENTS: '50', FLUSH_LINGER_MS: '0' };
    const { run } = await started('aggregator', small);
    await waitFor('some to be counted', async () => ((await countedOf(ids)) > 100 ? true : undefined), {
      ...DEADLINE,
      everyMs: 5,
    });
    await drained(run);
    // Else it was not stopped in the middle.
    expect(await countedOf(ids)).toBeLessThan(EVENTS);
    await started('aggregator');
    await waitFor(
      'all to be counted',
      async () => ((await countedOf(ids)) === EVENTS ? true : undefined),
      DEADLINE,
    );
    expect(await numberOf('SELECT sum(count) AS n FROM meterhouse.usage_hourly')).toBe(before + EVENTS);
  },
  TIMEOUT_MS,
);

test(
  'decision-log: what it had not kept is kept by the next, each once',
  async () => {
    const DECISIONS = 1_500;
    const schemas = createRegistry(bed.env['SCHEMA_REGISTRY_URL'] ?? '');
    const encode = createDecisionEncoder(
      await registerDecisionSchema(schemas, decisionsTopic, AbortSignal.timeout(DEADLINE.deadlineMs)),
    );
    const producer = kafka.producer({ allowAutoTopicCreation: false });
    await producer.connect();
    onTestFinished(() => producer.disconnect());
    const records = Array.from({ length: DECISIONS }, () => aRecord());
    await producer.send({
      topic: decisionsTopic,
      messages: records.map((each) => ({ value: encode(each) })),
    });
    const ids = records.map(({ id }) => id);
    const kept = () => numberOf('SELECT count(*) AS n FROM meterhouse.decisions WHERE id = ANY($1)', [ids]);
    const { run } = await started('decision-log', { DECISION_LOG_MAX_ROWS: '2' });
    await waitFor('some to be kept', async () => ((await kept()) > 10 ? true : undefined), {
      ...DEADLINE,
      everyMs: 5,
    });
    await drained(run);
    expect(await kept()).toBeLessThan(DECISIONS);
    await started('decision-log');
    await waitFor('all to be kept', async () => ((await kept()) === DECISIONS ? true : undefined), DEADLINE);
  },
  TIMEOUT_MS,
);

test(
  'webhooks: what was on its way arrives once, what was due is sent by the next',
  async () => {
    const DELIVERIES = 60;
    const answerAfterMs = 500;
    const receiver = await startReceiver(async (response) => {
      await delay(answerAfterMs);
      response.writeHead(204).end();
    });
    const port = await freePort();
    await started('api', { API_PORT: `${port}` });
    const { key } = z
      .object({ key: z.string() })
      .parse(
        await bed.json([
          ...[
            'keys',
            'create',
            '--name',
            'hooks',
            '--role',
            'tenant_admin',
            '--tenant',
            'acme',
            '--by',
            'test',
          ],
        ]),
      );
    const call = async (path: string, body: unknown): Promise<unknown> => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      expect(response.ok, path).toBe(true);
      return response.json();
    };
    const { webhook } = z
      .object({ webhook: z.object({ id: z.string() }) })
      .parse(await call('/v1/webhooks', { url: receiver.url, events: ['quota.denied'] }));
    await bed.pool.query(
      `INSERT INTO meterhouse.webhook_deliveries
       (id, subscription_id, tenant_id, about_tenant, event_key, event_type, occurred_at, body, state, next_attempt_at)
     SELECT gen_random_uuid(), $1, 'acme', 'acme', n::text, 'webhook.ping', now(), '{}', 'pending', now()
     FROM generate_series(1, $2::integer) AS n`,
      [webhook.id, DELIVERIES],
    );
    const { run } = await started('webhooks');
    await waitFor('the first', () => receiver.received[8], { ...DEADLINE, everyMs: 5 });
    await drained(run);
    expect(receiver.received.length).toBeLessThan(DELIVERIES);
    const undelivered = () =>
      numberOf(`SELECT count(*) AS n FROM meterhouse.webhook_deliveries WHERE state <> 'delivered'`);
    // Whatever was sent has been noted: the next sends none of it again.
    expect(await undelivered()).toBe(DELIVERIES - receiver.received.length);
    await started('webhooks');
    await waitFor('all', async () => ((await undelivered()) === 0 ? true : undefined), DEADLINE);
    expect(receiver.received).toHaveLength(DELIVERIES);
    expect(new Set(receiver.received.map((one) => one.id)).size).toBe(DELIVERIES);
  },
  TIMEOUT_MS,
);

test(
  'relay: all that was committed gets to Kafka, by it or by the next, and is counted once',
  async () => {
    const EVENTS = 1_000;
    const outbox = createOutbox({ source: 'e2e' });
    const pool = createPool({ url: bed.env['DATABASE_URL'] ?? '', applicationName: 'writer', max: 1 });
    onTestFinished(() => pool.end());
    const client = await pool.connect();
    const ids: string[] = [];
    await client.query('BEGIN');
    for (let n = 0; n < EVENTS; n += 1) {
      const { id } = await outbox.recordIn(client, { tenantId: 'acme', metric: 'tokens', value: '1' });
      ids.push(id);
    }
    await client.query('COMMIT');
    client.release();
    const waiting = () => numberOf('SELECT count(*) AS n FROM meterhouse.usage_outbox');
    const { run } = await started('relay', { RELAY_BATCH_EVENTS: '5' });
    await waitFor('some to be relayed', async () => ((await waiting()) < EVENTS - 20 ? true : undefined), {
      ...DEADLINE,
      everyMs: 5,
    });
    await drained(run);
    const left = await waiting();
    expect(left).toBeGreaterThan(0);
    // It has given its lanes back: the next need not wait for its lease.
    expect(
      await numberOf('SELECT count(*) AS n FROM meterhouse.outbox_lanes WHERE lease_until > now()'),
    ).toBe(0);
    await started('relay');
    await started('aggregator');
    await waitFor(
      'all to be counted',
      async () => ((await countedOf(ids)) === EVENTS ? true : undefined),
      DEADLINE,
    );
    expect(await waiting()).toBe(0);
  },
  TIMEOUT_MS,
);

test(
  'quota-snapshot: it gives the lead back, and the next publishes at once',
  async () => {
    const topic = bed.env['USAGE_SNAPSHOTS_TOPIC'] ?? '';
    const published = async (): Promise<bigint> =>
      [...(await fetchLogEnds(bed.admin, topic)).values()].reduce((a, b) => a + b, 0n);
    const lease = { SNAPSHOT_LEASE_MS: '60000' };
    const { run, said } = await started('quota-snapshot', lease);
    const before = await published();
    await waitFor('a publication', async () => ((await published()) > before ? true : undefined), DEADLINE);
    await drained(run);
    // Within a lease of a minute: nobody has to wait for it to run out.
    const startedAt = performance.now();
    const next = await started('quota-snapshot', lease);
    expect(performance.now() - startedAt).toBeLessThan(60_000);
    expect(Number(next.said)).toBeGreaterThan(Number(said));
    const since = await published();
    await waitFor('it to publish', async () => ((await published()) > since ? true : undefined), DEADLINE);
  },
  TIMEOUT_MS,
);
