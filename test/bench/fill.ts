/** Puts the same pre-encoded events into an Avro topic and a JSON topic, spread by tenant. */
import { createEventEncoder, createRegistry, ensureTopics, registerEventSchema } from '@meterhouse/kafka';
import type { Kafka, Message, Producer } from 'kafkajs';
import { benchEvent, seededRandom } from './events.ts';

const BATCH = 2_000;

export interface Topics {
  readonly avro: string;
  readonly json: string;
}

export async function fillTopics(
  kafka: Kafka,
  schemaRegistry: string,
  topics: Topics,
  options: { events: number; partitions: number; start: number; json: boolean },
): Promise<void> {
  for (const topic of options.json ? [topics.avro, topics.json] : [topics.avro])
    await ensureTopics(kafka, {
      usageEvents: { topic, partitions: options.partitions },
      usageSnapshots: { topic: `${topics.avro}_snapshots` },
    });
  const schemaId = await registerEventSchema(
    createRegistry(schemaRegistry),
    topics.avro,
    AbortSignal.timeout(30_000),
  );
  const encode = createEventEncoder(schemaId);
  const random = seededRandom(1);
  const producer = kafka.producer();
  await producer.connect();
  try {
    for (let from = 0; from < options.events; from += BATCH) {
      const avro: Message[] = [];
      const json: Message[] = [];
      for (let n = from; n < Math.min(from + BATCH, options.events); n++) {
        const event = benchEvent(n, options.start, random);
        avro.push({ key: event.tenantId, value: encode(event) });
        if (options.json) json.push({ key: event.tenantId, value: JSON.stringify(event) });
      }
      await sendBoth(producer, topics, avro, json);
    }
  } finally {
    await producer.disconnect();
  }
}

async function sendBoth(producer: Producer, topics: Topics, avro: Message[], json: Message[]): Promise<void> {
  const topicMessages = [{ topic: topics.avro, messages: avro }];
  if (json.length > 0) topicMessages.push({ topic: topics.json, messages: json });
  await producer.sendBatch({ topicMessages, acks: -1 });
}
