/**
 * Guarantees of the topics, on a real broker:
 *  - Making them is idempotent, also by many at once, and leaves existing topics as they are.
 *  - usage_events keeps every event and takes a 10 MB message; usage_snapshots is compacted.
 *  - quota_decisions is made where it is asked for, and nothing else is.
 *  - A topic whose clean-up would lose data is refused by name.
 *  - The log range says which offsets are there.
 */
import { sharedStack } from '@meterhouse/dev-stack/testing';
import kafkajs from 'kafkajs';
import { randomBytes } from 'node:crypto';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createKafka } from './client.ts';
import { ensureTopics, fetchLogRange, type TopicPlan } from './topics.ts';

const { kafka: broker } = await sharedStack();
const kafka = createKafka({ brokers: [broker], clientId: 'topics-test', logger: pino({ level: 'silent' }) });
const admin = kafka.admin();
beforeAll(() => admin.connect());
afterAll(() => admin.disconnect());

function plan(partitions?: number) {
  const name = `test_${randomBytes(6).toString('hex')}`;
  return {
    usageEvents: { topic: `${name}_events`, ...(partitions === undefined ? {} : { partitions }) },
    usageSnapshots: { topic: `${name}_snapshots` },
  } satisfies TopicPlan;
}

async function configOf(topic: string): Promise<Record<string, string>> {
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic }],
  });
  return Object.fromEntries(
    (resources[0]?.configEntries ?? []).map((entry) => [entry.configName, entry.configValue]),
  );
}

describe('the topics', () => {
  it('are made once, by however many ask at once', async () => {
    const topics = plan(3);
    await Promise.all(Array.from({ length: 4 }, () => ensureTopics(kafka, topics)));
    await ensureTopics(kafka, { ...topics, usageEvents: { ...topics.usageEvents, partitions: 9 } });
    expect([...(await fetchLogRange(admin, topics.usageEvents.topic)).keys()].sort()).toEqual([0, 1, 2]);
    expect([...(await fetchLogRange(admin, topics.usageSnapshots.topic)).keys()]).toEqual([0]);
  });

  it('keep what they must keep', async () => {
    const topics = plan();
    await ensureTopics(kafka, topics);
    expect(await configOf(topics.usageEvents.topic)).toMatchObject({
      'cleanup.policy': 'delete',
      'max.message.bytes': '12582912',
      'message.timestamp.type': 'LogAppendTime',
    });
    expect(await configOf(topics.usageSnapshots.topic)).toMatchObject({ 'cleanup.policy': 'compact' });
  });

  it('are made only where they are asked for', async () => {
    const { usageEvents } = plan();
    const topic = `${usageEvents.topic}_decisions`;
    await ensureTopics(kafka, { quotaDecisions: { topic } });
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    expect(topics[0]?.partitions).toHaveLength(3);
    expect(await configOf(topic)).toMatchObject({ 'cleanup.policy': 'delete', 'retention.ms': '604800000' });
    expect(await admin.listTopics()).not.toContain(usageEvents.topic);
  });

  it.each([
    ['usageEvents', 'compact'],
    ['usageSnapshots', 'delete'],
  ] as const)('are refused where %s has cleanup.policy=%s', async (which, policy) => {
    const topics = plan();
    const { topic } = topics[which];
    await admin.createTopics({
      // kafkajs' own wait fails when a busy broker does not know the new topic at once.
      waitForLeaders: false,
      topics: [{ topic, configEntries: [{ name: 'cleanup.policy', value: policy }] }],
    });
    await expect(ensureTopics(kafka, topics)).rejects.toThrow(`topic ${topic} has cleanup.policy=${policy}`);
  });

  it('say which offsets are there, and take a message of 10 MB', async () => {
    const topics = plan(1);
    const { topic } = topics.usageEvents;
    await ensureTopics(kafka, topics);
    expect(await fetchLogRange(admin, topic)).toEqual(new Map([[0, { low: 0n, high: 0n }]]));
    const producer = kafka.producer();
    await producer.connect();
    await producer.send({ topic, messages: [{ value: 'a' }, { value: Buffer.alloc(10_000_000) }] });
    await producer.disconnect();
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '1' }] });
    expect(await fetchLogRange(admin, topic)).toEqual(new Map([[0, { low: 1n, high: 2n }]]));
  });
});
