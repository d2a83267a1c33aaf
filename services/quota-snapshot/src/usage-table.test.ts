/**
 * Guarantees:
 * - Usage of a tenant in a period is the aggregate of the union of all events below it, to the last
 *   digit, in whatever order, however often and in whatever stages the buckets arrive, across
 *   roll-overs.
 * - What readers are told in the end is the same, although batches are cut anywhere and some are lost
 *   or published twice.
 * - I6: a heartbeat never says more than what is published.
 * - I10: the table forgets months that are over, and refuses more buckets than its bound, loudly.
 */
import { SnapshotTable, keyOf } from '@meterhouse/quota';
import {
  AGGREGATIONS,
  DAY_MS,
  HOUR_MS,
  lineageOf,
  PERIODS,
  periodStart,
  type Metric,
} from '@meterhouse/usage';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PendingSnapshots } from './pending-snapshots.ts';
import {
  bucketsOf,
  metric,
  naiveUsage,
  registryOf,
  stagesOf,
  type TestEvent,
} from './testing/usage-model.ts';
import { TooManyBucketsError, UsageTable, type BucketState } from './usage-table.ts';

/** 22:40 on the last day of a month: a roll-over of every kind is near. */
const START = Date.UTC(2026, 0, 31, 22, 40);
const BOUNDS = { maxBuckets: 100_000 };
const METRICS: readonly Metric[] = AGGREGATIONS.map((aggregation) => metric(`m.${aggregation}`, aggregation));

const INSTANTS = [-DAY_MS, -HOUR_MS, -1, 0, HOUR_MS, 2 * HOUR_MS, 4 * HOUR_MS].map(
  (offset) => START + offset,
);

/** parents[i] is the index of tenant i's parent, or null. */
const tree = fc
  .array(fc.nat(), { minLength: 1, maxLength: 7 })
  .map((seeds) => seeds.map((seed, i) => (i === 0 || seed % 4 === 0 ? null : `t${seed % i}`)))
  .map((parents) => parents.map((parent, i) => ({ id: `t${i}`, parent })));

const events = (tenants: number) =>
  // An id is one event: the same tenant has it once.
  fc.uniqueArray(
    fc.record({
      tenant: fc.nat(tenants - 1).map((i) => `t${i}`),
      metric: fc.constantFrom(...METRICS),
      // Few instants, so that buckets change several times and events meet at the same instant.
      ts: fc.constantFrom(...INSTANTS),
      value: fc.oneof(fc.bigInt({ min: -(10n ** 37n), max: 10n ** 37n }), fc.bigInt({ min: -2n, max: 2n })),
      // Few ids, so that events of different tenants share (ts, id).
      id: fc.constantFrom('a', 'b', 'é'),
      model: fc.constantFrom('x', null),
      flush: fc.nat(5),
    }),
    { maxLength: 40, selector: (event) => `${event.tenant} ${event.metric.name} ${event.ts} ${event.id}` },
  );

const scenario = tree.chain((tenants) =>
  fc.record({
    tenants: fc.constant(tenants),
    events: events(tenants.length),
    advances: fc.array(fc.nat(6 * HOUR_MS), { maxLength: 5 }).map((list) => list.toSorted((a, b) => a - b)),
    // Places in the delivery, and which states come again.
    shuffle: fc.array(fc.nat(), { minLength: 120, maxLength: 120 }),
    repeats: fc.array(fc.nat(), { maxLength: 20 }),
    batchSizes: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 10 }),
    lost: fc.array(fc.boolean(), { minLength: 1, maxLength: 10 }),
  }),
);

/** States in an order that only revisions can put right, some more than once. */
function deliveries(states: readonly BucketState[], shuffle: readonly number[], repeats: readonly number[]) {
  if (states.length === 0) return [];
  const again = repeats.flatMap((n) => states[n % states.length] ?? []);
  return [...states, ...again]
    .map((state, i) => ({ state, place: shuffle[i % shuffle.length] ?? 0 }))
    .toSorted((a, b) => a.place - b.place)
    .map(({ state }) => state);
}

