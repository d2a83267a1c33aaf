/**
 * Guarantees, with relays and writers in processes of their own that are killed at random moments, and whose
 * sessions Postgres ends:
 *  - every committed order's usage arrives, once by its id, and of a rolled back one nothing ever does
 *  - of each tenant the first deliveries are in the order of its commits, whatever was repeated
 *  - two relays share the lanes; one that is killed is missed no longer than its lease
 *  - the same where there is no Kafka: buckets hold exactly the committed orders
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freshDatabase, sharedStack } from '@meterhouse/dev-stack/testing';
import {
  consumeTopic,
  createEventDecoder,
  createKafka,
  createRegistry,
  ensureTopics,
  fetchLogEnds,
  isRefusal,
  isUnknownSchema,
} from '@meterhouse/kafka';
import { createPool, migratePostgres, type Pool } from '@meterhouse/postgres';
import { createLogger, waitFor } from '@meterhouse/runtime';
import type { UsageEvent } from '@meterhouse/usage';
import { expect, onTestFinished, test } from 'vitest';

const ROUNDS = 4;
const TENANTS = ['t0', 't1', 't2', 't3', 't4', 't5'];
const RELAY = fileURLToPath(new URL('main.ts', import.meta.url));
const WRITER = fileURLToPath(new URL('writer-process.testing.ts', import.meta.url));

interface Processes {
  start(name: string, script: string, args: readonly string[], env: Record<string, string>): void;
  kill(name: string): Promise<void>;
}

function processes(): Processes {
  const running = new Map<string, ChildProcess>();
  const kill = async (name: string): Promise<void> => {
    const child = running.get(name);
    running.delete(name);
    if (child?.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  };
  onTestFinished(async () => {
    for (const name of [...running.keys()]) await kill(name);
  });
  return {
    start: (name, script, args, env) => {
      running.set(
        name,
        spawn(process.execPath, [script, ...args], {
          env: {
            PATH: process.env['PATH'] ?? '',
            NODE_OPTIONS: '--disable-warning=TimeoutNegativeWarning',
            ...env,
          },
          stdio: ['ignore', 'ignore', 'inherit'],
        }),
      );
    },
    kill,
  };
}

async function database(): Promise<{ url: string; pool: Pool }> {
  const url = await freshDatabase(await sharedStack());
  await migratePostgres(url);
  const pool = createPool({ url, applicationName: 'test' });
  onTestFinished(() => pool.end());
  await pool.query(`
    CREATE TABLE orders (tenant text, n integer, PRIMARY KEY (tenant, n));
    INSERT INTO meterhouse.tenants (id, name) SELECT t, t FROM unnest(ARRAY['${TENANTS.join("','")}']) AS t;
    INSERT INTO meterhouse.metrics (name, unit, aggregation, scale, family) VALUES ('calls', 'call', 'sum', 0, 'compute');
    UPDATE meterhouse.registry_version SET version = version + 1`);
  return { url, pool };
}

async function strike(url: string, pool: Pool, relayEnv: Record<string, string>): Promise<void> {
  const running = processes();
  const writers = [TENANTS.slice(0, 3), TENANTS.slice(3)];
  const start = (name: string): void => {
    const writer = writers[Number(name.at(-1))] ?? [];
    if (name.startsWith('relay'))
      running.start(name, RELAY, [], {
        DATABASE_URL: url,
        RELAY_LEASE_MS: '1000',
        RELAY_POLL_MS: '200',
        LOG_LEVEL: 'silent',
        ...relayEnv,
      });
    else running.start(name, WRITER, [url, ...writer], {});
  };
  const names = ['relay-0', 'relay-1', 'writer-0', 'writer-1'];
  for (const name of names) start(name);
  const relayed = async (): Promise<number> => {
    const found = await pool.query<{ seq: string }>(
      'SELECT sum(relayed_seq) AS seq FROM meterhouse.outbox_lanes',
    );
    return Number(found.rows[0]?.seq ?? 0);
  };
  for (let round = 0; round < ROUNDS; round++) {
    const before = await relayed();
    await waitFor('events to be relayed', async () => ((await relayed()) > before ? true : undefined), {
      deadlineMs: 60_000,
    });
    await delay(Math.random() * 300);
    const victim = names[Math.floor(Math.random() * names.length)] ?? '';
    if (round % 4 === 3)
      await pool.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name <> 'test'`,
      );
    else {
      await running.kill(victim);
      start(victim);
    }
  }
  for (const name of names) if (name.startsWith('writer')) await running.kill(name);
  await waitFor(
    'the outbox to be empty',
    async () =>
      (await pool.query('SELECT FROM meterhouse.usage_outbox LIMIT 1')).rowCount === 0 ? true : undefined,
    { deadlineMs: 60_000 },
  );
  for (const name of names) await running.kill(name);
}

async function committed(pool: Pool): Promise<Map<string, number>> {
  const found = await pool.query<{ tenant: string; n: number; rows: number }>(
    'SELECT tenant, max(n) AS n, count(*)::integer AS rows FROM orders GROUP BY tenant',
  );
  for (const row of found.rows) expect(row.rows).toBe(row.n);
  return new Map(found.rows.map((row) => [row.tenant, row.n]));
}

test('outbox → Kafka: committed once, rolled back never, in order', { timeout: 540_000 }, async () => {
  const stack = await sharedStack();
  const { url, pool } = await database();
  const topic = `usage_events_${randomBytes(6).toString('hex')}`;
  const kafka = createKafka({
    brokers: [stack.kafka],
    clientId: 'test',
    logger: createLogger('test', 'silent'),
  });
  await ensureTopics(kafka, { usageEvents: { topic, partitions: 2 } });
  await strike(url, pool, {
    KAFKA_BROKERS: stack.kafka,
    SCHEMA_REGISTRY_URL: stack.schemaRegistry,
    USAGE_EVENTS_TOPIC: topic,
  });
  const orders = await committed(pool);
  const arrived = new Map<string, number[]>();
  const seen = new Set<string>();
  const events = await everything(kafka, stack.schemaRegistry, topic);
  for (const event of events) {
    expect(event.id).not.toContain('rolled-back');
    if (seen.has(event.id)) continue;
    seen.add(event.id);
    arrived.set(event.tenantId, [...(arrived.get(event.tenantId) ?? []), Number(event.value)]);
  }
  for (const [tenant, n] of orders)
    expect([tenant, arrived.get(tenant)]).toEqual([
      tenant,
      Array.from({ length: n }, (_, index) => index + 1),
    ]);
  expect(orders.size).toBe(TENANTS.length);
  process.stderr.write(
    `outbox → Kafka: ${seen.size} committed, ${events.length - seen.size} repeated, 0 lost\n`,
  );
});

test('outbox → hour buckets: exactly the committed orders', { timeout: 540_000 }, async () => {
  const { url, pool } = await database();
  await strike(url, pool, { RELAY_TO: 'direct' });
  const orders = await committed(pool);
  const usage = await pool.query<{ tenant: string; sum: string; count: number }>(
    'SELECT tenant_id AS tenant, trim_scale(sum(sum))::text AS sum, sum(count)::integer AS count FROM meterhouse.usage_hourly GROUP BY 1',
  );
  expect(new Map(usage.rows.map((row) => [row.tenant, `${row.sum}×${row.count}`]))).toEqual(
    new Map([...orders].map(([tenant, n]) => [tenant, `${(n * (n + 1)) / 2}×${n}`])),
  );
  expect((await pool.query('SELECT FROM meterhouse.quarantine')).rowCount).toBe(0);
  const repeated = await pool.query<{ n: number }>(
    `SELECT (SELECT sum(next_offset) FROM meterhouse.progress WHERE source = 'direct')::integer
          - (SELECT count(*) FROM meterhouse.seen_events)::integer AS n`,
  );
  // A row leaves the outbox in the transaction that counts it: nothing is counted twice and thrown away.
  expect(repeated.rows).toEqual([{ n: 0 }]);
});

async function everything(
  kafka: ReturnType<typeof createKafka>,
  registryUrl: string,
  topic: string,
): Promise<UsageEvent[]> {
  const admin = kafka.admin();
  await admin.connect();
  const ends = await fetchLogEnds(admin, topic);
  await admin.disconnect();
  const decoder = createEventDecoder(createRegistry(registryUrl));
  const events: UsageEvent[] = [];
  const reached = new Map<number, bigint>();
  const consumer = await consumeTopic({
    kafka,
    topic,
    groupId: `test-${randomBytes(6).toString('hex')}`,
    sessionTimeoutMs: 10_000,
    fetch: { maxBytes: 8_000_000, maxBytesPerPartition: 4_000_000, maxWaitMs: 100 },
    onAssigned: () => undefined,
    onCrash: () => undefined,
    deliver: async ({ partition, records, nextOffset }) => {
      for (const { payload } of records) {
        let outcome = decoder.decode(payload);
        if (isUnknownSchema(outcome)) {
          await decoder.learn(outcome.unknownSchemaId, { deadlineMs: 10_000 });
          outcome = decoder.decode(payload);
        }
        if (isUnknownSchema(outcome) || isRefusal(outcome)) throw new Error(JSON.stringify(outcome));
        events.push(outcome);
      }
      reached.set(partition, nextOffset);
    },
  });
  try {
    await waitFor(
      'the topic to be read',
      () => ([...ends].every(([partition, end]) => (reached.get(partition) ?? 0n) >= end) ? true : undefined),
      { deadlineMs: 60_000 },
    );
  } finally {
    await consumer.stop();
  }
  return events;
}
