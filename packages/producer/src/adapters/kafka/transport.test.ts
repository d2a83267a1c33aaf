/**
 * Guarantees of delivery to Kafka, on a real broker and registry:
 *  - Acknowledged means that a consumer reads the event, as it was normalized, under its tenant's key.
 *  - An event that the topic does not take is refused; the others of its batch arrive.
 *  - After a lost answer the next event is written, not taken for a repetition of the one before.
 *  - A message keeps its partition through all attempts, so sequence numbers stay with their messages.
 *  - A partition that is missing in the broker's answer is not acknowledged.
 *  - Where there is no topic, or no broker, `record` says so at its deadline.
 */
import { sharedStack } from '@meterhouse/dev-stack/testing';
import kafkajs, { type Message, type PartitionMetadata } from 'kafkajs';
import { createRequire } from 'node:module';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { MeterBounds } from '../../configuration/bounds.ts';
import { createMeter } from '../../create-meter.ts';
import type { MeterPorts } from '../../meter.ts';
import { newTopic, readTopic } from '../../testing.ts';
import { TransportError } from '../../transport.ts';
import type { KafkaTarget } from './options.ts';
import { keepingPartitions, requireAllAcknowledged } from './transport.ts';

const endpoints = await sharedStack();

/** kafkajs' own class for a broker: the one place where an answer can be lost on purpose. */
const Broker = createRequire(import.meta.url)('kafkajs/src/broker') as {
  prototype: { produce: (this: unknown, ...args: unknown[]) => Promise<unknown> };
};

function meterTo(kafka: KafkaTarget, bounds: MeterBounds = {}, ports: Partial<MeterPorts> = {}) {
  const meter = createMeter({ adapter: 'kafka', kafka, source: 'producer-test', bounds }, { ports });
  onTestFinished(async () => {
    await meter.close({ deadlineMs: 0 });
  });
  return meter;
}

describe('an acknowledged event', () => {
  it('is on the topic, as it was normalized, under its tenant', async () => {
    const { topic, kafka, target } = await newTopic(endpoints);
    const meter = meterTo(target);
    const attrs = JSON.parse('{"model":"m","constructor":"c","ключ":"значение"}') as Record<string, string>;
    const { id } = await meter.record({
      tenantId: 'acme',
      metric: 'llm.input_tokens',
      value: 12.5,
      attrs,
      ts: 0,
    });
    const [message, ...others] = await readTopic(endpoints, kafka, topic);
    expect(others).toEqual([]);
    expect(message).toMatchObject({
      key: 'acme',
      event: {
        id,
        tenantId: 'acme',
        metric: 'llm.input_tokens',
        value: '12.5',
        ts: 0,
        attrs,
        source: 'producer-test',
      },
    });
  });

  it('is one of many: all arrive once, in the order of each tenant, on one partition a tenant', async () => {
    const { topic, kafka, target } = await newTopic(endpoints);
    const meter = meterTo(target, { batchEvents: 500 });
    const events = Array.from({ length: 5_000 }, (_, i) => ({
      id: `e-${i}`,
      tenantId: `tenant-${i % 20}`,
      metric: 'api.calls',
    }));
    expect(await meter.recordMany(events)).toEqual({ acknowledged: 5_000, refused: 0, notAcknowledged: 0 });
    const messages = await readTopic(endpoints, kafka, topic);
    const byTenant = Map.groupBy(messages, ({ key }) => key);
    for (const [tenant, theirs] of byTenant) {
      const sent = events.filter(({ tenantId }) => tenantId === tenant).map(({ id }) => id);
      expect(theirs.map(({ event }) => event.id)).toEqual(sent);
      expect(new Set(theirs.map(({ partition }) => partition)).size).toBe(1);
    }
    expect(messages).toHaveLength(5_000);
    expect(new Set(messages.map(({ partition }) => partition)).size).toBe(4);
    expect(meter.counters()).toMatchObject({ acknowledged: 5_000, retries: 0, producersRemade: 0 });
  });
});

describe('an event larger than the topic takes', () => {
  it('is refused by name, not tried for ever, and its neighbours arrive', async () => {
    const { topic, kafka, target } = await newTopic(endpoints, 1);
    const admin = kafka.admin();
    await admin.connect();
    await admin.alterConfigs({
      validateOnly: false,
      resources: [
        {
          type: kafkajs.ConfigResourceTypes.TOPIC,
          name: topic,
          configEntries: [{ name: 'max.message.bytes', value: '2000' }],
        },
      ],
    });
    await admin.disconnect();
    const meter = meterTo(target);
    const attrs = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`key-${i}`, 'x'.repeat(200)]));
    const recorded = await Promise.allSettled(
      Array.from({ length: 8 }, (_, i) =>
        meter.record({ id: `e-${i}`, tenantId: 'acme', metric: 'm', ...(i === 3 ? { attrs } : {}) }),
      ),
    );
    expect(recorded.map(({ status }) => status)).toEqual(
      Array.from({ length: 8 }, (_, i) => (i === 3 ? 'rejected' : 'fulfilled')),
    );
    expect(recorded[3]).toMatchObject({
      reason: { code: 'refused', reason: 'too_large', field: 'attrs', canRetry: false },
    });
    const ids = (await readTopic(endpoints, kafka, topic)).map(({ event }) => event.id);
    expect([...new Set(ids)].sort()).toEqual(['e-0', 'e-1', 'e-2', 'e-4', 'e-5', 'e-6', 'e-7']);
  });
});

