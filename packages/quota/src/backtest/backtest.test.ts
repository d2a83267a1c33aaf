/**
 * Guarantees:
 * - whatever the tree, plans, overrides, classes, aggregation and events: the same verdicts as an
 *   obvious reference that counts every event anew for every hour, scope and period
 * - periods are those of the tree's calendar, and a total goes on from what was used before the first hour
 * - hours before `from` only add up; whoever is not judged still counts; amounts are exact
 * - how usage was split into rows does not matter; hours out of order are an error; findings have a bound
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AGGREGATIONS, DAY_MS, HOUR_MS, hourOf, isLater, type Aggregation } from '@meterhouse/usage';
import { ceilingsOf } from '../decision/ceilings.ts';
import {
  Dice,
  ONE,
  policySetOf,
  randomWorld,
  spanOf,
  TRUE_NOW,
  type Documents,
} from '../decision/random-world.testing.ts';
import type { PolicySet } from '../registry/policy-set.ts';
import { Boundaries } from '../registry/validity.ts';
import type { QuotaPeriod } from '../registry/documents.ts';
import { Backtest, TooManyFindingsError, type HourUsage } from './backtest.ts';

interface Event {
  readonly id: string;
  readonly tenantId: string;
  readonly metric: string;
  readonly ts: number;
  readonly value: bigint;
}

const capped = AGGREGATIONS.filter((each) => each !== 'min');
const MONTH_TURN = Date.UTC(2026, 5, 1);
const DAYS_BEFORE = [0, 0, 0, 0, 1, 12, 17, 40, 90];

function randomEvents(dice: Dice, documents: Documents): Event[] {
  const around = dice.of([TRUE_NOW, MONTH_TURN]);
  return Array.from({ length: dice.below(25) }, (_, index) => ({
    id: `e${index}`,
    tenantId: dice.of(documents.tenant).id,
    metric: dice.of(['m1', 'm1', 'm1', 'm2', 'gone']),
    ts: around + (dice.below(60) - 30) * (HOUR_MS / 2) - dice.of(DAYS_BEFORE) * DAY_MS + dice.below(3),
    value: (BigInt(dice.below(60)) - 5n) * ONE + BigInt(dice.below(3)),
  }));
}

function rowOf(event: Event): HourUsage {
  const { tenantId, metric, ts, value, id } = event;
  return {
    tenantId,
    metric,
    hour: hourOf(ts),
    sum: value,
    count: 1n,
    min: value,
    max: value,
    latest: value,
    latestTs: ts,
    latestId: id,
  };
}

/** What the metric says of these events. */
function measured(events: readonly Event[], aggregation: Aggregation): bigint {
  const values = events.map(({ value }) => value);
  if (aggregation === 'sum') return values.reduce((a, b) => a + b, 0n);
  if (aggregation === 'count') return BigInt(values.length) * ONE;
  if (aggregation === 'max') return values.reduce((a, b) => (a > b ? a : b));
  return events.reduce((a, b) => (isLater(b.ts, b.id, a.ts, a.id) ? b : a)).value;
}

function lineage(view: PolicySet, id: string): string[] {
  const parent = view.tenant(id)?.parent ?? null;
  return parent === null ? [id] : [id, ...lineage(view, parent)];
}

