/**
 * Guarantees, with relays and writers in processes of their own that are killed at random moments, whose sessions
 * Postgres ends, and under whom Postgres is shut down at once and started again; bounded by work, not by time:
 *  - every committed order's usage arrives, once by its id, and of a rolled back one nothing ever does
 *  - of each tenant the first deliveries are in the order of its commits, whatever was repeated
 *  - two relays share the lanes; one that is killed is missed no longer than its lease
 *  - the same where there is no Kafka: buckets hold exactly the committed orders
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bareEnvironment } from '@meterhouse/dev-stack';
import { startStack, type Part } from '@meterhouse/dev-stack';
import { sharedStack } from '@meterhouse/dev-stack/testing';
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

/** A tenant. */
const ORDERS = 80;
const STRIKES = ['kill', 'sessions', 'kill', 'postgres', 'kill', 'kill'] as const;
const DEADLINE = { deadlineMs: 240_000, retryErrors: true };
const TENANTS = ['t0', 't1', 't2', 't3', 't4', 't5'];
const RELAY = fileURLToPath(new URL('main.ts', import.meta.url));
const WRITER = fileURLToPath(new URL('writer-process.testing.ts', import.meta.url));

interface Processes {
  start(name: string, script: string, args: readonly string[], env: Record<string, string>): void;
  kill(name: string): Promise<void>;
  hasEnded(name: string): boolean;
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
            ...bareEnvironment(),
            NODE_OPTIONS: '--disable-warning=TimeoutNegativeWarning',
            ...env,
          },
          stdio: ['ignore', 'ignore', 'inherit'],
        }),
      );
    },
    kill,
    hasEnded: (name) => {
      const child = running.get(name);
      return child?.exitCode !== null || child.signalCode !== null;
    },
  };
}

/** With a Postgres of its own, which is restarted in the middle. */
async function database(): Promise<{ url: string; pool: Pool; postgres: Part }> {
  const dataDir = await mkdtemp(join(tmpdir(), 'meterhouse-relay-'));
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }));
  const stack = await startStack({ dataDir, parts: ['postgres'] });
  onTestFinished(() => stack.stop());
  const url = stack.endpoints.postgres;
  await migratePostgres(url);
  const pool = createPool({ url, applicationName: 'test' });
  onTestFinished(() => pool.end());
  await pool.query(`
    CREATE TABLE orders (tenant text, n integer, PRIMARY KEY (tenant, n));
    INSERT INTO meterhouse.tenants (id, name) SELECT t, t FROM unnest(ARRAY['${TENANTS.join("','")}']) AS t;
    INSERT INTO meterhouse.metrics (name, unit, aggregation, scale, family) VALUES ('calls', 'call', 'sum', 0, 'compute');
    UPDATE meterhouse.registry_version SET version = version + 1`);
  return { url, pool, postgres: stack.part('postgres') };
}

/** Orders whose usage has left the outbox. */
async function relayed(pool: Pool): Promise<number> {
  const found = await pool.query<{ n: number }>(
    'SELECT (SELECT count(*) FROM orders)::integer - (SELECT count(*) FROM meterhouse.usage_outbox)::integer AS n',
  );
  return found.rows[0]?.n ?? 0;
}

/** Each strike falls when its share of the work is done, however long that takes. */
async function strike(
  { url, pool, postgres }: Awaited<ReturnType<typeof database>>,
  relayEnv: Record<string, string>,
): Promise<void> {
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
    else running.start(name, WRITER, [url, `${ORDERS}`, ...writer], {});
  };
  const names = ['relay-0', 'relay-1', 'writer-0', 'writer-1'];
  for (const name of names) start(name);
  const total = TENANTS.length * ORDERS;
  const share = Math.floor(total / (STRIKES.length + 1));
  for (const [index, kind] of STRIKES.entries()) {
    const enough = share * index + 1 + randomInt(share);
    await waitFor(
      `${enough} events to be relayed`,
      async () => ((await relayed(pool)) >= enough ? true : undefined),
      {
        ...DEADLINE,
        everyMs: 10,
      },
    );
    if (kind === 'postgres') {
      await postgres.kill('SIGQUIT');
      await postgres.start();
    } else if (kind === 'sessions')
      await pool.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name <> 'test'`,
      );
    else {
      const victim = names[randomInt(names.length)] ?? '';
      await running.kill(victim);
      start(victim);
    }
  }
  await waitFor(
    'every order to be relayed',
    async () => ((await relayed(pool)) === total ? true : undefined),
    { ...DEADLINE, everyMs: 50 },
  );
  for (const name of names) {
    // No fault of Postgres ends a relay.
    if (name.startsWith('relay')) expect([name, running.hasEnded(name)]).toEqual([name, false]);
    await running.kill(name);
  }
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
  const bed = await database();
  const { pool } = bed;
  const topic = `usage_events_${randomBytes(6).toString('hex')}`;
  const kafka = createKafka({
    brokers: [stack.kafka],
    clientId: 'test',
    logger: createLogger('test', 'silent'),
  });
  await ensureTopics(kafka, { usageEvents: { topic, partitions: 2 } });
  await strike(bed, {
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
  const bed = await database();
  const { pool } = bed;
  await strike(bed, { RELAY_TO: 'direct' });
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
      DEADLINE,
    );
  } finally {
    await consumer.stop();
  }
  return events;
}
