/**
 * Guarantees:
 * - a partition that nobody has counted yet is behind by its whole log
 * - the whole is complete through no more than its least partition, and through nothing while one is unknown
 * - other sources (the replayed quarantine) do not take part; the rebuild's hold on the log is no tailer
 */
import { expect, test } from 'vitest';
import type { CountingProgress, TailerLag } from '@meterhouse/postgres';
import { lagReport, type LagFacts } from './lag-report.ts';
import { describeSkip } from './skip.ts';

const NOW = Date.UTC(2026, 10, 22, 17);

function progress(partition: number, fields: Partial<CountingProgress> = {}): CountingProgress {
  return {
    source: 'usage_events',
    partition,
    nextOffset: 10n,
    processedThrough: new Date(NOW - 1_500),
    haltedReason: null,
    ...fields,
  };
}

function tailer(fields: Partial<TailerLag> = {}): TailerLag {
  return {
    name: 'clickhouse_mirror',
    completeThrough: null,
    resyncRequested: false,
    rowsBehind: 0n,
    ...fields,
  };
}

const OUTBOX: LagFacts['outbox'] = { target: null, relays: 0, maxRowsPerLane: 1n, lanes: [] };

const report = (progressRows: CountingProgress[], tailers: TailerLag[] = [], partitions = 2) =>
  lagReport({
    topic: 'usage_events',
    ranges: new Map(Array.from({ length: partitions }, (_, i) => [i, { low: 2n, high: 12n }])),
    progress: progressRows,
    tailers,
    outbox: OUTBOX,
    quarantine: [],
    now: NOW,
  });

test('counts events and seconds behind by partition and in all', () => {
  const result = report([progress(0), progress(1, { nextOffset: 12n, processedThrough: new Date(NOW) })]);
  expect(result.partitions.map((one) => [one.eventsBehind, one.secondsBehind])).toEqual([
    [2n, 1.5],
    [0n, 0],
  ]);
  expect(result.eventsBehind).toBe(2n);
  expect(result.completeThrough).toBe(NOW - 1_500);
});

test('a partition that was never counted makes the whole unknown', () => {
  const result = report([progress(0)]);
  expect(result.partitions[1]).toMatchObject({ nextOffset: null, eventsBehind: 10n, secondsBehind: null });
  expect(result.completeThrough).toBeNull();
});

test('only the topic’s own partitions are shown', () => {
  const result = report([
    progress(0),
    progress(1),
    progress(0, { source: 'quarantine', processedThrough: null }),
  ]);
  expect(result.partitions).toHaveLength(2);
  expect(result.completeThrough).not.toBeNull();
});

test('a hold that a rebuild has left is no tailer', () => {
  const left = tailer({ name: 'clickhouse_mirror_rebuild', resyncRequested: true });
  expect(report([], [tailer(), left]).tailers.map(({ name }) => name)).toEqual(['clickhouse_mirror']);
  expect(report([], [{ ...left, resyncRequested: false }]).tailers).toHaveLength(1);
});

test('without Kafka the stores are shown all the same', () => {
  const result = lagReport({
    topic: 'usage_events',
    ranges: null,
    progress: [progress(0)],
    tailers: [],
    outbox: OUTBOX,
    quarantine: [],
    now: NOW,
  });
  expect(result.partitions).toHaveLength(1);
});

test('a skip is said in words', () => {
  expect(describeSkip(10n, 1_510n)).toContain('offsets 10 to 1,509, up to 1,500 events');
  expect(describeSkip(10n, 0n)).toContain('read again from 0');
  expect(describeSkip(10n, 10n)).toBe('nothing is skipped');
});

test('direct counting holds the whole back to its own instant, and is no partition', () => {
  const result = report([
    progress(0),
    progress(1),
    progress(0, { source: 'direct', nextOffset: 7n, processedThrough: new Date(NOW - 4_000) }),
  ]);
  expect(result.partitions).toHaveLength(2);
  expect(result.direct).toEqual({ lanes: 1, events: 7n, completeThrough: NOW - 4_000 });
  expect(result.completeThrough).toBe(NOW - 4_000);
  expect(result.outbox).toBeNull();
});
