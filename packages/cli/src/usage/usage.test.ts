/**
 * Guarantees:
 * - a metric's usage is its own aggregation, for a tenant and for all together
 * - a span is whole hours; what would cut one in two is refused
 * - an answer promises no more than its least partition
 */
import { expect, test } from 'vitest';
import { asOf, type CountingProgress, type UsageRow } from '@meterhouse/postgres';
import type { Aggregation } from '@meterhouse/usage';
import { UsageError } from '../exit.ts';
import { spanOf } from './period.ts';
import { usageLines } from './usage-table.ts';

const ONE = 1_000_000_000n;

function row(tenantId: string, aggregation: Aggregation, value: bigint, latestTs = 0): UsageRow {
  return {
    tenantId,
    metric: `m_${aggregation}`,
    unit: 'unit',
    aggregation,
    periodStart: 0,
    attrs: [],
    late: null,
    sum: value * ONE,
    count: 1n,
    min: value * ONE,
    max: value * ONE,
    latest: value * ONE,
    latestTs,
    latestId: tenantId,
  };
}

test.each([
  ['sum', '12'],
  ['count', '2'],
  ['max', '9'],
  ['min', '3'],
  ['latest', '3'],
] as const)('together, by %s', (aggregation, together) => {
  const rows = [row('a', aggregation, 3n, 2), row('b', aggregation, 9n, 1)];
  const lines = usageLines(rows, true);
  expect(lines.map(({ tenantId }) => tenantId)).toEqual(['a', 'b', null]);
  expect(lines[2]?.usage).toBe(together);
  expect(lines[2]?.events).toBe(2n);
  expect(usageLines(rows, false)).toHaveLength(2);
});

test('metrics and periods are not mixed', () => {
  const lines = usageLines(
    [row('a', 'sum', 1n), row('a', 'max', 2n), { ...row('a', 'max', 3n), periodStart: 1 }],
    true,
  );
  expect(lines.filter(({ tenantId }) => tenantId === null).map(({ usage }) => usage)).toEqual([
    '2',
    '3',
    '1',
  ]);
});

const now = Date.parse('2026-11-22T17:20:00Z');
const iso = ({ from, to }: { from: number; to: number }) =>
  [from, to].map((ts) => new Date(ts).toISOString());

test('spans', () => {
  expect(iso(spanOf({}, false, now))).toEqual(['2026-11-21T17:00:00.000Z', '2026-11-22T18:00:00.000Z']);
  expect(iso(spanOf({ since: '7d' }, true, now))[0]).toBe('2026-11-15T00:00:00.000Z');
  expect(iso(spanOf({ from: '2026-11-01', to: '2026-11-02T06:00:00+02:00' }, false, now))).toEqual([
    '2026-11-01T00:00:00.000Z',
    '2026-11-02T04:00:00.000Z',
  ]);
  for (const wrong of [
    { since: '7 days' },
    { since: '0d' },
    { since: '1d', from: '2026-11-01' },
    { from: '2026-11-01T00:30:00Z' },
    { from: '2026-11-02', to: '2026-11-01' },
    { from: 'yesterday' },
  ])
    expect(() => spanOf(wrong, false, now)).toThrow(UsageError);
});

test('as of', () => {
  const at = (partition: number, processedThrough: Date | null): CountingProgress => ({
    source: 't',
    partition,
    nextOffset: 5n,
    processedThrough,
    haltedReason: partition === 1 ? 'lost' : null,
  });
  const ends = new Map([
    [0, 8n],
    [1, 5n],
  ]);
  expect(asOf('t', [at(0, new Date(5)), at(1, new Date(3))], ends)).toEqual({
    completeThrough: 3,
    eventsBehind: 3n,
    haltedPartitions: [1],
  });
  expect(asOf('t', [at(0, new Date(5)), at(1, null)], ends).completeThrough).toBeNull();
  expect(asOf('t', [at(0, new Date(5))], ends)).toMatchObject({ completeThrough: null, eventsBehind: 8n });
  expect(asOf('t', [], null)).toEqual({ completeThrough: null, eventsBehind: null, haltedPartitions: [] });
});
