/**
 * Guarantees:
 * - an event is counted once however often it was delivered; the same id with other content is another
 * - an event is expected in Postgres exactly when not all of its deliveries ended in quarantine, or its
 *   row was counted by a replay
 * - a message that is in neither is found, and so is a quarantine row without a message
 */
import { expect, test } from 'vitest';
import type { ProducerTotals, QuarantinedDelivery } from '@meterhouse/postgres';
import { contentDigest, parseDecimal, type Registry, type UsageEvent } from '@meterhouse/usage';
import { DigestCounts } from '../digest-counts.ts';
import { KafkaCount, UNREADABLE } from './kafka-count.ts';
import { BucketLedger } from './ledger-of-buckets.ts';

const HOUR = Date.UTC(2026, 10, 22, 17);
const ONE = 1_000_000_000n;

const registry: Registry = {
  version: 1n,
  tenants: new Map(),
  metrics: new Map([
    [
      'tokens',
      { name: 'tokens', unit: 'token', aggregation: 'sum', scale: 0, family: 'compute', groupBy: ['model'] },
    ],
  ]),
};

function event(id: string, fields: Partial<UsageEvent> = {}): UsageEvent {
  return {
    id,
    tenantId: 'a',
    metric: 'tokens',
    value: '5',
    ts: HOUR + 1,
    unit: null,
    source: 'service',
    attrs: {},
    correlationId: null,
    attribution: null,
    ...fields,
  };
}

function row(
  of: UsageEvent | null,
  offset: bigint,
  fields: Partial<QuarantinedDelivery> = {},
): QuarantinedDelivery {
  const value = parseDecimal(of?.value ?? '');
  return {
    id: offset,
    partition: 0,
    offset,
    tenantId: of?.tenantId ?? null,
    eventId: of?.id ?? null,
    content: of === null ? null : contentDigest(of, typeof value === 'bigint' ? value : null),
    occurrences: 1n,
    status: 'waiting',
    reason: 'unknown_metric',
    ...fields,
  };
}

/** Counts messages at offsets 0, 1, 2 … of partition 0. */
function count(
  messages: readonly (UsageEvent | null)[],
  quarantined: readonly QuarantinedDelivery[] = [],
  reports: ReadonlyMap<string, ProducerTotals> = new Map(),
) {
  const ledger = new BucketLedger({ maxBuckets: 100 });
  const seen = new DigestCounts({ maxEntries: 1_000 });
  const kafka = new KafkaCount({ ledger, registry, reports, quarantined, seen });
  messages.forEach((message, offset) => kafka.add({ partition: 0, offset: BigInt(offset) }, message));
  const totals = kafka.finish((place) => place.offset < BigInt(messages.length));
  const buckets = [...ledger.values()].map(({ key, kafka: sums }) => [
    key.attrsKey,
    sums?.count,
    (sums?.sum ?? 0n) / ONE,
  ]);
  return { totals, buckets };
}

test('repetitions count once, other content is another event', () => {
  const { totals, buckets } = count([event('1'), event('1'), event('2'), event('1', { value: '7' })]);
  expect(buckets).toEqual([['{}', 3n, 17n]]);
  expect(totals.distinct.get('tokens')).toEqual({ events: 3n, sum: 17n * ONE });
  expect(totals.messages).toBe(4n);
});

test('buckets are split by the metric’s own attributes, by hours of event time', () => {
  const { buckets } = count([
    event('1', { attrs: { model: 'm', region: 'x' } }),
    event('2', { attrs: { model: 'm' } }),
    event('3', { attrs: { region: 'x' } }),
    event('4', { ts: HOUR - 1, attrs: {} }),
  ]);
  expect(buckets).toEqual([
    ['{"model":"m"}', 2n, 10n],
    ['{}', 1n, 5n],
    ['{}', 1n, 5n],
  ]);
});

test('what waits or was discarded is not expected in Postgres', () => {
  const { totals, buckets } = count(
    [event('1'), event('2'), event('2'), event('3')],
    [row(event('2'), 1n, { occurrences: 2n }), row(event('3'), 3n, { status: 'discarded' })],
  );
  expect(buckets).toEqual([['{}', 1n, 5n]]);
  expect(totals.waiting.get('tokens')?.events).toBe(1n);
  expect(totals.discarded.get('tokens')?.events).toBe(1n);
});

test('a replayed event is expected once', () => {
  const { totals, buckets } = count(
    [event('1'), event('1')],
    [row(event('1'), 0n, { status: 'counted', occurrences: 2n })],
  );
  expect(buckets).toEqual([['{}', 1n, 5n]]);
  expect(totals.waiting.size).toBe(0);
});

test('one delivery more than the quarantine took went the ordinary way', () => {
  const { buckets } = count([event('1'), event('1')], [row(event('1'), 0n)]);
  expect(buckets).toEqual([['{}', 1n, 5n]]);
});

test('a row whose event could not be read when it came is found by its place', () => {
  const unread = (offset: bigint, fields: Partial<QuarantinedDelivery> = {}) =>
    row(null, offset, { reason: 'schema_unavailable', ...fields });
  // Both deliveries were kept apart; the second is the repetition of the first.
  expect(count([event('1'), event('1')], [unread(0n), unread(1n)]).buckets).toEqual([]);
  expect(
    count([event('1'), event('1')], [unread(0n, { status: 'counted' }), unread(1n, { status: 'duplicate' })])
      .buckets,
  ).toEqual([['{}', 1n, 5n]]);
  // The first went the ordinary way.
  const { buckets, totals } = count([event('1'), event('1')], [unread(1n)]);
  expect(buckets).toEqual([['{}', 1n, 5n]]);
  expect(totals.waiting.size).toBe(0);
});

test('a message that is neither counted nor in quarantine is named', () => {
  const { totals } = count([null, null], [row(null, 0n)]);
  expect(totals.unaccounted).toEqual([{ partition: 0, offset: 1n }]);
  expect(totals.waiting.get(UNREADABLE)?.events).toBe(1n);
});

test('a quarantine row without a message is named, unless its message was deleted by retention', () => {
  const { totals } = count([event('1')], [row(event('9'), 0n), row(null, 50n)]);
  expect(totals.orphans.map(({ id }) => id)).toEqual([0n]);
});

test('an event that two sources sent counts once in all, and once for each that reports', () => {
  const reports = new Map<string, ProducerTotals>([['import:b', new Map()]]);
  const { totals } = count(
    [
      event('1', { source: 'import:a' }),
      event('1', { source: 'import:b' }),
      event('1', { source: 'import:b' }),
    ],
    [],
    reports,
  );
  expect(totals.distinct.get('tokens')?.events).toBe(1n);
  expect(totals.bySource.get('import:b')?.get('tokens')?.events).toBe(1n);
  expect(totals.bySource.has('import:a')).toBe(false);
});
