/** A database and a topic of their own on the shared stack, and decision logs that follow it. */
import { randomBytes, randomUUID } from 'node:crypto';
import { sharedStack } from '@meterhouse/dev-stack/testing';
import {
  createDecisionEncoder,
  createKafka,
  createRegistry,
  ensureTopics,
  registerDecisionSchema,
  type RecordedDecision,
} from '@meterhouse/kafka';
import { createPool, type Pool } from '@meterhouse/postgres';
import { changeLogBed } from '@meterhouse/postgres/testing';
import { createLogger, waitFor } from '@meterhouse/runtime';
import { DAY_MS } from '@meterhouse/usage';
import type { Kafka } from 'kafkajs';
import { onTestFinished } from 'vitest';
import { startDecisionLog, type DecisionLogOptions, type RunningDecisionLog } from '../index.ts';
import { readStands, type Stand } from '../stands.ts';

export const DEADLINE_MS = 45_000;

export interface DecisionBed {
  readonly topic: string;
  readonly groupId: string;
  readonly url: string;
  readonly kafka: Kafka;
  /** With the rights of the database's owner. */
  readonly pool: Pool;
  /** With the service's rights. */
  readonly servicePool: Pool;
  /** What a process of the service is to be told. */
  readonly environment: Readonly<Record<string, string>>;
  readonly encode: (record: RecordedDecision) => Buffer;
  send(values: readonly (Buffer | null)[], partition?: number): Promise<void>;
  start(overrides?: Partial<DecisionLogOptions>): Promise<RunningDecisionLog>;
  /** How far the group has come, by partition. */
  stands(groupId?: string): Promise<Stand[]>;
  /** Resolves once the group has been told that it is at the end. */
  untilToldAll(groupId?: string): Promise<void>;
  /** Ids of the decisions that are kept, in order. */
  kept(): Promise<readonly string[]>;
  untilKept(count: number): Promise<void>;
}

export async function decisionBed(): Promise<DecisionBed> {
  const endpoints = await sharedStack();
  const changeLog = await changeLogBed();
  const { url, pool } = changeLog;
  const name = randomBytes(6).toString('hex');
  const [topic, groupId] = [`quota_decisions_${name}`, `decision-log-${name}`];
  const logger = createLogger('test', process.env['LOG_LEVEL'] ?? 'silent');
  const kafka = createKafka({ brokers: [endpoints.kafka], clientId: 'test', logger });
  await ensureTopics(kafka, { quotaDecisions: { topic } });
  const schemas = createRegistry(endpoints.schemaRegistry);
  const encode = createDecisionEncoder(
    await registerDecisionSchema(schemas, topic, AbortSignal.timeout(DEADLINE_MS)),
  );
  const producer = kafka.producer({ allowAutoTopicCreation: false });
  await producer.connect();
  onTestFinished(() => producer.disconnect());
  const servicePool = changeLog.poolAs('meterhouse_decisions');
  const bed: DecisionBed = {
    ...{ topic, groupId, url, kafka, pool, servicePool, encode },
    environment: {
      KAFKA_BROKERS: endpoints.kafka,
      SCHEMA_REGISTRY_URL: endpoints.schemaRegistry,
      DATABASE_URL: url,
      QUOTA_DECISIONS_TOPIC: topic,
      DECISION_LOG_GROUP: groupId,
      SESSION_TIMEOUT_MS: '6000',
    },
    send: async (values, partition = 0) => {
      await producer.send({ topic, messages: values.map((value) => ({ partition, value })) });
    },
    start: async (overrides = {}) => {
      const service = await startDecisionLog({
        ...{ pool: servicePool, kafka, schemas, topic, groupId, logger },
        keepMs: 400 * DAY_MS,
        random: () => 0.5,
        times: { sessionTimeoutMs: 6_000, retry: { baseMs: 20, maxMs: 200 }, standEveryMs: 200 },
        ...overrides,
      });
      onTestFinished(() => service.stop());
      return service;
    },
    stands: (of = groupId) => readStands(kafka, topic, of),
    untilToldAll: async (of = groupId) => {
      const all = async (): Promise<true | undefined> =>
        (await bed.stands(of)).every(({ nextOffset, logEnd }) => nextOffset === logEnd) ? true : undefined;
      await waitFor('the group to be at the end', all, { deadlineMs: DEADLINE_MS, retryErrors: true });
    },
    kept: async () => {
      const { rows } = await pool.query<{ id: string }>('SELECT id FROM meterhouse.decisions ORDER BY id');
      return rows.map(({ id }) => id);
    },
    untilKept: async (count) => {
      const enough = async (): Promise<true | undefined> =>
        (await bed.kept()).length >= count ? true : undefined;
      await waitFor(`${count} decisions to be kept`, enough, { deadlineMs: DEADLINE_MS });
    },
  };
  return bed;
}

/** A record with what the log looks at, and something besides. */
export function aRecord(fields: Partial<RecordedDecision> = {}) {
  return {
    id: randomUUID(),
    at: Date.UTC(2026, 4, 14, 10, 40, 0, 123),
    outcome: 'deny',
    reason: 'quota_exhausted',
    registryVersion: '7',
    request: {
      tenantId: 'acme',
      correlationId: 'c-1',
      actor: { type: 'user', id: 'ann', roles: ['member'], scopes: [] },
    },
    now: { wallMs: Date.UTC(2026, 4, 14, 10, 40, 0, 123), monotonicMs: 4_711.123_456_789 },
    ...fields,
  };
}

/** A pool of the service's role at another address, such as a proxy's. */
export function servicePoolAt(url: string): Pool {
  const pool = createPool({ url, role: 'meterhouse_decisions', applicationName: 'test', max: 2 });
  onTestFinished(() => pool.end());
  return pool;
}
