/**
 * Guarantees, on a real broker: what denied is published, and a record that cannot be encoded is counted and
 * holds up none of the others; at the bound samples of what was allowed make way for what was denied, and what
 * is not kept is counted. Closing publishes what waits while there is time, and says what it could not.
 */
import { randomBytes } from 'node:crypto';
import { sharedStack } from '@meterhouse/dev-stack/testing';
import { createKafka, ensureTopics } from '@meterhouse/kafka';
import {
  Policies,
  PolicySet,
  SnapshotTable,
  type DecisionRecord,
  type DecisionRequest,
  type Facts,
} from '@meterhouse/quota';
import { createLogger, waitFor } from '@meterhouse/runtime';
import { expect, onTestFinished, test } from 'vitest';
import { DecisionPublisher, type DecisionPublisherOptions } from './decision-sink.ts';

const REQUEST: DecisionRequest = {
  correlationId: 'c-1',
  actor: { type: 'user', id: 'ann', roles: [], scopes: [] },
  tenantId: 'nobody',
  product: 'ai',
  resourceType: 'model',
  action: 'call',
  usage: null,
  slots: 0,
};
const FACTS: Facts = {
  policies: new Policies(new PolicySet()),
  verdict: { outcome: 'allow', engine: 'built_in', version: '0', rules: [], problem: null },
  usage: new SnapshotTable(),
  pending: { pending: () => 0n },
  strict: { outcome: 'not_needed' },
  rate: { outcome: 'none' },
  places: { outcome: 'none' },
  capacity: { outcome: 'not_needed' },
  now: { wallMs: Date.UTC(2026, 4, 14), monotonicMs: 0 },
};

async function publisherOf(options: Pick<DecisionPublisherOptions, 'encode' | 'maxWaiting'>) {
  const logger = createLogger('test', 'silent');
  const kafka = createKafka({ brokers: [(await sharedStack()).kafka], clientId: 'test', logger });
  const topic = `quota_decisions_${randomBytes(6).toString('hex')}`;
  await ensureTopics(kafka, { quotaDecisions: { topic, partitions: 1 } });
  const publisher = new DecisionPublisher({ kafka, topic, logger, ...options });
  onTestFinished(async () => {
    await publisher.close();
  });
  return {
    publisher,
    untilNoneWaits: () => {
      const none = (): true | undefined => (publisher.status().waiting === 0 ? true : undefined);
      return waitFor('all to be published', none, { deadlineMs: 30_000 });
    },
  };
}

test('a record that cannot be encoded holds up none of the others', async () => {
  const { publisher, untilNoneWaits } = await publisherOf({
    encode: ({ id }) => {
      if (id === 'bad') throw new TypeError('no number');
      return Buffer.from(id);
    },
  });
  for (const id of ['a', 'bad', 'b']) publisher.took(id, REQUEST, FACTS);
  await untilNoneWaits();
  expect(publisher.status()).toEqual({ waiting: 0, published: 2, overflowed: 0, refused: 1, error: null });
});

test('at the bound samples make way for denials, and what is not kept is counted', async () => {
  const kept: string[] = [];
  const encode = ({ id, keptPpm }: DecisionRecord): Buffer => {
    kept.push(`${id} ${keptPpm}`);
    return Buffer.from(id);
  };
  const { publisher, untilNoneWaits } = await publisherOf({ encode, maxWaiting: 4 });
  for (const id of ['a', 'b', 'c']) publisher.took(id, REQUEST, FACTS, 500);
  for (const id of ['d', 'e', 'f']) publisher.took(id, REQUEST, FACTS);
  expect(publisher.status()).toMatchObject({ waiting: 4, overflowed: 2 });
  await untilNoneWaits();
  expect(kept).toEqual(['a 500', 'b 500', 'd 1000000', 'e 1000000']);
});

test('closing tries until its deadline while the broker hangs, and says how many records are not kept', async () => {
  const logger = createLogger('test', 'silent');
  const kafka = createKafka({ brokers: [(await sharedStack()).kafka], clientId: 'test', logger });
  const producer = kafka.producer();
  // As with a broker that is frozen: no answer, and no error.
  producer.send = () => new Promise(() => undefined);
  const publisher = new DecisionPublisher({
    kafka: Object.assign(Object.create(kafka) as typeof kafka, { producer: () => producer }),
    topic: 'quota_decisions',
    logger,
    encode: ({ id }) => Buffer.from(id),
  });
  for (const id of ['a', 'b', 'c']) publisher.took(id, REQUEST, FACTS);
  expect(await publisher.close({ deadlineMs: 300 })).toBe(3);
});

test('closing publishes what waits, also when the first attempts fail', async () => {
  const logger = createLogger('test', 'silent');
  const kafka = createKafka({ brokers: [(await sharedStack()).kafka], clientId: 'test', logger });
  const producer = kafka.producer();
  let attempts = 0;
  producer.send = () => (++attempts < 3 ? Promise.reject(new Error('away')) : Promise.resolve([]));
  const publisher = new DecisionPublisher({
    kafka: Object.assign(Object.create(kafka) as typeof kafka, { producer: () => producer }),
    topic: 'quota_decisions',
    logger,
    encode: ({ id }) => Buffer.from(id),
    random: () => 0,
  });
  for (const id of ['a', 'b', 'c']) publisher.took(id, REQUEST, FACTS);
  expect(await publisher.close({ deadlineMs: 20_000 })).toBe(0);
  expect([attempts, publisher.status().published]).toEqual([3, 3]);
});
