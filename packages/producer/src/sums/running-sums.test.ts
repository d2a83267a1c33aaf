/**
 * Guarantees of the running sums:
 *  - what is taken out is exactly what was put in, for each tenant, metric, set of attributes,
 *    attribution and hour, whatever the order and however often it is drained in between
 *  - texts that would run into each other stay apart
 *  - what is not taken stays, and goes on growing
 */
import { HOUR_MS, hourOf, type UsageEvent } from '@meterhouse/usage';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { RunningSums, type RunningSum, type SumPlace } from './running-sums.ts';

const eventIn =
  ({ tenantId, attrs, attribution }: SumPlace) =>
  (metric: string): UsageEvent => ({
    ...{ id: '', tenantId, metric, value: '0', ts: 0, unit: null, source: 'test', correlationId: null },
    ...{ attrs, attribution },
  });

const placeOf = ({ event, ts }: RunningSum): string =>
  JSON.stringify([
    ...[event.tenantId, event.metric, Object.entries(event.attrs), Object.entries(event.attribution ?? {})],
    ...[event.attribution === null, hourOf(ts)],
  ]);

/** A place that differs from others by its attributes alone. */
function attrsOnly(attrs: SumPlace['attrs']): SumPlace {
  return { tenantId: 'acme', attrs, attribution: null };
}

const short = fc.constantFrom('a', 'b', 'a 1 b', '1 a', ' ', '');
const texts = fc.dictionary(fc.constantFrom('a', 'b', 'a 1 b'), short, { maxKeys: 2 });
const FROZEN = [{}, { a: 'b' }, { a: '', b: 'a 1 b' }].map((attrs) => Object.freeze(attrs));
const addition = fc.record({
  place: fc.record({
    tenantId: fc.constantFrom('a', 'b', 'a by'),
    // Frozen ones are remembered; the same ones come again.
    attrs: fc.oneof(texts, fc.constantFrom(...FROZEN)),
    attribution: fc.option(texts, { nil: null }),
  }),
  amounts: fc.array(fc.tuple(fc.constantFrom('m.x', 'm.y', 'm.z'), fc.bigInt(-(10n ** 12n), 10n ** 12n)), {
    maxLength: 4,
  }),
  ts: fc.integer({ min: 0, max: 3 * HOUR_MS }),
  drainAfter: fc.boolean(),
});

it('gives out what was put in, place by place and hour by hour', () => {
  fc.assert(
    fc.property(fc.array(addition, { maxLength: 60 }), (additions) => {
      const sums = new RunningSums();
      const expected = new Map<string, bigint>();
      const got = new Map<string, bigint>();
      const raise = (totals: Map<string, bigint>, sum: RunningSum): void => {
        totals.set(placeOf(sum), (totals.get(placeOf(sum)) ?? 0n) + sum.amount);
      };
      const drain = (): boolean =>
        sums.drain((sum) => {
          raise(got, sum);
          return true;
        });
      for (const { place, amounts, ts, drainAfter } of additions) {
        for (const [metric, amount] of amounts)
          raise(expected, { event: eventIn(place)(metric), amount, ts });
        expect(sums.add(place, amounts, ts, eventIn(place))).toBe(true);
        if (drainAfter) expect(drain()).toBe(true);
      }
      drain();
      expect(sums.size).toBe(0);
      expect(got).toEqual(expected);
    }),
  );
});

