/**
 * The pure aggregate:
 *  I1  any order, any cutting into flushes and any repetition of a set of events (repetitions taken
 *      out by identity) gives the same buckets, to the last digit
 *  I8  sums are exact where floats are not
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  addEvent,
  groupKey,
  isLater,
  mergeTotals,
  usageOf,
  type Bucket,
  type Buckets,
  type Totals,
} from './buckets.ts';
import type { AcceptedEvent } from './check.ts';
import { formatDecimal, parseDecimal } from './decimal.ts';
import type { UsageEvent } from './event.ts';
import { contentDigest, eventKey } from './identity.ts';
import type { Metric } from './registry.ts';
import { HOUR_MS } from './time.ts';

const metric: Metric = {
  name: 'm',
  unit: 'u',
  aggregation: 'sum',
  scale: 9,
  family: 'compute',
  groupBy: ['b', 'a'],
};

const event = fc.record({
  id: fc.string({ minLength: 1, maxLength: 3 }),
  tenantId: fc.constantFrom('t1', 't2'),
  value: fc.bigInt({ min: -(10n ** 38n) + 1n, max: 10n ** 38n - 1n }),
  ts: fc.integer({ min: 0, max: 3 * HOUR_MS }),
  attrs: fc.dictionary(fc.constantFrom('a', 'b', 'c'), fc.constantFrom('', 'x', '"'), { maxKeys: 3 }),
});

function accept(fields: {
  id: string;
  tenantId: string;
  value: bigint;
  ts: number;
  attrs: Record<string, string>;
}): AcceptedEvent {
  const { id, tenantId, value, ts, attrs } = fields;
  const usageEvent: UsageEvent = {
    id,
    tenantId,
    metric: metric.name,
    value: formatDecimal(value),
    ts,
    unit: null,
    source: '',
    attrs,
    correlationId: null,
    attribution: null,
  };
  return { event: usageEvent, tenant: { id: tenantId, number: 1, name: '', parent: null }, metric, value };
}

/** Events whose ids are distinct per tenant. */
const events = fc
  .uniqueArray(event, { selector: (fields) => `${fields.tenantId}\0${fields.id}`, maxLength: 40 })
  .map((list) => list.map(accept));

function aggregate(list: readonly AcceptedEvent[]): Buckets {
  const buckets: Buckets = new Map();
  for (const accepted of list) addEvent(buckets, accepted);
  return buckets;
}

function sorted(buckets: Buckets): Bucket[] {
  return [...buckets].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, bucket]) => bucket);
}

test('I1: any permutation, partitioning and repetition gives the same buckets', () => {
  const arbitrary = events.chain((list) =>
    fc.record({
      list: fc.constant(list),
      delivered: fc
        .shuffledSubarray([...list, ...list], { minLength: list.length * 2 })
        .map((twice) => twice),
      cuts: fc.array(fc.nat({ max: 2 * list.length }), { maxLength: 5 }),
    }),
  );
  fc.assert(
    fc.property(arbitrary, ({ list, delivered, cuts }) => {
      const seen = new Set<string>();
      const whole: Buckets = new Map();
      const edges = [0, ...cuts.toSorted((a, b) => a - b), delivered.length];
      for (const [index, from] of edges.entries()) {
        const flush = delivered
          .slice(from, edges[index + 1] ?? from)
          .filter(({ event: { tenantId, id } }) => {
            const identity = `${tenantId}\0${id}`;
            const fresh = !seen.has(identity);
            seen.add(identity);
            return fresh;
          });
        for (const [key, bucket] of aggregate(flush)) {
          const known = whole.get(key);
          if (known === undefined) whole.set(key, bucket);
          else mergeTotals(known, bucket);
        }
      }
      expect(sorted(whole)).toEqual(sorted(aggregate(list)));
    }),
    { numRuns: 500 },
  );
});

