/**
 * Guarantees of the publisher by itself, with a broker that does what the test says:
 * - Nothing is published before the lead is proved after opening, each time it opens.
 * - While the broker is away what changed waits, one message a key (I10), visibly, and is published
 *   with its last value when the broker is back.
 * - Whatever nobody knows the fate of is published again.
 * - Fenced, it publishes no more and does not open again.
 * - Changes go at most once in the interval; one heartbeat in its time while nothing changes.
 */
import { createLogger } from '@meterhouse/runtime';
import type { UsageSnapshot } from '@meterhouse/kafka';
import { expect, onTestFinished, test } from 'vitest';
import { NOBODY } from './observe/observer.ts';
import { PendingSnapshots } from './pending-snapshots.ts';
import { Publisher, type PublisherBounds } from './publisher.ts';
import { until } from './testing/until.ts';
import { metric, registryOf } from './testing/usage-model.ts';
import { FencedError } from './transactional-publication.ts';
import { UsageTable } from './usage-table.ts';

const NOW = Date.UTC(2026, 2, 31, 22, 30);

interface Broker {
  /** What the next calls do; `works` when there is none left. */
  readonly script: ('works' | 'fails' | 'fenced')[];
  /** What happened, in order. */
  readonly happened: string[];
  readonly batches: (readonly UsageSnapshot[])[];
}

function setUp(bounds: Partial<PublisherBounds> = {}, prove: () => Promise<void> = () => Promise.resolve()) {
  const broker: Broker = { script: [], happened: [], batches: [] };
  const step = (what: string): Promise<void> => {
    const outcome = broker.script.shift() ?? 'works';
    broker.happened.push(outcome === 'works' ? what : `${what} ${outcome}`);
    if (outcome === 'fenced') return Promise.reject(new FencedError(null));
    return outcome === 'fails' ? Promise.reject(new Error('the broker is away')) : Promise.resolve();
  };
  const table = new UsageTable(registryOf([{ id: 'a', parent: null }], [metric('m', 'sum')]), NOW, {
    maxBuckets: 10,
  });
  const pending = new PendingSnapshots(1);
  const publisher = new Publisher({
    open: async () => {
      await step('open');
      return {
        publish: async (messages) => {
          await step('publish');
          broker.batches.push(messages);
        },
        close: () => step('close'),
      };
    },
    prove: async () => {
      broker.happened.push('prove');
      await prove();
    },
    pending,
    bounds: { minIntervalMs: 5, heartbeatMs: 60_000, maxBatchMessages: 100, ...bounds },
    observer: NOBODY,
    traces: null,
    logger: createLogger('test', 'silent'),
    now: () => NOW,
    // No pause between attempts.
    random: () => 0,
  });
  let revision = 0n;
  return {
    broker,
    publisher,
    pending,
    use: (sum: bigint) => {
      const totals = { sum, count: 1n, min: 0n, max: 0n, latest: 0n, latestTs: NOW, latestId: 'e' };
      table.apply({
        ...totals,
        tenantId: 'a',
        metric: 'm',
        hour: table.hour,
        attrsKey: '{}',
        revision: (revision += 1n),
      });
      pending.mark(table.takeTouched());
      publisher.notice();
    },
    run: () => {
      const stopping = new AbortController();
      const done = publisher.run({ table, asOf: () => NOW }, stopping.signal);
      onTestFinished(async () => {
        stopping.abort();
        await done.catch(() => undefined);
      });
      return { done, stop: () => stopping.abort() };
    },
  };
}

const usedIn = (batch: readonly UsageSnapshot[] | undefined): string[] =>
  (batch ?? []).flatMap((message) =>
    message.kind === 'usage' && message.period === 'hour' ? [message.used] : [],
  );

test('proves the lead after each opening and before anything is published', async () => {
  const { broker, run, use } = setUp();
  broker.script.push('works', 'fails');
  use(1_000_000_000n);
  run();
  await until('a batch', () => broker.batches.length === 1);
  expect(broker.happened.filter((what) => !what.startsWith('close'))).toEqual([
    'open',
    'prove',
    'publish fails',
    'open',
    'prove',
    'publish',
  ]);
  // What nobody knew the fate of is published again.
  expect(usedIn(broker.batches[0])).toEqual(['1']);
});

test('publishes nothing when the lead cannot be proved', async () => {
  const { broker, run, use } = setUp({}, () => Promise.reject(new Error('lost')));
  use(1_000_000_000n);
  await expect(run().done).rejects.toThrow('lost');
  expect(broker.batches).toEqual([]);
});

test('I10: while the broker is away changes wait one a key, visibly, and the last value is published', async () => {
  const { broker, run, use, publisher } = setUp();
  broker.script.push(...Array<'fails'>(200).fill('fails'));
  run();
  for (let i = 1n; i <= 50n; i++) use(i * 1_000_000_000n);
  await until('a failure', () => publisher.status().error !== null);
  expect(publisher.status()).toMatchObject({
    error: 'the broker is away',
    pendingKeys: 3,
    publishedThrough: null,
  });
  await until('a batch', () => broker.batches.length > 0);
  expect(usedIn(broker.batches[0])).toEqual(['50']);
  await until('recovery', () => publisher.status().error === null);
  expect(publisher.status()).toMatchObject({ pendingKeys: 0, publishedThrough: NOW });
});

test('fenced, it ends and does not open again', async () => {
  const { broker, run, use } = setUp();
  broker.script.push('works', 'fenced');
  use(1_000_000_000n);
  await expect(run().done).rejects.toThrow(FencedError);
  expect(broker.happened).toEqual(['open', 'prove', 'publish fenced']);
});

test('changes within the interval go together', async () => {
  const { broker, run, use } = setUp({ minIntervalMs: 200 });
  use(1_000_000_000n);
  run();
  await until('the first batch', () => broker.batches.length === 1);
  for (let i = 2n; i <= 9n; i++) use(i * 1_000_000_000n);
  await until('the second batch', () => broker.batches.length === 2);
  expect(broker.batches.map(usedIn)).toEqual([['1'], ['9']]);
});

test('heartbeats go on while nothing changes', async () => {
  const { broker, run } = setUp({ heartbeatMs: 20 });
  run();
  await until('heartbeats', () => broker.batches.length >= 3);
  expect(broker.batches.flat().every(({ kind, asOf }) => kind === 'heartbeat' && asOf === NOW)).toBe(true);
});
