/** A fresh database, topic and group for one test on the shared stack, and ways to fill and read them. */
import { randomBytes } from 'node:crypto';
import { freshDatabase, sharedStack } from '@meterhouse/dev-stack/testing';
import {
  createEventEncoder,
  createKafka,
  createRegistry,
  ensureTopics,
  registerEventSchema,
} from '@meterhouse/kafka';
import { createPool, migratePostgres, type Pool } from '@meterhouse/postgres';
import { createLogger, waitFor } from '@meterhouse/runtime';
import { DEFAULT_WINDOW, type UsageEvent } from '@meterhouse/usage';
import { anEvent as usageEvent } from '@meterhouse/usage/testing';
import { CompressionTypes, type Kafka, type Producer } from 'kafkajs';
import { onTestFinished } from 'vitest';
import { startAggregator, type AggregatorOptions, type RunningAggregator } from './aggregator.ts';

const MIB = 1024 * 1024;
const DEADLINE_MS = 30_000;

export interface TestBed {
  readonly topic: string;
  readonly pool: Pool;
  readonly kafka: Kafka;
  readonly databaseUrl: string;
  readonly encode: (event: UsageEvent) => Buffer;
  /** Sends messages to a partition and resolves when the broker has them. */
  send(values: readonly (Buffer | null)[], partition?: number): Promise<void>;
  start(overrides?: Partial<AggregatorOptions>): Promise<RunningAggregator>;
  /** Resolves when everything that the topic held at the call has been counted or quarantined. */
  counted(): Promise<void>;
}

/** Tenants t1 … t3 (t2 and t3 below t1) and one metric of each aggregation, `bytes` split by model. */
const REGISTRY = `
  INSERT INTO meterhouse.tenants (id, name, parent) VALUES ('t1', 'T1', NULL), ('t2', 'T2', 't1'), ('t3', 'T3', 't1');
  INSERT INTO meterhouse.metrics (name, unit, aggregation, scale, family, group_by) VALUES
    ('tokens', 'token', 'sum', 9, 'token_request', '{}'),
    ('bytes', 'byte', 'sum', 0, 'storage', '{model}'),
    ('calls', 'call', 'count', 0, 'token_request', '{}'),
    ('peak', 'byte', 'max', 3, 'storage', '{}'),
    ('low', 'byte', 'min', 3, 'storage', '{}'),
    ('seats', 'seat', 'latest', 0, 'compute', '{}');
  UPDATE meterhouse.registry_version SET version = version + 1;`;