describe('usage-table', () => {
  test('equals a naive recomputation from the final buckets, whatever the order, repeats and roll-overs', () => {
    fc.assert(
      fc.property(scenario, ({ tenants, events: list, advances, shuffle, repeats }) => {
        const registry = registryOf(tenants, METRICS);
        const table = new UsageTable(registry, START, BOUNDS);
        const incoming = deliveries(stagesOf(list), shuffle, repeats);
        const every = Math.ceil((incoming.length + 1) / (advances.length + 1));
        incoming.forEach((state, i) => {
          table.apply(state);
          if (i % every === every - 1) table.advance(START + (advances[Math.floor(i / every)] ?? 0));
        });
        const end = START + Math.max(0, ...advances);
        table.advance(end);
        for (const { id } of tenants)
          for (const { name, aggregation } of METRICS)
            for (const period of PERIODS)
              expect(table.used({ tenantId: id, metric: name, period })).toBe(
                naiveUsage(bucketsOf(list), registry, {
                  tenantId: id,
                  metric: name,
                  aggregation,
                  period,
                  now: end,
                }),
              );
      }),
      { numRuns: 1000 },
    );
  });

  test('I6: readers end at the same usage, and no heartbeat runs ahead of what is published', () => {
    fc.assert(
      fc.property(scenario, ({ tenants, events: list, advances, shuffle, repeats, batchSizes, lost }) => {
        const registry = registryOf(tenants, METRICS);
        const table = new UsageTable(registry, START, BOUNDS);
        const pending = new PendingSnapshots(1);
        const readers = new SnapshotTable();
        let batches = 0;
        let now = START;
        // As-of n means that the first n deliveries are in; the model below checks it.
        const applied: BucketState[] = [];
        const publish = (): void => {
          pending.mark(table.takeTouched());
          const maxMessages = batchSizes[batches % batchSizes.length] ?? 1;
          const batch = pending.take(table, { maxMessages, asOf: now, now, heartbeat: true });
          const isLost = batches < 40 && lost[batches % lost.length] === true;
          batches += 1;
          // A batch whose fate is not known may have been published all the same.
          if (!isLost || batches % 2 === 0) for (const message of batch.messages) readers.apply(message, now);
          if (isLost) pending.uncertain(batch);
          else pending.published(batch);
          if (batch.completeThrough === now && !isLost) agree(readers, registry, applied, now);
        };
        for (const state of deliveries(stagesOf(list), shuffle, repeats)) {
          table.apply(state);
          applied.push(state);
          const next = START + (advances[batches % (advances.length + 1)] ?? 0);
          now = Math.max(now + 1, next);
          pending.markBegun(table.advance(now));
          publish();
        }
        for (now += 1; pending.size > 0 || batches <= 40; now += 1) {
          pending.markBegun(table.advance(now));
          publish();
        }
        agree(readers, registry, applied, now - 1);
      }),
      { numRuns: 200 },
    );
  });

  test('a revision that is known, or an older one, changes nothing', () => {
    const { table, apply } = oneTenant('sum');
    apply({ sum: 5n, revision: 2n });
    expect([...table.takeTouched()]).toHaveLength(3);
    expect(apply({ sum: 5n, revision: 2n })).toBe('known');
    expect(apply({ sum: 4n, revision: 1n })).toBe('known');
    expect([...table.takeTouched()]).toEqual([]);
    expect(table.used({ tenantId: 't0', metric: 'm', period: 'hour' })).toBe('0.000000005');
  });

  test('a late event counts in the day and month that are still current, and not in the hour', () => {
    const { table, apply } = oneTenant('count');
    expect(apply({ hour: periodStart('hour', START) - 3 * HOUR_MS, count: 7n })).toBe('applied');
    expect(PERIODS.map((period) => table.used({ tenantId: 't0', metric: 'm', period }))).toEqual([
      '0',
      '7',
      '7',
    ]);
    expect(apply({ hour: periodStart('month', START) - HOUR_MS })).toBe('past');
  });

  test('an event ahead of time counts once its period begins', () => {
    const { table, apply } = oneTenant('count');
    apply({ hour: Date.UTC(2026, 1, 1), count: 7n });
    const used = (): string[] => PERIODS.map((period) => table.used({ tenantId: 't0', metric: 'm', period }));
    expect(used()).toEqual(['0', '0', '0']);
    expect(table.advance(Date.UTC(2026, 1, 1))).toEqual(['hour', 'day', 'month']);
    expect(used()).toEqual(['7', '7', '7']);
    expect(Array.from(table.takeTouched(), ({ period }) => period)).toEqual(['hour', 'day', 'month']);
  });

  test('the clock going back does not bring old periods back', () => {
    const { table } = oneTenant('sum');
    table.advance(START + HOUR_MS);
    expect(table.advance(START)).toEqual([]);
    expect(table.start('hour')).toBe(periodStart('hour', START + HOUR_MS));
  });

  test('I10: hours of a past month are forgotten', () => {
    const { table, apply } = oneTenant('sum');
    for (let i = 0; i < 20; i++) apply({ hour: periodStart('hour', START) - i * HOUR_MS });
    expect(table.buckets).toBe(20);
    table.advance(Date.UTC(2026, 1, 1));
    expect(table.buckets).toBe(0);
  });

  test('I10: more buckets than the bound are refused with an error that names it', () => {
    const { table, apply } = oneTenant('sum', 2);
    apply({ attrsKey: '{"a":"1"}' });
    apply({ attrsKey: '{"a":"2"}' });
    expect(() => apply({ attrsKey: '{"a":"3"}' })).toThrow(TooManyBucketsError);
    expect(table.buckets).toBe(2);
  });

  test('what the registry lacks is not counted in silence', () => {
    const { apply } = oneTenant('sum');
    expect(apply({ tenantId: 'stranger' })).toBe('unregistered');
    expect(apply({ metric: 'stranger' })).toBe('unregistered');
  });

  test('a newer registry is taken over only while all lineages stay', () => {
    const metrics = [metric('m', 'sum')];
    const before = [
      { id: 'a', parent: null },
      { id: 'b', parent: null },
    ];
    const table = new UsageTable(registryOf(before, metrics), START, BOUNDS);
    expect(table.adopt(registryOf([...before, { id: 'c', parent: 'a' }], metrics, 2n))).toBe('adopted');
    expect(table.registryVersion).toBe(2n);
    expect(
      table.adopt(
        registryOf(
          [
            { id: 'a', parent: null },
            { id: 'b', parent: 'a' },
          ],
          metrics,
          3n,
        ),
      ),
    ).toBe('moved');
    expect(table.registryVersion).toBe(2n);
  });
});

