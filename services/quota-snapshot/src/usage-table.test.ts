/**
 * Guarantees:
 * - Usage of a tenant in a period is the aggregate of the union of all events below it, to the last
 *   digit, in whatever order, however often and in whatever stages the buckets arrive, across
 *   roll-overs.
 * - What readers are told in the end is the same, although batches are cut anywhere and some are lost
 *   or published twice.
 * - I6: a heartbeat never says more than what is published.
 * - The same of totals and of trees with calendars of their own: whenever a total begins to be followed,
 *   however late events are, and although what lies before the hours held is only known as one sum.
 * - I10: the table forgets months that are over, and refuses more buckets than its bound, loudly.
 */
import { SnapshotTable, keyOf } from '@meterhouse/quota';
import {
  AGGREGATIONS,
  DAY_MS,
  HOUR_MS,
  lineageOf,
  periodStart,
  TURNING_PERIODS,
  type Metric,
  type Period,
} from '@meterhouse/usage';
import { UTC_CALENDAR, type Calendar } from '@meterhouse/usage/calendar';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PendingSnapshots } from './pending-snapshots.ts';
import {
  bucketsOf,
  metric,
  ModelStore,
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

const events = (tenants: number, instants: readonly number[] = INSTANTS) =>
  // An id is one event: the same tenant has it once.
  fc.uniqueArray(
    fc.record({
      tenant: fc.nat(tenants - 1).map((i) => `t${i}`),
      metric: fc.constantFrom(...METRICS),
      // Few instants, so that buckets change several times and events meet at the same instant.
      ts: fc.constantFrom(...instants),
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

const DAYS_LATE = [0, 1, 3, 20, 33, 70].map((days) => START - days * DAY_MS);
const calendar = fc.record({
  timeZone: fc.constantFrom('UTC', 'Europe/Berlin', 'America/New_York', 'Pacific/Kiritimati'),
  anchorDay: fc.constantFrom(1, 2, 15, 31),
});
const longScenario = scenario.chain((short) =>
  fc.record({
    tenants: fc.constant(short.tenants),
    events: events(short.tenants.length, DAYS_LATE),
    shuffle: fc.constant(short.shuffle),
    repeats: fc.constant(short.repeats),
    advances: fc.array(fc.nat(45 * DAY_MS), { maxLength: 5 }).map((list) => list.toSorted((a, b) => a - b)),
    calendars: fc.array(calendar, { maxLength: short.tenants.length }),
    followed: fc.array(
      fc.record({
        at: fc.nat(),
        tenant: fc.nat(short.tenants.length - 1).map((i) => `t${i}`),
        metric: fc.constantFrom(...METRICS),
      }),
      { maxLength: 5 },
    ),
    ahead: fc.boolean(),
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
            for (const period of TURNING_PERIODS)
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

  test('totals and calendars of a tree: the same, whenever they are asked for and however late events are', () => {
    fc.assert(
      fc.property(
        longScenario,
        ({ tenants, events: list, advances, shuffle, repeats, calendars, followed, ahead }) => {
          const registry = registryOf(tenants, METRICS);
          const calendarOf = (root: string): Calendar => calendars[Number(root.slice(1))] ?? UTC_CALENDAR;
          const table = new UsageTable(registry, START, { ...BOUNDS, calendarOf });
          const store = new ModelStore();
          // Postgres is at least as far as what was delivered of it.
          const states = stagesOf(list);
          if (ahead) for (const state of states) store.put(state);
          const readPast = (bucket: BucketState): void => {
            const asked = table.pastKeyOf(bucket);
            for (const past of store.before(asked === null ? [] : [asked])) table.applyPast(past);
          };
          const incoming = deliveries(states, shuffle, repeats);
          const every = Math.ceil((incoming.length + 1) / (advances.length + 1));
          const follow = (i: number): void => {
            const wanted = followed.filter(({ at }) => at % (incoming.length + 1) === i);
            const asked = table.follow(
              wanted.map(({ tenant, metric: { name } }) => ({ tenantId: tenant, metric: name })),
            );
            for (const bucket of store.since(asked)) table.apply(bucket);
            // A period may begin while it is read.
            if (i % 2 === 0) table.advance(START + (advances[0] ?? 0));
            for (const past of store.before(asked)) table.applyPast(past);
            table.joined();
          };
          incoming.forEach((state, i) => {
            follow(i);
            store.put(state);
            if (table.apply(state) === 'past_of_total') readPast(state);
            if (i % every === every - 1) table.advance(START + (advances[Math.floor(i / every)] ?? 0));
          });
          follow(incoming.length);
          const end = START + Math.max(0, ...advances);
          table.advance(end);
          const ask = (tenantId: string, { name, aggregation }: Metric, period: Period): void => {
            const root = lineageOf(registry.tenants, tenantId)[0] ?? '';
            const asked = {
              tenantId,
              metric: name,
              aggregation,
              period,
              now: end,
              calendar: calendarOf(root),
            };
            const key = `${tenantId}|${name}|${period}`;
            expect(`${key} ${table.used(asked)}`).toBe(
              `${key} ${naiveUsage(bucketsOf(list), registry, asked)}`,
            );
          };
          for (const { id } of tenants)
            for (const each of METRICS) for (const period of TURNING_PERIODS) ask(id, each, period);
          for (const { tenant, metric: each } of followed) ask(tenant, each, 'total');
        },
      ),
      { numRuns: 300 },
    );
  });

  test('a total that could not be read is not followed, and can be asked for again', () => {
    const { table, bucket, apply } = oneTenant('count');
    apply({ count: 7n });
    const total = { tenantId: 't0', metric: 'm', period: 'total' } as const;
    expect(table.follow([total])).toHaveLength(1);
    expect(table.follow([total])).toEqual([]);
    apply({ count: 7n });
    table.left();
    expect([...table.takeTouched()].map(({ period }) => period)).toEqual(['hour', 'day', 'month']);
    expect(table.used(total)).toBe('0');
    const [asked] = table.follow([total]);
    apply({ count: 7n });
    // Nothing of it is published before all of it is there.
    expect([...table.takeTouched()]).toEqual([]);
    const past = { ...bucket, hour: asked?.hour ?? 0, count: 100n, revision: 40n };
    expect(table.applyPast(past)).toBe('applied');
    table.joined();
    expect(table.used(total)).toBe('107');
    expect([...table.takeTouched()].map(({ period }) => period)).toEqual(['total']);
    expect(table.applyPast(past)).toBe('known');
    expect(table.applyPast({ ...past, count: 101n, revision: 41n })).toBe('applied');
    expect(table.used(total)).toBe('108');
  });

  test('what was read before a month began is read again', () => {
    const { table, bucket, apply } = oneTenant('count');
    const total = { tenantId: 't0', metric: 'm', period: 'total' } as const;
    const [asked] = table.follow([total]);
    table.joined();
    const late = { hour: Date.UTC(2025, 11, 20), count: 1n };
    expect(apply(late)).toBe('past_of_total');
    table.advance(Date.UTC(2026, 1, 1));
    expect(table.applyPast({ ...bucket, hour: asked?.hour ?? 0, count: 1n, revision: 1n })).toBe(
      'past_of_total',
    );
    expect(table.used(total)).toBe('0');
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
          if (table.advance(now)) pending.markBegun(table);
          publish();
        }
        for (now += 1; pending.size > 0 || batches <= 40; now += 1) {
          if (table.advance(now)) pending.markBegun(table);
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
    expect(TURNING_PERIODS.map((period) => table.used({ tenantId: 't0', metric: 'm', period }))).toEqual([
      '0',
      '7',
      '7',
    ]);
    expect(apply({ hour: periodStart('month', START) - HOUR_MS })).toBe('past');
  });

  test('an event ahead of time counts once its period begins', () => {
    const { table, apply } = oneTenant('count');
    apply({ hour: Date.UTC(2026, 1, 1), count: 7n });
    const used = (): string[] =>
      TURNING_PERIODS.map((period) => table.used({ tenantId: 't0', metric: 'm', period }));
    expect(used()).toEqual(['0', '0', '0']);
    expect(table.advance(Date.UTC(2026, 1, 1))).toBe(true);
    expect(used()).toEqual(['7', '7', '7']);
    expect(Array.from(table.takeTouched(), ({ period }) => period)).toEqual(['hour', 'day', 'month']);
  });

  test('the clock going back does not bring old periods back', () => {
    const { table } = oneTenant('sum');
    table.advance(START + HOUR_MS);
    expect(table.advance(START)).toBe(false);
    expect(table.hour).toBe(periodStart('hour', START + HOUR_MS));
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
      for (const period of TURNING_PERIODS) {
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

const EVENT: Omit<TestEvent, 'metric'> = {
  tenant: 't0',
  ts: START,
  value: 1n,
  id: 'a',
  model: null,
  flush: 0,
};

function oneTenant(aggregation: Metric['aggregation'], maxBuckets = 1000) {
  const registry = registryOf([{ id: 't0', parent: null }], [metric('m', aggregation)]);
  expect(lineageOf(registry.tenants, 't0')).toEqual(['t0']);
  const table = new UsageTable(registry, START, { maxBuckets });
  const [bucket] = stagesOf([{ ...EVENT, metric: metric('m', aggregation) }]);
  if (bucket === undefined) throw new Error('one event makes one bucket');
  return { table, bucket, apply: (more: Partial<BucketState>) => table.apply({ ...bucket, ...more }) };
}
