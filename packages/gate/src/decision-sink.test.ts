/**
 * Guarantees, on a real broker: what denied is published, and a record that cannot be encoded is counted and
 * holds up none of the others.
 */
import { randomBytes } from 'node:crypto';
import { sharedStack } from '@meterhouse/dev-stack/testing';
import { createKafka, ensureTopics } from '@meterhouse/kafka';
import { Policies, PolicySet, SnapshotTable, type DecisionRequest, type Facts } from '@meterhouse/quota';
import { createLogger, waitFor } from '@meterhouse/runtime';
import { expect, onTestFinished, test } from 'vitest';
import { DecisionPublisher } from './decision-sink.ts';

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

test('a record that cannot be encoded holds up none of the others', async () => {
  const logger = createLogger('test', 'silent');
  const kafka = createKafka({ brokers: [(await sharedStack()).kafka], clientId: 'test', logger });
  const topic = `quota_decisions_${randomBytes(6).toString('hex')}`;
  await ensureTopics(kafka, { quotaDecisions: { topic, partitions: 1 } });
  const publisher = new DecisionPublisher({
    kafka,
    topic,
    logger,
    encode: ({ id }) => {
      if (id === 'bad') throw new TypeError('no number');
      return Buffer.from(id);
    },
  });
  onTestFinished(() => publisher.close());
  for (const id of ['a', 'bad', 'b']) publisher.took(id, REQUEST, FACTS);
  const none = (): true | undefined => (publisher.status().waiting === 0 ? true : undefined);
  await waitFor('all to be published', none, { deadlineMs: 30_000 });
  expect(publisher.status()).toEqual({ waiting: 0, published: 2, overflowed: 0, refused: 1, error: null });
});