/** What readers see equals the naive usage of the buckets applied so far. */
function agree(
  readers: SnapshotTable,
  registry: ReturnType<typeof registryOf>,
  applied: readonly BucketState[],
  now: number,
): void {
  const latest = new Map<string, BucketState>();
  for (const state of applied) {
    const key = `${state.tenantId}|${state.metric}|${state.hour}|${state.attrsKey}`;
    const known = latest.get(key);
    if (known === undefined || known.revision < state.revision) latest.set(key, state);
  }
  for (const tenantId of registry.tenants.keys())
    for (const { name, aggregation } of registry.metrics.values())
      for (const period of PERIODS) {
        const reading = readers.get(tenantId, name, period, { wallMs: now, monotonicMs: now });
        const wanted = naiveUsage([...latest.values()], registry, {
          tenantId,
          metric: name,
          aggregation,
          period,
          now,
        });
        const seen =
          reading.state === 'known' ? reading.used : reading.state === 'absent' ? '0' : reading.reason;
        expect(`${keyOf(tenantId, name, period)} ${seen}`).toBe(`${keyOf(tenantId, name, period)} ${wanted}`);
      }
}

function oneTenant(aggregation: Metric['aggregation'], maxBuckets = 1000) {
  const registry = registryOf([{ id: 't0', parent: null }], [metric('m', aggregation)]);
  expect(lineageOf(registry.tenants, 't0')).toEqual(['t0']);
  const table = new UsageTable(registry, START, { maxBuckets });
  const event: TestEvent = {
    tenant: 't0',
    metric: metric('m', aggregation),
    ts: START,
    value: 1n,
    id: 'a',
    model: null,
    flush: 0,
  };
  const [bucket] = stagesOf([event]);
  if (bucket === undefined) throw new Error('one event makes one bucket');
  return { table, apply: (more: Partial<BucketState>) => table.apply({ ...bucket, ...more }) };
}
