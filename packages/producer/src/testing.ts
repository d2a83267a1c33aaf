/** For the tests of this package: what is on a topic, read from its beginning to its end. */
import {
  createEventDecoder,
  createKafka,
  createRegistry,
  ensureTopics,
  fetchLogRange,
  isRefusal,
  isUnknownSchema,
} from '@meterhouse/kafka';
import { waitFor } from '@meterhouse/runtime';
import type { UsageEvent } from '@meterhouse/usage';
import type { Kafka } from 'kafkajs';
import { randomBytes } from 'node:crypto';
import { pino } from 'pino';

export { newSink, type Sink } from './spool/sink.testing.ts';

const silent = pino({ level: 'silent' });

interface StackUrls {
  readonly kafka: string;
  readonly schemaRegistry: string;
}

export interface TopicMessage {
  readonly key: string;
  readonly partition: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly event: UsageEvent;
}

type RawMessage = Omit<TopicMessage, 'event'> & { readonly value: Buffer | null };

/** A topic of a test's own. */
export async function newTopic(
  endpoints: StackUrls,
  partitions = 4,
): Promise<{
  topic: string;
  kafka: Kafka;
  target: { brokers: string[]; schemaRegistryUrl: string; topic: string };
}> {
  const topic = `test_${randomBytes(6).toString('hex')}`;
  const kafka = createKafka({ brokers: [endpoints.kafka], clientId: 'producer-test', logger: silent });
  await ensureTopics(kafka, {
    usageEvents: { topic, partitions },
    usageSnapshots: { topic: `${topic}_snapshots` },
  });
  return {
    topic,
    kafka,
    target: { brokers: [endpoints.kafka], schemaRegistryUrl: endpoints.schemaRegistry, topic },
  };
}

/** Every event that is on the topic now, as any consumer reads it. */
export async function readTopic(endpoints: StackUrls, kafka: Kafka, topic: string): Promise<TopicMessage[]> {
  const admin = kafka.admin();
  await admin.connect();
  const range = await fetchLogRange(admin, topic);
  await admin.disconnect();
  let missing = 0n;
  for (const { low, high } of range.values()) missing += high - low;
  const messages: RawMessage[] = [];
  const consumer = kafka.consumer({
    groupId: `test_${randomBytes(6).toString('hex')}`,
    // It ends once its last fetch has: by default that waits for more for five seconds.
    maxWaitTimeInMs: 200,
  });
  await consumer.connect();
  try {
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({
      eachMessage: ({ partition, message }) => {
        const headers = Object.entries(message.headers ?? {}).map(([name, value]) => [name, String(value)]);
        messages.push({
          key: message.key?.toString() ?? '',
          partition,
          headers: Object.fromEntries(headers) as Record<string, string>,
          value: message.value,
        });
        return Promise.resolve();
      },
    });
    await waitFor(`${missing} messages of ${topic}`, () => (messages.length >= missing ? true : undefined), {
      deadlineMs: 60_000,
    });
  } finally {
    await consumer.disconnect();
  }
  return decodeAll(endpoints, messages);
}

async function decodeAll(endpoints: StackUrls, messages: readonly RawMessage[]): Promise<TopicMessage[]> {
  const decoder = createEventDecoder(createRegistry(endpoints.schemaRegistry));
  const read: TopicMessage[] = [];
  for (const { value, ...message } of messages) {
    let outcome = decoder.decode(value);
    if (isUnknownSchema(outcome)) {
      await decoder.learn(outcome.unknownSchemaId, { deadlineMs: 10_000 });
      outcome = decoder.decode(value);
    }
    if (isRefusal(outcome) || isUnknownSchema(outcome)) throw new Error(JSON.stringify(outcome));
    read.push({ ...message, event: outcome });
  }
  return read;
}
