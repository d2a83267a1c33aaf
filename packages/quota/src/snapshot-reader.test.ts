/**
 * Guarantees of the reader, on a real broker:
 * - `ready` means that all that was in the topic is in the table, whatever it ends with; an empty topic too.
 * - Only committed messages count: not those of a transaction that was aborted.
 * - I6, I7: what lay in the log before is of unknown age until the publisher is heard live.
 * - A message that cannot be read makes its key unknown, and stops nothing.
 * - A topic that is made anew under it gets it a new consumer, visibly, and it goes on.
 * - It leaves no consumer group behind, and waits no longer than it is told to.
 */
import { randomBytes } from 'node:crypto';
import { sharedStack } from '@meterhouse/dev-stack/testing';
import {
  createKafka,
  createRegistry,
  createSnapshotEncoder,
  ensureTopics,
  registerSchemas,
  type UsageSnapshot,
} from '@meterhouse/kafka';
import { createLogger, waitFor } from '@meterhouse/runtime';
import type { Kafka, Message, Producer } from 'kafkajs';
import { expect, onTestFinished, test } from 'vitest';
import { readSnapshots, type SnapshotReader, type SnapshotReaderOptions } from './snapshot-reader.ts';
import { keyOf } from './snapshot-table.ts';

const NOW = Date.UTC(2026, 2, 31, 22, 30);
const HOUR = Date.UTC(2026, 2, 31, 22);
const DEADLINE_MS = 30_000;

interface Bed {
  readonly kafka: Kafka;
  readonly topic: string;
  readonly encode: (snapshot: UsageSnapshot) => Buffer;
  readonly producer: Producer;
  makeTopic(): Promise<void>;
  reader(more?: Partial<SnapshotReaderOptions>): SnapshotReader;
}

async function readerBed(): Promise<Bed> {
  const endpoints = await sharedStack();
  const name = randomBytes(6).toString('hex');
  const topics = { usageEvents: `usage_events_${name}`, usageSnapshots: `usage_snapshots_${name}` };
  const logger = createLogger('test', process.env['LOG_LEVEL'] ?? 'silent');
  const kafka = createKafka({ brokers: [endpoints.kafka], clientId: 'test', logger });
  const makeTopic = (): Promise<void> =>
    ensureTopics(kafka, {
      usageEvents: { topic: topics.usageEvents, partitions: 1 },
      usageSnapshots: { topic: topics.usageSnapshots },
    });
  await makeTopic();
  const registry = createRegistry(endpoints.schemaRegistry);
  const ids = await registerSchemas(registry, topics);
  const producer = kafka.producer({ transactionalId: name, maxInFlightRequests: 1 });
  await producer.connect();
  onTestFinished(() => producer.disconnect());
  return {
    kafka,
    topic: topics.usageSnapshots,
    encode: createSnapshotEncoder(ids.usageSnapshots),
    producer,
    makeTopic,
    reader: (more = {}) => {
      const clock = () => ({ wallMs: NOW, monotonicMs: performance.now() });
      const reader = readSnapshots({ kafka, registry, topic: topics.usageSnapshots, logger, clock, ...more });
      onTestFinished(() => reader.close());
      return reader;
    },
  };
}

let sequence = 0;
const stamp = (epoch: number) => ({ epoch, sequence: (sequence += 1), asOf: NOW - 50, publishedAt: NOW });

function usage(bed: Bed, tenantId: string, used: string, epoch = 1): Message {
  const about = { tenantId, metric: 'm', period: 'hour' } as const;
  const snapshot = { ...stamp(epoch), ...about, periodStart: HOUR, periodEnd: HOUR + 3_600_000, used };
  return {
    key: keyOf(tenantId, 'm', 'hour'),
    value: bed.encode({ kind: 'usage', ...snapshot }),
    partition: 0,
  };
}

function heartbeat(bed: Bed, epoch = 1): Message {
  return { key: 'heartbeat', value: bed.encode({ kind: 'heartbeat', ...stamp(epoch) }), partition: 0 };
}

async function publish(bed: Bed, messages: Message[], end: 'commit' | 'abort' = 'commit'): Promise<void> {
  const transaction = await bed.producer.transaction();
  await transaction.send({ topic: bed.topic, messages });
  await transaction[end]();
}

const of = (reader: SnapshotReader, tenantId: string) => reader.get(tenantId, 'm', 'hour');

async function untilUsed(reader: SnapshotReader, tenantId: string, used: string): Promise<void> {
  const said = (): true | undefined => {
    const reading = of(reader, tenantId);
    return reading.state === 'known' && reading.used === used ? true : undefined;
  };
  await waitFor(`${tenantId} = ${used}`, said, { deadlineMs: DEADLINE_MS });
}

test('an empty topic is read at once, and nothing is known', async () => {
  const bed = await readerBed();
  const reader = bed.reader();
  await reader.ready();
  expect(of(reader, 'a')).toMatchObject({ state: 'unknown', reason: 'nothing_heard', ageMs: Infinity });
});

