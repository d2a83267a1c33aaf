/**
 * From sending an event to seeing it in a snapshot, in another process, while the pipeline carries a
 * steady load: the aggregator and the snapshot service as they run in production.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { setTimeout as delay } from 'node:timers/promises';
import type { Endpoints } from '@meterhouse/dev-stack';
import { createKafka, createRegistry, ensureTopics, registerEventSchema } from '@meterhouse/kafka';
import { createPool, migratePostgres } from '@meterhouse/postgres';
import { createMeter } from '@meterhouse/producer';
import { readSnapshots } from '@meterhouse/quota/reader';
import { createLogger, waitFor } from '@meterhouse/runtime';
import { BENCH_REGISTRY } from './events.ts';
import { quantile } from './statistics.ts';

const WARM_UP_MS = 5_000;
const PROBE_EVERY_MS = 150;
const POLL_MS = 5;
const PROBE_DEADLINE_MS = 30_000;

export interface Latency {
  readonly p50: number;
  readonly p99: number;
  readonly probes: number;
  readonly eventsPerSecond: number;
}

export async function measureLatency(
  endpoints: Endpoints,
  options: { eventsPerSecond: number; seconds: number; say: (line: string) => void },
): Promise<Latency> {
  const pipeline = await startPipeline(endpoints, options.eventsPerSecond);
  try {
    options.say(`sending ${options.eventsPerSecond} events/s and watching probes …`);
    await delay(WARM_UP_MS);
    const latencies = await probe(endpoints, pipeline, options.seconds * 1_000);
    return {
      p50: quantile(latencies, 0.5),
      p99: quantile(latencies, 0.99),
      probes: latencies.length,
      eventsPerSecond: options.eventsPerSecond,
    };
  } finally {
    await pipeline.stop();
  }
}

interface Pipeline {
  readonly eventsTopic: string;
  readonly snapshotsTopic: string;
  stop(): Promise<void>;
}

async function startPipeline(endpoints: Endpoints, eventsPerSecond: number): Promise<Pipeline> {
  const name = `latency_${Date.now().toString(36)}`;
  const url = new URL(endpoints.postgres);
  const admin = createPool({ url: endpoints.postgres, applicationName: 'bench', max: 1 });
  await admin.query(`CREATE DATABASE ${name}`);
  await admin.end();
  url.pathname = `/${name}`;
  await migratePostgres(url.href);
  const pool = createPool({ url: url.href, applicationName: 'bench', max: 1 });
  await pool.query(BENCH_REGISTRY);
  await pool.query(`INSERT INTO meterhouse.tenants (id, name) VALUES ('probe', 'Probe')`);
  await pool.end();

  const topics = { events: `${name}_events`, snapshots: `${name}_snapshots` };
  const kafka = createKafka({
    brokers: [endpoints.kafka],
    clientId: 'bench',
    logger: createLogger('bench', 'error'),
  });
  await ensureTopics(kafka, {
    usageEvents: { topic: topics.events, partitions: 4 },
    usageSnapshots: { topic: topics.snapshots },
  });
  const schemaId = await registerEventSchema(
    createRegistry(endpoints.schemaRegistry),
    topics.events,
    AbortSignal.timeout(30_000),
  );
  const env = {
    ...process.env,
    KAFKA_BROKERS: endpoints.kafka,
    SCHEMA_REGISTRY_URL: endpoints.schemaRegistry,
    DATABASE_URL: url.href,
    CLICKHOUSE_URL: endpoints.clickhouse,
    CLICKHOUSE_DATABASE: name,
    USAGE_EVENTS_TOPIC: topics.events,
    USAGE_SNAPSHOTS_TOPIC: topics.snapshots,
    CONSUMER_GROUP: name,
    LOG_LEVEL: 'error',
  };
  const load = [
    '--brokers',
    endpoints.kafka,
    '--topic',
    topics.events,
    '--rate',
    String(eventsPerSecond),
    '--schema-id',
    String(schemaId),
  ];
  const children = [
    child('../../services/aggregator/src/main.ts', [], env),
    child('../../services/quota-snapshot/src/main.ts', [], env),
    child('load-process.ts', load, env),
  ];
  return { eventsTopic: topics.events, snapshotsTopic: topics.snapshots, stop: () => stopAll(children) };
}

function child(file: string, args: readonly string[], env: NodeJS.ProcessEnv): ChildProcess {
  const path = fileURLToPath(new URL(file, import.meta.url));
  return spawn(process.execPath, [path, ...args], { env, stdio: ['ignore', 'ignore', 'inherit'] });
}

async function stopAll(children: readonly ChildProcess[]): Promise<void> {
  await Promise.all(
    children.map(async (one) => {
      if (one.exitCode !== null || one.signalCode !== null) return;
      const gone = once(one, 'exit');
      one.kill('SIGTERM');
      await gone;
    }),
  );
}

async function probe(endpoints: Endpoints, pipeline: Pipeline, forMs: number): Promise<number[]> {
  const logger = createLogger('bench', 'error');
  const registry = createRegistry(endpoints.schemaRegistry);
  const kafka = createKafka({ brokers: [endpoints.kafka], clientId: 'bench-reader', logger });
  const reader = readSnapshots({ kafka, registry, topic: pipeline.snapshotsTopic, logger });
  const meter = createMeter({
    source: 'probe',
    adapter: 'kafka',
    kafka: {
      brokers: [endpoints.kafka],
      schemaRegistryUrl: endpoints.schemaRegistry,
      topic: pipeline.eventsTopic,
    },
  });
  const seen = (): bigint => {
    const reading = reader.get('probe', 'api.calls', 'month');
    return reading.state === 'known' ? BigInt(reading.used) : 0n;
  };
  try {
    await reader.ready({ deadlineMs: PROBE_DEADLINE_MS });
    const latencies: number[] = [];
    const until = performance.now() + forMs;
    for (let sent = 1n; performance.now() < until; sent++) {
      const startedAt = performance.now();
      await meter.record({ tenantId: 'probe', metric: 'api.calls', value: 1 });
      await waitFor(`probe ${sent}`, () => (seen() >= sent ? true : undefined), {
        deadlineMs: PROBE_DEADLINE_MS,
        everyMs: POLL_MS,
      });
      // The first one also waits for connections to be made.
      if (sent > 1n) latencies.push(performance.now() - startedAt);
      // Off the beat of anything that runs every so many milliseconds.
      await delay(PROBE_EVERY_MS + ((Number(sent) * 37) % 100));
    }
    return latencies;
  } finally {
    await meter.close({ deadlineMs: 5_000 });
    await reader.close();
  }
}