export async function testBed(options: { partitions?: number; url?: string } = {}): Promise<TestBed> {
  const endpoints = await sharedStack();
  const databaseUrl = options.url ?? (await freshDatabase(endpoints));
  await migratePostgres(databaseUrl);
  const name = randomBytes(6).toString('hex');
  const topic = `usage_events_${name}`;
  const logger = createLogger('test', process.env['LOG_LEVEL'] ?? 'silent');
  const kafka = createKafka({ brokers: [endpoints.kafka], clientId: 'test', logger });
  await ensureTopics(kafka, {
    usageEvents: { topic, partitions: options.partitions ?? 2 },
    usageSnapshots: { topic: `usage_snapshots_${name}` },
  });
  const schemas = createRegistry(endpoints.schemaRegistry);
  const schemaId = await registerEventSchema(schemas, topic, AbortSignal.timeout(DEADLINE_MS));
  const pool = createPool({ url: databaseUrl, applicationName: 'test', max: 3 });
  await pool.query(REGISTRY);
  const producer = kafka.producer({ allowAutoTopicCreation: false });
  await producer.connect();
  onTestFinished(async () => {
    await producer.disconnect();
    await pool.end();
  });
  return {
    topic,
    pool,
    kafka,
    databaseUrl,
    encode: createEventEncoder(schemaId),
    send: (values, partition = 0) => send(producer, topic, values, partition),
    counted: () => counted(kafka, pool, topic),
    start: async (overrides = {}) => {
      const worker = createPool({
        url: databaseUrl,
        role: 'meterhouse_aggregator',
        applicationName: 'worker',
      });
      const service = await startAggregator({
        pool: worker,
        kafka: createKafka({ brokers: [endpoints.kafka], clientId: 'worker', logger }),
        schemas: createRegistry(endpoints.schemaRegistry),
        topic,
        groupId: `group_${name}`,
        window: DEFAULT_WINDOW,
        bounds: {
          flush: { maxEvents: 1_000, maxBytes: 4 * MIB, lingerMs: 5 },
          fetch: { maxBytes: 8 * MIB, maxBytesPerPartition: MIB, maxWaitMs: 50 },
          maxBufferedBytes: 8 * MIB,
          maxChangeLogRows: 100_000,
        },
        times: {
          sessionTimeoutMs: 6_000,
          watermarkEveryMs: 50,
          // Without a tailer housekeeping empties the change log, which tests want to read.
          housekeepingEveryMs: 600_000,
          replayEveryMs: 50,
          schemaTimeoutMs: 2_000,
          postgresTimeoutMs: 60_000,
          stallTimeoutMs: 30_000,
        },
        logger,
        now: () => new Date(),
        random: Math.random,
        ...overrides,
      });
      let stopping: Promise<void> | null = null;
      const stop = (): Promise<void> => (stopping ??= service.stop().then(() => worker.end()));
      onTestFinished(stop);
      return { ...service, stop };
    },
  };
}

async function send(
  producer: Producer,
  topic: string,
  values: readonly (Buffer | null)[],
  partition: number,
): Promise<void> {
  for (let i = 0; i < values.length; i += 2_000)
    await producer.send({
      topic,
      compression: CompressionTypes.None,
      messages: values.slice(i, i + 2_000).map((value) => ({ partition, value })),
    });
}

async function counted(kafka: Kafka, pool: Pool, topic: string): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  const ends = await admin.fetchTopicOffsets(topic).finally(() => admin.disconnect());
  await waitFor(
    `${topic} to be counted`,
    async () => {
      const rows = await pool.query<{ partition: number; next_offset: string }>(
        'SELECT partition, next_offset FROM meterhouse.progress WHERE source = $1',
        [topic],
      );
      const next = new Map(rows.rows.map((row) => [row.partition, BigInt(row.next_offset)]));
      return ends.every((end) => (next.get(end.partition) ?? -1n) >= BigInt(end.high)) ? true : undefined;
    },
    { deadlineMs: DEADLINE_MS },
  );
}

/** An event of t1's tokens, now, with an id of its own. */
export function anEvent(fields: Partial<UsageEvent> = {}): UsageEvent {
  return usageEvent({ tenantId: 't1', metric: 'tokens' }, fields);
}

/** Sum and count of every bucket, as `tenant/metric/attrs → sum×count`. */
export async function readBuckets(pool: Pool): Promise<Record<string, string>> {
  const rows = await pool.query<{ key: string; value: string }>(
    `SELECT tenant_id || '/' || metric || '/' || attrs::text AS key,
            trim_scale(sum(sum))::text || '×' || sum(count)::text AS value
     FROM meterhouse.usage_hourly GROUP BY 1 ORDER BY 1`,
  );
  return Object.fromEntries(rows.rows.map((row) => [row.key, row.value]));
}

export async function readQuarantine(
  pool: Pool,
): Promise<
  { reason: string; field: string | null; status: string; event_id: string | null; occurrences: string }[]
> {
  const rows = await pool.query<{
    reason: string;
    field: string | null;
    status: string;
    event_id: string | null;
    occurrences: string;
  }>(
    'SELECT reason, field, status, event_id, occurrences FROM meterhouse.quarantine ORDER BY partition, "offset"',
  );
  return rows.rows;
}