/** `tenant metric hour scope period source: effect reason used`, one line for each hour and ceiling. */
function reference(view: PolicySet, events: readonly Event[], from: number, judges: (id: string) => boolean) {
  const lines: { who: string; ceiling: string; effect: string; hour: number; used: bigint; over: bigint }[] =
    [];
  const asked = new Map(events.map((e) => [`${e.tenantId} ${e.metric} ${hourOf(e.ts)}`, e]));
  for (const { tenantId, metric, ts } of asked.values()) {
    const hour = hourOf(ts);
    const registered = view.metric(metric);
    if (hour < from || !judges(tenantId) || registered === undefined) continue;
    const up = lineage(view, tenantId);
    const classes = up.map((id) => view.tenant(id)?.class);
    const said = (['external', 'arms_length', 'internal'] as const).find((each) => classes.includes(each));
    const strictest = said ?? 'external';
    const at = { earliest: hour, latest: hour + HOUR_MS - 1 };
    const startOf = (period: QuotaPeriod, ts: number) => spanOf(view, up.at(-1) ?? '', period, ts).start;
    for (const { scope, period, source, value, mode, warnFrom } of ceilingsOf(
      view,
      up,
      metric,
      at,
      new Boundaries(),
    ).active) {
      const used = measured(
        events.filter(
          (e) =>
            e.metric === metric &&
            lineage(view, e.tenantId).includes(scope) &&
            e.ts < hour + HOUR_MS &&
            (period === 'total' || startOf(period, hourOf(e.ts)) === startOf(period, hour)),
        ),
        registered.aggregation,
      );
      const warns = warnFrom.some((each) => used >= each);
      if (used <= value && !warns) continue;
      const effect =
        strictest === 'internal'
          ? 'recorded'
          : strictest === 'external' && mode === 'hard' && used > value
            ? 'denied'
            : 'warned';
      const reason = used > value ? 'quota_exhausted' : 'quota_warning';
      const ceiling = `${scope} ${period} ${source} ${reason}`;
      lines.push({ who: `${tenantId} ${metric}`, ceiling, effect, hour, used, over: used - value });
    }
  }
  return lines;
}

const by = <T>(list: readonly T[], key: (each: T) => string): [string, T[]][] =>
  Object.entries(Object.groupBy(list, key)).map(([name, group]) => [name, group ?? []]);
const earliest = (list: readonly { hour: number }[]): number => Math.min(...list.map(({ hour }) => hour));

function expected(lines: ReturnType<typeof reference>): unknown {
  return Object.fromEntries(
    by(lines, ({ who }) => who).map(([who, mine]) => {
      const worstOfHour = by(mine, ({ hour }) => `${hour}`).map(([hour, all]) => ({
        hour: Number(hour),
        effect:
          ['denied', 'warned', 'recorded'].find((each) => all.some(({ effect }) => effect === each)) ?? '',
      }));
      const effects = by(worstOfHour, ({ effect }) => effect).map(
        ([effect, all]) => `${effect} ${all.length} first ${earliest(all)}`,
      );
      const ceilings = by(mine, ({ ceiling }) => ceiling).map(([ceiling, all]) => {
        const most = all.reduce((a, b) =>
          b.used > a.used || (b.used === a.used && b.hour < a.hour) ? b : a,
        );
        const last = Math.max(...all.map(({ hour }) => hour));
        return `${ceiling} ${all[0]?.effect}: ${all.length} from ${earliest(all)} to ${last}, ${most.used} over ${most.over} at ${most.hour}`;
      });
      return [who, { effects: effects.sort(), ceilings: ceilings.sort() }];
    }),
  );
}

function found(backtest: Backtest): unknown {
  return Object.fromEntries(
    backtest.end().map(({ tenantId, metric, effects, ceilings }) => [
      `${tenantId} ${metric}`,
      {
        effects: effects
          .map(({ effect, hours, firstHour }) => `${effect} ${hours} first ${firstHour}`)
          .sort(),
        ceilings: ceilings
          .map(
            ({ ceiling: { scope, period, source }, reason, effect, hours, firstHour, lastHour, worst }) =>
              `${scope} ${period} ${source} ${reason} ${effect}: ${hours} from ${firstHour} to ${lastHour}, ${worst.used} over ${worst.over} at ${worst.hour}`,
          )
          .sort(),
      },
    ]),
  );
}

const inOrder = (rows: readonly HourUsage[]): HourUsage[] =>
  rows.toSorted((a, b) => (a.metric < b.metric ? -1 : a.metric > b.metric ? 1 : a.hour - b.hour));