describe('a broker that does not acknowledge', () => {
  it('a topic that does not exist is not made on the way', async () => {
    const { target, kafka } = await newTopic(endpoints);
    const topic = `${target.topic}_missing`;
    const meter = meterTo({ ...target, topic }, { deliveryMs: 1_000 });
    await expect(meter.record({ tenantId: 'acme', metric: 'm' })).rejects.toMatchObject({
      code: 'not_acknowledged',
    });
    const admin = kafka.admin();
    await admin.connect();
    expect(await admin.listTopics()).not.toContain(topic);
    await admin.disconnect();
  });

  it.each([
    ['the brokers', { brokers: ['127.0.0.1:1'] }],
    ['the registry', { schemaRegistryUrl: 'http://127.0.0.1:1' }],
  ])('without %s, record says so at its deadline and add keeps the event', async (_name, broken) => {
    const { target } = await newTopic(endpoints);
    const meter = meterTo({ ...target, ...broken }, { deliveryMs: 500 });
    expect(meter.add({ tenantId: 'acme', metric: 'm' })).toBe(true);
    await expect(meter.record({ tenantId: 'acme', metric: 'm' })).rejects.toMatchObject({
      code: 'not_acknowledged',
    });
    expect(meter.counters()).toMatchObject({ accepted: 2, failed: 1, buffered: 1 });
  });
});

describe('an event after one whose answers were lost', () => {
  it('is written, although the broker has the other under the first sequence number', async () => {
    const { topic, kafka, target } = await newTopic(endpoints, 1);
    let now = 0;
    const meter = meterTo(target, {}, { clock: () => now });
    await meter.record({ id: 'first', tenantId: 'acme', metric: 'm' });
    const answers = loseAnswers();
    const unanswered = expect(
      meter.record({ id: 'unanswered', tenantId: 'acme', metric: 'm' }),
    ).rejects.toMatchObject({ code: 'not_acknowledged' });
    await vi.waitFor(() => expect(answers.lost()).toBeGreaterThan(0), { timeout: 30_000 });
    now = Number.MAX_SAFE_INTEGER;
    await unanswered;
    answers.restore();
    await meter.record({ id: 'next', tenantId: 'acme', metric: 'm' });
    const ids = (await readTopic(endpoints, kafka, topic)).map(({ event }) => event.id);
    expect(new Set(ids)).toEqual(new Set(['first', 'unanswered', 'next']));
    expect(meter.counters().producersRemade).toBeGreaterThan(0);
  });
});

/** From now on the broker's answers to produce requests are lost on their way, until restored. */
function loseAnswers(): { lost: () => number; restore: () => void } {
  const { produce } = Broker.prototype;
  let lost = 0;
  Broker.prototype.produce = async function (...args: unknown[]) {
    await produce.apply(this, args);
    lost += 1;
    throw new kafkajs.KafkaJSConnectionError('the answer was lost');
  };
  const restore = () => {
    Broker.prototype.produce = produce;
  };
  onTestFinished(restore);
  return { lost: () => lost, restore };
}

describe('a message', () => {
  it('keeps its partition when partitions are added between two attempts', () => {
    const metadataOf = (count: number): PartitionMetadata[] =>
      Array.from({ length: count }, (_, partitionId) => ({
        partitionId,
        partitionErrorCode: 0,
        leader: 0,
        replicas: [0],
        isr: [0],
      }));
    const choose = keepingPartitions();
    const messages: Message[] = Array.from({ length: 50 }, (_, i) => ({ key: `tenant-${i}`, value: '' }));
    const choices = (partitions: number) =>
      messages.map((message) => choose({ topic: 't', message, partitionMetadata: metadataOf(partitions) }));
    const first = choices(2);
    expect(new Set(first)).toEqual(new Set([0, 1]));
    expect(choices(7)).toEqual(first);
  });
});

describe('the answer of the broker', () => {
  const messages: Message[] = [
    { value: 'a', partition: 0 },
    { value: 'b', partition: 1 },
  ];
  const answered = (partition: number, errorCode = 0) => ({ topicName: 't', partition, errorCode });

  it('acknowledges when it covers every partition that was sent to', () => {
    requireAllAcknowledged(messages, [answered(1), answered(0)]);
  });

  it.each([
    ['leaves a partition out', [answered(0)]],
    ['has an error for one', [answered(0), answered(1, 6)]],
    ['is empty', []],
  ])('does not when it %s', (_name, answer) => {
    expect(() => requireAllAcknowledged(messages, answer)).toThrow(TransportError);
  });
});
