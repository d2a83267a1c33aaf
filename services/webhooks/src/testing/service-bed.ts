/** The whole service on topics of its own: what the snapshots and the enforcement points say, the test says. */
import { randomBytes, randomUUID } from 'node:crypto';
import { sharedStack } from '@meterhouse/dev-stack/testing';
import {
  createDecisionEncoder,
  createKafka,
  createRegistry,
  createSnapshotEncoder,
  ensureTopics,
  fetchLogRange,
  registerDecisionSchema,
  registerSchemas,
  type RecordedDecision,
  type UsageSnapshot,
} from '@meterhouse/kafka';
import type { DecisionRecord } from '@meterhouse/quota';
import { readSnapshots } from '@meterhouse/quota/reader';
import { waitFor } from '@meterhouse/runtime';
import { HOUR_MS, hourOf } from '@meterhouse/usage';
import type { Kafka } from 'kafkajs';
import { onTestFinished } from 'vitest';
import { startWebhooks, type RunningWebhooks, type WebhookBounds } from '../index.ts';
import { DEADLINE_MS, webhookBed, type WebhookBed } from './webhook-bed.ts';

/** A message without the stamp that the publisher gives it. */
export type Said = UsageSnapshot extends infer S
  ? S extends UsageSnapshot
    ? Omit<S, 'epoch' | 'sequence' | 'asOf' | 'publishedAt'>
    : never
  : never;

export interface ServiceBed extends WebhookBed {
  /** The wall clock of the service and of the snapshots' publisher; it stands still. */
  readonly clock: { now: number };
  readonly environment: Readonly<Record<string, string>>;
  /** Publishes, and a heartbeat: complete through the clock's now. */
  say(messages: readonly Said[]): Promise<void>;
  /** Makes it the registry's next version. */
  register(documents: readonly { kind: string; id: string; body: unknown }[]): Promise<void>;
  decide(decisions: readonly (DecisionRecord | Buffer)[]): Promise<void>;
  start(options?: { groupId?: string; bounds?: Partial<WebhookBounds> }): Promise<RunningWebhooks>;
  /** Resolves once the group has been told that it is at the end of the decisions. */
  untilFollowed(groupId: string): Promise<void>;
}

export const GROUP = 'webhooks';

export async function serviceBed(): Promise<ServiceBed> {
  const endpoints = await sharedStack();
  const bed = await webhookBed();
  const { logger, parts, changeLog } = bed;
  const name = randomBytes(6).toString('hex');
  const [decisionsTopic, snapshotsTopic] = [`quota_decisions_${name}`, `usage_snapshots_${name}`];
  const kafka = createKafka({ brokers: [endpoints.kafka], clientId: 'test', logger });
  await ensureTopics(kafka, {
    quotaDecisions: { topic: decisionsTopic },
    usageSnapshots: { topic: snapshotsTopic },
  });
  const schemas = createRegistry(endpoints.schemaRegistry);
  const ids = await registerSchemas(schemas, {
    usageEvents: `usage_events_${name}`,
    usageSnapshots: snapshotsTopic,
  });
  const signal = AbortSignal.timeout(DEADLINE_MS);
  const encodeDecision = createDecisionEncoder(await registerDecisionSchema(schemas, decisionsTopic, signal));
  const encode = createSnapshotEncoder(ids.usageSnapshots);
  const producer = kafka.producer({ allowAutoTopicCreation: false });
  await producer.connect();
  onTestFinished(() => producer.disconnect());
  // The hour after this one: whatever is made now was made before its end.
  const clock = { now: hourOf(Date.now()) + HOUR_MS + 60_000 };
  let sequence = 0;
  let version = 0n;
  const groupOf = (groupId: string): string => `${groupId}-${name}`;
  const say = async (messages: readonly Said[]): Promise<void> => {
    const stamped = [...messages, { kind: 'heartbeat' as const }].map((message) => {
      const stamp = { epoch: 1, sequence: (sequence += 1), asOf: clock.now, publishedAt: clock.now };
      return { partition: 0, key: randomUUID(), value: encode({ ...stamp, ...message }) };
    });
    await producer.send({ topic: snapshotsTopic, messages: stamped });
  };
  return {
    ...bed,
    clock,
    environment: {
      KAFKA_BROKERS: endpoints.kafka,
      SCHEMA_REGISTRY_URL: endpoints.schemaRegistry,
      DATABASE_URL: changeLog.url,
      QUOTA_DECISIONS_TOPIC: decisionsTopic,
      USAGE_SNAPSHOTS_TOPIC: snapshotsTopic,
      WEBHOOK_SECRET_KEY: bed.sealingKey,
      WEBHOOK_ALLOWED_NETWORKS: '127.0.0.0/8',
      WEBHOOK_GROUP: groupOf('process'),
      SESSION_TIMEOUT_MS: '6000',
    },
    say,
    register: async (documents) => {
      version += 1n;
      await say([
        ...documents.map(({ kind, id, body }): Said => ({
          kind: 'document',
          documentKind: kind,
          id,
          version,
          body,
        })),
        { kind: 'registry', version },
      ]);
    },
    decide: async (decisions) => {
      const messages = decisions.map((each) => ({
        partition: 0,
        value: Buffer.isBuffer(each) ? each : encodeDecision(each satisfies RecordedDecision),
      }));
      await producer.send({ topic: decisionsTopic, messages });
    },
    start: async ({ groupId = GROUP, bounds = {} } = {}) => {
      const reader = readSnapshots({
        ...{ kafka, registry: schemas, topic: snapshotsTopic, logger },
        clock: () => ({ wallMs: clock.now, monotonicMs: performance.now() }),
      });
      onTestFinished(() => reader.close());
      const service = await startWebhooks({
        ...{ ...parts, kafka, schemas, decisionsTopic, reader },
        groupId: groupOf(groupId),
        sessionTimeoutMs: 6_000,
        now: () => clock.now,
        bounds: { ...parts.bounds, watchMs: 50, ...bounds },
      });
      onTestFinished(() => service.stop());
      return service;
    },
    untilFollowed: (groupId) => untilFollowed(kafka, decisionsTopic, groupOf(groupId)),
  };
}

async function untilFollowed(kafka: Kafka, topic: string, groupId: string): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  const atTheEnd = async (): Promise<true | undefined> => {
    const end = (await fetchLogRange(admin, topic)).get(0)?.high ?? 0n;
    const [group] = await admin.fetchOffsets({ groupId, topics: [topic] });
    const told = group?.partitions.find(({ partition }) => partition === 0)?.offset;
    return told === end.toString() ? true : undefined;
  };
  await waitFor('the decisions to be followed', atTheEnd, { deadlineMs: DEADLINE_MS });
  await admin.disconnect();
}