test('the union of two tenants that share (ts, id) does not depend on the order of merging', () => {
  const totals = (latest: bigint): Totals => ({
    sum: latest,
    count: 1n,
    min: latest,
    max: latest,
    latest,
    latestTs: 5,
    latestId: 'same',
  });
  const one = totals(7n);
  mergeTotals(one, totals(3n));
  const other = totals(3n);
  mergeTotals(other, totals(7n));
  expect(one).toEqual(other);
  expect(one.latest).toBe(7n);
});

test('a bucket is the textbook aggregate of its events', () => {
  fc.assert(
    fc.property(events, (list) => {
      for (const bucket of aggregate(list).values()) {
        const members = list.filter(
          ({ event: e }) =>
            e.tenantId === bucket.tenantId &&
            Math.floor(e.ts / HOUR_MS) * HOUR_MS === bucket.hour &&
            groupKey(metric.groupBy, e.attrs) === bucket.attrsKey,
        );
        const values = members.map((member) => member.value).sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
        expect(bucket.sum).toBe(values.reduce((sum, value) => sum + value, 0n));
        expect(bucket.count).toBe(BigInt(values.length));
        expect([bucket.min, bucket.max]).toEqual([values[0], values.at(-1)]);
        const last = members.reduce((a, b) =>
          isLater(b.event.ts, b.event.id, a.event.ts, a.event.id) ? b : a,
        );
        expect(bucket.latest).toBe(last.value);
      }
    }),
  );
});

test('I8: a sum that floats get wrong is exact', () => {
  const tenth = accept({ id: 'a', tenantId: 't', value: parseDecimal('0.1') as bigint, ts: 0, attrs: {} });
  const buckets: Buckets = new Map();
  for (let i = 0; i < 10; i++) addEvent(buckets, tenth);
  addEvent(buckets, accept({ id: 'b', tenantId: 't', value: 10n ** 37n, ts: 0, attrs: {} }));
  const [bucket] = buckets.values();
  expect(bucket && usageOf(bucket, 'sum')).toBe('10000000000000000000000000001');
});

test('the bucket key is JSON with sorted keys, without attributes that the event lacks', () => {
  expect(groupKey(['b', 'a'], { a: '1', b: '"', c: 'x' })).toBe('{"a":"1","b":"\\""}');
  expect(groupKey(['b', 'a'], { c: 'x' })).toBe('{}');
  expect(groupKey(['a'], { a: 'x' })).toBe('{"a":"x"}');
  expect(groupKey(['toString'], {})).toBe('{}');
});

test('an event keeps its identity and content whatever its way here, and loses them with its content', () => {
  const one = accept({
    id: 'i',
    tenantId: 't',
    value: 15n * 10n ** 8n,
    ts: 5,
    attrs: { b: '2', a: '1' },
  }).event;
  const digest = contentDigest(one, 15n * 10n ** 8n);
  const again = { ...one, value: '1.50', source: 'elsewhere', correlationId: 'c', attrs: { a: '1', b: '2' } };
  expect(contentDigest(again, parseDecimal(again.value) as bigint)).toBe(digest);
  for (const changed of [
    { ...one, ts: 6 },
    { ...one, metric: 'n' },
    { ...one, attrs: { a: '1' } },
    { ...one, attrs: { a: '1', b: '2', c: '' } },
    { ...one, attribution: { team: 'x' } },
  ])
    expect(contentDigest(changed, 15n * 10n ** 8n)).not.toBe(digest);
  expect(contentDigest(one, 16n * 10n ** 8n)).not.toBe(digest);
  expect(eventKey('0192f0c1-7e3a-7c0d-8f00-0123456789ab')).toBe('0192f0c1-7e3a-7c0d-8f00-0123456789ab');
  expect(eventKey('0192F0C1-7e3a-7c0d-8f00-0123456789ab')).not.toBe(
    eventKey('0192f0c1-7e3a-7c0d-8f00-0123456789ab'),
  );
});