it.each<readonly [string, SumPlace, SumPlace]>([
  ['an attribute', attrsOnly({ a: 'x b y' }), attrsOnly({ a: 'x', b: 'y' })],
  ['a name', attrsOnly({ 'a x': 'y' }), attrsOnly({ a: 'x y' })],
  ['a length', attrsOnly({ a: 'x 1 b 1 y' }), attrsOnly({ a: 'x', b: 'y' })],
  [
    'a tenant and its attributes',
    { tenantId: 'acme 1 a 1 x', attrs: {}, attribution: null },
    attrsOnly({ a: 'x' }),
  ],
  [
    'a tenant and its attribution',
    { tenantId: 'acme by', attrs: {}, attribution: null },
    { tenantId: 'acme', attrs: {}, attribution: {} },
  ],
  [
    'attributes and attribution',
    { tenantId: 'acme', attrs: { a: 'x' }, attribution: {} },
    { tenantId: 'acme', attrs: {}, attribution: { a: 'x' } },
  ],
])('keeps apart what reads alike: %s', (_, one, other) => {
  const sums = new RunningSums();
  for (const place of [one, other]) sums.add(place, [['m.x', 1n]], 5, eventIn(place));
  expect(sums.size).toBe(2);
});

it('tells attributes apart that their owner changes in between', () => {
  const sums = new RunningSums();
  const attrs = { route: '/a' };
  for (const route of ['/a', '/b', '/a']) {
    attrs.route = route;
    const place = { tenantId: 'acme', attrs, attribution: null };
    sums.add(place, [['m.x', 1n]], 5, eventIn({ ...place, attrs: { route } }));
  }
  const out: [string | undefined, bigint][] = [];
  sums.drain(({ event, amount }) => out.push([event.attrs['route'], amount]) > 0);
  expect(out).toEqual([
    ['/a', 2n],
    ['/b', 1n],
  ]);
});

it('is one sum for each place and metric, at the time of its last amount', () => {
  const sums = new RunningSums();
  const place = { tenantId: 'acme', attrs: { route: '/a' }, attribution: null };
  for (const ts of [10, 30, 20])
    sums.add(
      place,
      [
        ['m.x', 1n],
        ['m.y', 2n],
      ],
      ts,
      eventIn(place),
    );
  sums.add(place, [['m.y', 5n]], 25, eventIn(place));
  expect(sums.size).toBe(2);
  const out: [string, bigint, number][] = [];
  sums.drain(({ event, amount, ts }) => out.push([event.metric, amount, ts]) > 0);
  expect(out).toEqual([
    ['m.x', 3n, 30],
    ['m.y', 11n, 30],
  ]);
});

it('keeps an amount whose sum began after the others of its place had to go', () => {
  const sums = new RunningSums();
  const place = { tenantId: 'acme', attrs: Object.freeze({ route: '/a' }), attribution: null };
  const out = new Map<string, bigint>();
  const drain = (): boolean => sums.drain(({ event, amount }) => out.set(event.metric, amount) === out);
  sums.add(place, [['m.x', 1n]], 5, eventIn(place));
  sums.add(place, [['m.y', 2n]], 5, (metric) => {
    drain();
    return eventIn(place)(metric);
  });
  drain();
  expect(sums.size).toBe(0);
  expect(out).toEqual(
    new Map([
      ['m.x', 1n],
      ['m.y', 2n],
    ]),
  );
});

it('keeps what is not taken, and goes on with it', () => {
  const sums = new RunningSums();
  const place = { tenantId: 'acme', attrs: {}, attribution: null };
  const add = (): boolean =>
    sums.add(
      place,
      [
        ['m.x', 1n],
        ['m.y', 1n],
      ],
      5,
      eventIn(place),
    );
  add();
  const taken: string[] = [];
  expect(sums.drain(({ event }) => event.metric === 'm.x' && taken.push(event.metric) > 0)).toBe(false);
  add();
  expect(sums.size).toBe(2);
  const left = new Map<string, bigint>();
  sums.drain(({ event, amount }) => left.set(event.metric, amount) === left);
  expect(left).toEqual(
    new Map([
      ['m.y', 2n],
      ['m.x', 1n],
    ]),
  );
});

it('adds nothing of what is no event', () => {
  const sums = new RunningSums();
  const place = { tenantId: '', attrs: {}, attribution: null };
  expect(sums.add(place, [['m.x', 1n]], 5, () => null)).toBe(false);
  expect(sums.size).toBe(0);
});
