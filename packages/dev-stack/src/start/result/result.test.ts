/**
 * What the main job prints, without any store:
 * - a parent shows its own usage and that of all below it, by the metric's aggregation
 * - the table fits the screen: columns that do not are named, not wrapped
 * - hours add up all tenants
 * - the live block fits its screen, and a partition without a watermark makes the whole unknown
 */
import { describe, expect, it } from 'vitest';
import { decimalFromStore, type Metric, type Tenant } from '@meterhouse/usage';
import { positions, notThrough, type PipelineStand } from '../live/pipeline-stand.ts';
import { arrivedSince, dayLines } from '../live/live-lines.ts';
import { PLAIN } from '../screen/palette.ts';
import { widthOf } from '../screen/table.ts';
import { formatAge, progressBar, sparkline, withThousands } from '../screen/words.ts';
import { hourlyTableLines } from './hourly-table.ts';
import { rollUp, usageTableLines, type OwnUsage } from './usage-table.ts';

const tenants = new Map(
  [
    { id: 'acme', name: 'Acme', parent: null },
    { id: 'acme-lab', name: 'Lab', parent: 'acme' },
    { id: 'acme-lab-x', name: 'Lab X', parent: 'acme-lab' },
    { id: 'zeta', name: 'Zeta', parent: null },
  ].map((tenant): [string, Tenant] => [tenant.id, tenant]),
);
const metric = (name: string, aggregation: Metric['aggregation']): Metric => ({
  name,
  aggregation,
  unit: 'u',
  scale: 9,
  family: 'compute',
  groupBy: [],
});
const metrics = [
  metric('tokens', 'sum'),
  metric('calls', 'count'),
  metric('seats', 'latest'),
  metric('bytes', 'max'),
];

describe('usage by tenant', () => {
  const own = [
    usage('acme', 'tokens', ['1.5'], 10),
    usage('acme-lab', 'tokens', ['2', '3'], 20),
    usage('acme-lab-x', 'tokens', ['10'], 30),
    usage('acme-lab-x', 'calls', ['1', '1', '1'], 30),
    usage('acme', 'seats', ['7'], 50),
    usage('acme-lab-x', 'seats', ['9'], 40),
    usage('acme-lab', 'bytes', ['1000000'], 40),
    usage('acme-lab-x', 'bytes', ['999'], 40),
  ];

  it('rolls up the tree', () => {
    expect(usageTableLines(rollUp(tenants, own), metrics, 100, PLAIN)).toEqual([
      'tenant     tokens  calls  seats      bytes',
      '                u      u      u          u',
      'Acme         16.5      3      7  1,000,000',
      '  Lab          15      3      9  1,000,000',
      '    Lab X      10      3      9        999',
      'Zeta',
    ]);
  });

  it('names the columns that do not fit', () => {
    const lines = usageTableLines(rollUp(tenants, own), metrics, 30, PLAIN);
    expect(Math.max(...lines.slice(0, -1).map(widthOf))).toBeLessThanOrEqual(30);
    expect(lines.at(-1)).toBe('and 2 more metrics: npx meterhouse usage show');
  });

  it('says that there is none', () => {
    expect(usageTableLines(rollUp(tenants, []), metrics, 100, PLAIN)).toEqual(['no usage yet']);
  });
});

it('adds tenants up by hour', () => {
  const hour = Date.UTC(2026, 10, 22, 18);
  const at = (tenantId: string, value: string, periodStart: number) => ({
    ...usage(tenantId, 'tokens', [value], periodStart),
    periodStart,
  });
  const lines = hourlyTableLines(
    [at('a', '2', hour), at('b', '3', hour), at('a', '5', hour - 3_600_000)],
    metrics,
    PLAIN,
  );
  expect(lines).toEqual([
    'hour (UTC)        tokens  events',
    '2026-11-22 17:00       5       1',
    '2026-11-22 18:00       5       2',
  ]);
});

describe('the live block', () => {
  const stand: PipelineStand = {
    at: 0,
    logEnd: 1_000n,
    processed: 900n,
    counted: 850n,
    quarantined: 20n,
    processedThrough: 5_000,
    mirrorThrough: 4_000,
    snapshotsThrough: null,
    halted: null,
  };

  it('shows what was sent and what became of it', () => {
    const before = { ...stand, processed: 0n, counted: 0n, quarantined: 0n };
    const sending = { planned: 2_000, acknowledged: 1_000, dayTime: 0, rates: [0, 500, 4_000] };
    const lines = dayLines(sending, { stand, problem: null }, arrivedSince(before, stand), 6_000, PLAIN);
    expect(lines).toEqual([
      '  1970-01-01 00:00Z  ▁▂█',
      '  acknowledged     1,000  ██████████████░░░░░░░░░░░░░░  4,000 events/s',
      '  counted            850  quarantined 20, sent twice and counted once 30',
      '  lag 100 events · complete to 1.0 s ago · ClickHouse 2.0 s · snapshots –',
    ]);
    expect(Math.max(...lines.map(widthOf))).toBeLessThan(80);
  });

  it('says what is missing, stage by stage', () => {
    expect(notThrough(stand, 3_000)).toBe('100 events are not counted yet');
    const processed = { ...stand, processed: 1_000n };
    expect(notThrough(processed, 5_001)).toContain('watermark');
    expect(notThrough(processed, 4_500)).toContain('ClickHouse');
    expect(notThrough(processed, 4_000)).toContain('snapshots');
    expect(notThrough({ ...processed, snapshotsThrough: 4_000 }, 4_000)).toBeNull();
    expect(notThrough({ ...stand, halted: 'partition 1: x' }, 0)).toContain('halted');
  });

  it('knows no watermark while a partition has none', () => {
    const ranges = new Map([
      [0, { low: 0n, high: 10n }],
      [1, { low: 0n, high: 5n }],
    ]);
    const progress = {
      source: 't',
      partition: 0,
      nextOffset: 10n,
      processedThrough: new Date(7),
      haltedReason: null,
    };
    expect(positions(ranges, [progress])).toMatchObject({
      logEnd: 15n,
      processed: 10n,
      processedThrough: null,
    });
    expect(
      positions(ranges, [progress, { ...progress, partition: 1, processedThrough: new Date(3) }]),
    ).toMatchObject({ processedThrough: 3, halted: null });
  });
});

it('writes numbers and ages as people do', () => {
  expect(withThousands('-1234567.891')).toBe('-1,234,567.891');
  expect(['0', '999', '1000'].map(withThousands)).toEqual(['0', '999', '1,000']);
  expect([0, 440, 9_949, 12_300, 200_000, 7_500_000].map(formatAge)).toEqual([
    '0.0 s',
    '0.4 s',
    '9.9 s',
    '12 s',
    '3 min 20 s',
    '2 h 5 min',
  ]);
  expect(sparkline([])).toBe('');
  expect(progressBar(2, 4)).toBe('████');
});

function usage(tenantId: string, name: string, values: readonly string[], latestTs: number): OwnUsage {
  const amounts = values.map(decimalFromStore);
  return {
    tenantId,
    metric: name,
    sum: amounts.reduce((sum, amount) => sum + amount, 0n),
    count: BigInt(amounts.length),
    min: amounts.reduce((a, b) => (a < b ? a : b)),
    max: amounts.reduce((a, b) => (a > b ? a : b)),
    latest: amounts.at(-1) ?? 0n,
    latestTs,
    latestId: 'x',
  };
}