test('ready means that all that was there is in, also where the log ends with an aborted transaction', async () => {
  const bed = await readerBed();
  await publish(bed, [usage(bed, 'a', '1'), heartbeat(bed)]);
  await publish(bed, [usage(bed, 'a', '2'), heartbeat(bed)]);
  await publish(bed, [usage(bed, 'a', '999'), heartbeat(bed)], 'abort');
  const reader = bed.reader();
  await reader.ready();
  expect(of(reader, 'a')).toMatchObject({ state: 'known', used: '2' });
  expect(reader.status()).toMatchObject({ state: 'following', keys: 1, sessions: 1, error: null });
});

test('I6: what lay in the log before is of unknown age until the publisher is heard live', async () => {
  const bed = await readerBed();
  await publish(bed, [usage(bed, 'a', '1'), heartbeat(bed)]);
  const reader = bed.reader();
  await reader.ready();
  expect(of(reader, 'a')).toMatchObject({ used: '1', ageMs: Infinity });
  expect(of(reader, 'b')).toMatchObject({ state: 'absent', ageMs: Infinity });
  await publish(bed, [heartbeat(bed)]);
  const heard = (): true | undefined => (reader.status().ageMs < Infinity ? true : undefined);
  await waitFor('a live heartbeat', heard, { deadlineMs: DEADLINE_MS });
  const { ageMs } = of(reader, 'a');
  expect(ageMs).toBeGreaterThanOrEqual(50);
  // Silence shows, though the wall clock stands still.
  const older = (): true | undefined => (of(reader, 'a').ageMs > ageMs ? true : undefined);
  await waitFor('a higher age', older, { deadlineMs: DEADLINE_MS });
});

test('a message that cannot be read makes its key unknown, and stops nothing', async () => {
  const bed = await readerBed();
  const reader = bed.reader();
  await publish(bed, [usage(bed, 'a', '1'), usage(bed, 'b', '1'), heartbeat(bed)]);
  await untilUsed(reader, 'b', '1');
  await publish(bed, [
    { key: keyOf('a', 'm', 'hour'), value: Buffer.from('not a snapshot'), partition: 0 },
    { key: keyOf('c', 'm', 'hour'), value: null, partition: 0 },
    usage(bed, 'b', '2'),
  ]);
  await untilUsed(reader, 'b', '2');
  expect(of(reader, 'a')).toMatchObject({ state: 'unknown', reason: 'unreadable' });
  expect(reader.status()).toMatchObject({ unreadable: 2, sessions: 1 });
  await publish(bed, [usage(bed, 'a', '3')]);
  await untilUsed(reader, 'a', '3');
});

test('a topic that is made anew gets it a new consumer, and it goes on', async () => {
  const bed = await readerBed();
  const reader = bed.reader();
  await publish(bed, [usage(bed, 'a', '1'), heartbeat(bed)]);
  await untilUsed(reader, 'a', '1');
  const admin = bed.kafka.admin();
  await admin.connect();
  onTestFinished(() => admin.disconnect());
  await admin.deleteTopics({ topics: [bed.topic] });
  await waitFor('a new session', () => (reader.status().sessions > 1 ? true : undefined), {
    deadlineMs: DEADLINE_MS,
  });
  expect(of(reader, 'a')).toMatchObject({ used: '1' });
  await bed.makeTopic();
  await publish(bed, [usage(bed, 'a', '2', 2), heartbeat(bed, 2)]);
  await untilUsed(reader, 'a', '2');
  expect(reader.status().state).toBe('following');
}, 120_000);

test('it leaves no consumer group behind', async () => {
  const bed = await readerBed();
  const groupPrefix = `g-${randomBytes(6).toString('hex')}`;
  const reader = bed.reader({ groupPrefix });
  await publish(bed, [usage(bed, 'a', '1'), heartbeat(bed)]);
  await untilUsed(reader, 'a', '1');
  await reader.close();
  expect(reader.status().state).toBe('closed');
  const admin = bed.kafka.admin();
  await admin.connect();
  onTestFinished(() => admin.disconnect());
  const { groups } = await admin.listGroups();
  expect(groups.filter(({ groupId }) => groupId.startsWith(groupPrefix))).toEqual([]);
});

test('waiting ends with its deadline, naming the topic, and closing does not wait for the broker', async () => {
  const logger = createLogger('test', 'silent');
  const retry = { retries: 0, initialRetryTime: 10, maxRetryTime: 10 };
  const kafka = createKafka({ brokers: ['127.0.0.1:1'], clientId: 'test', retry, logger });
  const reader = readSnapshots({
    kafka,
    registry: createRegistry('http://127.0.0.1:1'),
    topic: 'nowhere',
    logger,
  });
  await expect(reader.ready({ deadlineMs: 200 })).rejects.toThrow('the snapshots of nowhere');
  expect(reader.status()).toMatchObject({ asOf: null, ageMs: Infinity });
  expect(reader.status().error).not.toBeNull();
  await reader.close();
});