function worldOf(seed: number) {
  const dice = new Dice(seed);
  const { documents } = randomWorld(dice);
  const aggregation = dice.of(capped);
  const metric = documents.metric.map((each) => ({ ...each, aggregation }));
  const view = policySetOf({ ...documents, metric });
  const events = randomEvents(dice, documents);
  const hours = events.map(({ ts }) => hourOf(ts)).sort((a, b) => a - b);
  const from = hours[dice.below(Math.max(1, Math.floor(hours.length / 2)))] ?? 0;
  // As whoever reads usage would: every period that is judged is read from its beginning.
  const readFrom = Math.min(
    ...documents.tenant.map(({ id }) => spanOf(view, id, 'month', from).start),
    spanOf(view, '', 'month', from).start,
  );
  const before = Map.groupBy(events.filter(({ ts }) => ts < readFrom).map(rowOf), ({ metric: name }) => name);
  const quiet = dice.chance(30) ? dice.of(documents.tenant).id : null;
  return { dice, view, events, from, readFrom, before, judges: (id: string) => id !== quiet };
}

test('the same as counting every event anew', () => {
  let effects = 0;
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const { view, events, from, readFrom, before, judges } = worldOf(seed);
      const backtest = new Backtest(view, { from, before, judges, maxFindings: 10_000 });
      const read = events.filter(({ ts }) => ts >= readFrom);
      for (const row of inOrder(read.map(rowOf))) backtest.add(row);
      const wanted = expected(reference(view, events, from, judges));
      effects += Object.keys(wanted as object).length;
      expect(found(backtest)).toEqual(wanted);
    }),
    { numRuns: 1_500 },
  );
  // Else nothing was compared.
  expect(effects).toBeGreaterThan(500);
});

describe('by hand', () => {
  const at = (hour: number): number => Date.UTC(2026, 0, 31, hour);
  const row = (tenantId: string, hour: number, value: bigint): HourUsage =>
    rowOf({ id: 'x', tenantId, metric: 'm1', ts: at(hour), value });
  const tenant = (id: string, parent: string | null, plan: string | null) =>
    ({ id, name: id, parent, class: 'external', plan, status: 'suspended' }) as const;
  const empty = { product: [], override: [], delegation: [], entitlement: [], pool: [], access_rule: [] };
  const limit = {
    ...{ metric: 'm1', period: 'month' as const, value: '100', mode: 'hard' as const, warnAt: [90] },
    ...{ strict: false, whenUnavailable: 'deny' as const },
  };
  const view = policySetOf({
    ...empty,
    tenant: [tenant('org', null, 'p'), tenant('a', 'org', null), tenant('b', 'org', null)],
    metric: [{ name: 'm1', unit: 'u', aggregation: 'sum', scale: 9, family: 'compute', groupBy: [] }],
    plan: [
      {
        id: 'p',
        name: 'p',
        limits: [limit],
        rates: [],
        concurrency: [],
        entitlements: [],
        stale: { maxAgeMs: 5_000, otherwise: 'deny' },
        headroom: 'none',
      },
    ],
  });
  const options = { from: at(12), judges: (id: string) => id === 'a', maxFindings: 10 };

  test('what was used before counts, so do siblings; the last billionth decides', () => {
    const backtest = new Backtest(view, options);
    for (const each of [
      row('b', 1, 90n * ONE),
      row('a', 12, 10n * ONE),
      row('a', 13, 1n),
      row('b', 14, ONE),
      row('a', 23, ONE),
      // The next month.
      row('a', 24, 50n * ONE),
    ])
      backtest.add(each);
    const [verdict, ...others] = backtest.end();
    expect(others).toEqual([]);
    expect(verdict).toMatchObject({
      tenantId: 'a',
      effects: [
        { effect: 'denied', hours: 2, firstHour: at(13) },
        { effect: 'warned', hours: 1, firstHour: at(12) },
      ],
      ceilings: [
        { reason: 'quota_warning', hours: 1, worst: { used: 100n * ONE, over: 0n } },
        {
          reason: 'quota_exhausted',
          hours: 2,
          worst: { hour: at(23), used: 102n * ONE + 1n, over: 2n * ONE + 1n },
        },
      ],
    });
  });

  test('an hour that goes back is an error, and so are more findings than the bound', () => {
    const backtest = new Backtest(view, options);
    backtest.add(row('a', 13, ONE));
    expect(() => {
      backtest.add(row('a', 12, ONE));
    }).toThrow(RangeError);
    const small = new Backtest(view, { ...options, maxFindings: 0 });
    small.add(row('a', 13, 200n * ONE));
    expect(() => small.end()).toThrow(TooManyFindingsError);
  });
});
