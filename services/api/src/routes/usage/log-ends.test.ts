/**
 * Guarantees, on a real broker: the log's ends are those that it has, a topic that is not there is not made
 * by asking, and a broker that is away delays no answer.
 */
import { randomBytes } from 'node:crypto';
import { sharedStack } from '@meterhouse/dev-stack/testing';
import { createKafka, ensureTopics } from '@meterhouse/kafka';
import { createLogger, waitFor } from '@meterhouse/runtime';
import { expect, onTestFinished, test } from 'vitest';
import { createLogEndsReader } from './log-ends.ts';

const logger = createLogger('test', 'silent');
const { kafka: broker } = await sharedStack();
const connection = { brokers: [broker], clientId: 'test', logger };

test('the ends are those of the log; a topic is not made by asking for it', async () => {
  const topic = `usage_events_${randomBytes(6).toString('hex')}`;
  const reader = createLogEndsReader(connection, topic);
  onTestFinished(() => reader.close());
  const kafka = createKafka(connection);
  const admin = kafka.admin();
  await admin.connect();
  onTestFinished(() => admin.disconnect());
  expect(await reader.read()).toBeNull();
  expect(await admin.listTopics()).not.toContain(topic);
  await ensureTopics(kafka, { usageEvents: { topic, partitions: 2 } });
  const producer = kafka.producer();
  await producer.connect();
  onTestFinished(() => producer.disconnect());
  await producer.send({
    topic,
    messages: [
      { partition: 1, value: 'x' },
      { partition: 1, value: 'y' },
    ],
  });
  const ends = await waitFor(
    'the ends to be asked for again',
    async () => {
      const found = await reader.read();
      return found?.get(1) === 2n ? found : undefined;
    },
    { deadlineMs: 20_000 },
  );
  expect(Object.fromEntries(ends)).toEqual({ 0: 0n, 1: 2n });
});

test('a broker that is away is not waited for', async () => {
  const reader = createLogEndsReader({ ...connection, brokers: ['127.0.0.1:9'] }, 'usage_events');
  onTestFinished(() => reader.close());
  expect(await reader.read()).toBeNull();
});
