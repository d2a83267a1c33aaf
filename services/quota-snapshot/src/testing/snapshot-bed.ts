/** A fresh database and topics for one test on the shared stack, with publishers and readers of them. */
import { randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import { sharedStack } from '@meterhouse/dev-stack/testing';
import {
  createKafka,
  createRegistry,
  createSnapshotDecoder,
  createSnapshotEncoder,
  ensureTopics,
  fetchLogRange,
  isRefusal,
  isUnknownSchema,
  registerSchemas,
  type UsageSnapshot,
} from '@meterhouse/kafka';
import { createClient, inTransaction } from '@meterhouse/postgres';
import { changeLogBed, type ChangeLogBed } from '@meterhouse/postgres/testing';
import { readSnapshots, type SnapshotReader } from '@meterhouse/quota/reader';
import { createLogger, waitFor } from '@meterhouse/runtime';
import type { Period, Tenant } from '@meterhouse/usage';
import type { Kafka } from 'kafkajs';
import { onTestFinished } from 'vitest';
import { DEADLINE_MS } from './until.ts';
import { startQuotaSnapshot, type QuotaSnapshotOptions, type RunningQuotaSnapshot } from '../index.ts';

export interface SnapshotBed {
  readonly changeLog: ChangeLogBed;
  readonly kafka: Kafka;
  readonly eventsTopic: string;
  readonly snapshotsTopic: string;
  readonly encode: (snapshot: UsageSnapshot) => Buffer;
  /** What a process of the service is to be told. */
  readonly environment: Readonly<Record<string, string>>;
  /** The wall clock of publishers and readers; it stands still. */
  readonly clock: { now: number };
  publisher(overrides?: Partial<QuotaSnapshotOptions>): RunningQuotaSnapshot;
  reader(): SnapshotReader;
  /** Counts one event of value 1 as a flush of its own, unless told otherwise. */
  count(tenantId: string, more?: Partial<Parameters<ChangeLogBed['count']>[2][number]>): Promise<void>;
  register(tenants: readonly Pick<Tenant, 'id' | 'parent'>[]): Promise<void>;
  /** Both partitions of the events topic are complete through the instant. */
  complete(through: number): Promise<void>;
  /** Deletes the snapshot topic and makes it again. */
  remakeSnapshotsTopic(): Promise<void>;
  /** What the snapshot topic holds, in the order of the log, as a reader that reads what is committed. */
  log(): Promise<readonly UsageSnapshot[]>;
}

const PARTITIONS = 2;

/** Tenants acme → search → team, and one metric of each kind. */
export async function snapshotBed({
  now = Date.UTC(2026, 2, 31, 22, 30),
  broker,
}: { now?: number; broker?: string } = {}): Promise<SnapshotBed> {
  const shared = await sharedStack();
  const endpoints = { ...shared, kafka: broker ?? shared.kafka };
  const changeLog = await changeLogBed();
  const name = randomBytes(6).toString('hex');
  const [eventsTopic, snapshotsTopic] = [`usage_events_${name}`, `usage_snapshots_${name}`];
  const logger = createLogger('test', process.env['LOG_LEVEL'] ?? 'silent');
  const retry = { retries: 3, initialRetryTime: 100, maxRetryTime: 1_000 };
  const kafka = createKafka({ brokers: [endpoints.kafka], clientId: 'test', retry, logger });
  const makeTopics = (): Promise<void> =>
    ensureTopics(kafka, {
      usageEvents: { topic: eventsTopic, partitions: PARTITIONS },
      usageSnapshots: { topic: snapshotsTopic },
    });
  await makeTopics();
  const registry = createRegistry(endpoints.schemaRegistry);
  const ids = await registerSchemas(registry, { usageEvents: eventsTopic, usageSnapshots: snapshotsTopic });
  const encode = createSnapshotEncoder(ids.usageSnapshots);
  const clock = { now };
  let events = 0;
  const bed: SnapshotBed = {
    changeLog,
    kafka,
    eventsTopic,
    snapshotsTopic,
    encode,
    clock,
    environment: {
      KAFKA_BROKERS: endpoints.kafka,
      SCHEMA_REGISTRY_URL: endpoints.schemaRegistry,
      DATABASE_URL: changeLog.url,
      USAGE_EVENTS_TOPIC: eventsTopic,
      USAGE_SNAPSHOTS_TOPIC: snapshotsTopic,
    },
    publisher: (overrides = {}) => {
      const service = startQuotaSnapshot({
        pool: changeLog.poolAs('meterhouse_snapshot'),
        lockSession: () =>
          createClient({ url: changeLog.url, role: 'meterhouse_snapshot', applicationName: 'test-lock' }),
        kafka,
        eventsTopic,
        snapshotsTopic,
        encode,
        logger,
        now: () => clock.now,
        random: Math.random,
        ...overrides,
      });
      onTestFinished(() => service.stop());
      return service;
    },
    reader: () => {
      const bothClocks = () => ({ wallMs: clock.now, monotonicMs: performance.now() });
      const reader = readSnapshots({ kafka, registry, topic: snapshotsTopic, logger, clock: bothClocks });
      onTestFinished(() => reader.close());
      return reader;
    },
    count: (tenantId, more = {}) =>
      changeLog.count(eventsTopic, more.tenantId === undefined ? events % PARTITIONS : 0, [
        { tenantId, metric: 'm.sum', ts: clock.now, value: '1', id: `e${(events += 1)}`, attrs: {}, ...more },
      ]),
    register: (tenants) => register(changeLog, tenants),
    complete: async (through) => {
      for (let partition = 0; partition < PARTITIONS; partition++)
        await changeLog.watermark(eventsTopic, partition, through);
    },
    remakeSnapshotsTopic: async () => {
      const admin = kafka.admin();
      await admin.connect();
      await admin.deleteTopics({ topics: [snapshotsTopic] });
      await admin.disconnect();
      await makeTopics();
    },
    log: () => readLog(kafka, snapshotsTopic, createSnapshotDecoder(registry)),
  };
  await bed.register([
    { id: 'acme', parent: null },
    { id: 'search', parent: 'acme' },
    { id: 'team', parent: 'search' },
  ]);
  return bed;
}

async function register(
  changeLog: ChangeLogBed,
  tenants: readonly Pick<Tenant, 'id' | 'parent'>[],
): Promise<void> {
  await inTransaction(changeLog.pool, async (client) => {
    await client.query(
      `INSERT INTO meterhouse.tenants (id, name, parent)
       SELECT id, id, parent FROM unnest($1::text[], $2::text[]) AS t(id, parent)
       ON CONFLICT (id) DO UPDATE SET parent = excluded.parent`,
      [tenants.map(({ id }) => id), tenants.map(({ parent }) => parent)],
    );
    await client.query(
      `INSERT INTO meterhouse.metrics (name, unit, aggregation, scale, family)
       SELECT 'm.' || kind, 'unit', kind, 9, 'compute' FROM unnest(ARRAY['sum', 'max', 'latest']) AS kind
       ON CONFLICT (name) DO NOTHING`,
    );
    await client.query('UPDATE meterhouse.registry_version SET version = version + 1');
  });
}

async function readLog(
  kafka: Kafka,
  topic: string,
  decoder: ReturnType<typeof createSnapshotDecoder>,
): Promise<UsageSnapshot[]> {
  const admin = kafka.admin();
  await admin.connect();
  const end = (await fetchLogRange(admin, topic)).get(0)?.high ?? 0n;
  await admin.disconnect();
  const consumer = kafka.consumer({
    groupId: `test-${randomBytes(6).toString('hex')}`,
    maxWaitTimeInMs: 200,
  });
  const found: UsageSnapshot[] = [];
  let reached = 0n;
  consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload }) => {
    reached = BigInt(payload.lastOffset) + 1n;
  });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    eachMessage: async ({ message }) => {
      let outcome = decoder.decode(message.value);
      if (isUnknownSchema(outcome)) {
        await decoder.learn(outcome.unknownSchemaId, { deadlineMs: DEADLINE_MS });
        outcome = decoder.decode(message.value);
      }
      if (isUnknownSchema(outcome) || isRefusal(outcome)) throw new Error(JSON.stringify(outcome));
      found.push(outcome);
    },
  });
  await waitFor('the end of the snapshots', () => (reached >= end ? true : undefined), {
    deadlineMs: DEADLINE_MS,
  });
  await consumer.disconnect();
  return found;
}

/** Waits until the reader says that this was used. */
export async function untilUsed(
  reader: SnapshotReader,
  tenantId: string,
  used: string,
  { metric: name = 'm.sum', period = 'hour' }: { metric?: string; period?: Period } = {},
): Promise<void> {
  let last: unknown;
  const said = (): true | undefined => {
    const reading = reader.get(tenantId, name, period);
    last = reading;
    return reading.state === 'known' && reading.used === used ? true : undefined;
  };
  await waitFor(`${tenantId} ${name} ${period} = ${used}`, said, { deadlineMs: DEADLINE_MS }).catch(
    (error: unknown) => {
      throw new Error(`last seen: ${inspect(last)}`, { cause: error });
    },
  );
}
