/** Random events, random questions about them, and the answer worked out event by event. */
import fc from 'fast-check';
import { HOUR_MS } from '@meterhouse/usage';
import type { UsageQuestion, UsageRow } from './read-usage.ts';

export const AGGREGATIONS = ['sum', 'count', 'max', 'min', 'latest'] as const;
/** 20:00 UTC: the hours of a test lie across midnight. */
export const FIRST_HOUR = Date.UTC(2026, 5, 14, 20);
const HOURS = 8;

interface WorldEvent {
  readonly tenantId: string;
  readonly metric: string;
  readonly id: string;
  readonly ts: number;
  readonly value: string;
  readonly attrs: Readonly<Record<string, string>>;
}

export interface World {
  readonly parents: readonly (readonly [id: string, parent: string | null])[];
  readonly flushes: readonly (readonly WorldEvent[])[];
}

const PARENTS = [
  ['p', null],
  ['a', 'p'],
  ['a1', 'a'],
  ['b', 'p'],
  ['foreign', null],
] as const;
const REGIONS = ['eu', 'us', `e'u"\\`, 'é', '', 'a,b'];

const event = fc.record({
  tenantId: fc.constantFrom(...PARENTS.map(([id]) => id)),
  metric: fc.constantFrom(...AGGREGATIONS.map((aggregation) => `m.${aggregation}`)),
  // Few instants, so that the latest is often a matter of ids, and below one parent of values.
  ts: fc.integer({ min: 0, max: HOURS * 2 - 1 }).map((half) => FIRST_HOUR + (half * HOUR_MS) / 2),
  value: fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }),
  attrs: fc.record(
    { region: fc.constantFrom(...REGIONS), model: fc.constantFrom('small', 'large') },
    { requiredKeys: [] },
  ),
});

export function usageWorld(): fc.Arbitrary<World> {
  const flush = fc.array(event, { minLength: 1, maxLength: 40 });
  return fc.array(flush, { minLength: 1, maxLength: 3 }).map((flushes) => {
    // Ids are unique per tenant, and no further.
    const numbers = new Map<string, number>();
    return {
      parents: PARENTS,
      flushes: flushes.map((events) =>
        events.map(({ value, ...rest }) => {
          const number = (numbers.get(rest.tenantId) ?? 0) + 1;
          numbers.set(rest.tenantId, number);
          return { ...rest, id: `e${number}`, value: decimal(value) };
        }),
      ),
    };
  });
}

function decimal(billionths: bigint): string {
  const digits = (billionths < 0n ? -billionths : billionths).toString().padStart(10, '0');
  return `${billionths < 0n ? '-' : ''}${digits.slice(0, -9)}.${digits.slice(-9)}`;
}

type AnyQuestion = Omit<UsageQuestion, 'tenantId' | 'maxRows' | 'after'> & { readonly tenant: number };

function anyQuestion(): fc.Arbitrary<AnyQuestion> {
  const hour = fc.integer({ min: 0, max: HOURS });
  return fc
    .record({
      tenant: fc.integer({ min: 0, max: PARENTS.length - 1 }),
      tenants: fc.constantFrom('own' as const, 'each' as const, 'together' as const),
      metrics: fc.option(
        fc.subarray(
          AGGREGATIONS.map((aggregation) => `m.${aggregation}`),
          { minLength: 1 },
        ),
      ),
      hours: fc.tuple(hour, hour).filter(([a, b]) => a !== b),
      kind: fc.constantFrom('hour' as const, 'day' as const, 'total' as const, 'starts' as const),
      cuts: fc.subarray([1, 2, 3, 4, 5, 6, 7]),
      groupBy: fc.shuffledSubarray(['region', 'model']),
      where: fc.option(
        fc.subarray(REGIONS, { minLength: 1 }).map((values) => [{ attribute: 'region', values }]),
      ),
    })
    .map(({ hours, kind, cuts, where, ...rest }) => {
      const [from, to] = hours.toSorted((x, y) => x - y).map((n) => FIRST_HOUR + n * HOUR_MS) as [
        number,
        number,
      ];
      const starts = [
        from,
        ...cuts.map((n) => FIRST_HOUR + n * HOUR_MS).filter((at) => at > from && at < to),
      ];
      return { ...rest, from, to, by: kind === 'starts' ? starts : kind, where: where ?? [] };
    });
}

/** Nothing of how usage is stored and read is used here. */
function answer(world: World, question: UsageQuestion): UsageRow[] {
  const { by, from, to, groupBy = [], where = [] } = question;
  const groups = new Map<
    string,
    { key: Omit<UsageRow, keyof Aggregated>; events: (WorldEvent & { late: boolean })[] }
  >();
  for (const each of world.flushes.flatMap(withLateness)) {
    if (each.ts < from || each.ts >= to) continue;
    if (question.metrics !== null && !question.metrics.includes(each.metric)) continue;
    if (!where.every(({ attribute, values }) => values.includes(each.attrs[attribute] ?? '\0'))) continue;
    const lineage = lineageOf(world, each.tenantId);
    if (
      question.tenants === 'own' ? each.tenantId !== question.tenantId : !lineage.includes(question.tenantId)
    )
      continue;
    const starts = by === 'total' ? [from] : typeof by === 'string' ? regular(by, from, to) : by;
    const key = {
      tenantId: question.tenants === 'together' ? question.tenantId : each.tenantId,
      metric: each.metric,
      unit: 'unit',
      aggregation: each.metric.slice(2) as UsageRow['aggregation'],
      periodStart: starts.findLast((start) => start <= each.ts) ?? Number.NaN,
      attrs: groupBy.map((name) => each.attrs[name] ?? null),
    };
    const text = JSON.stringify(key);
    const group = groups.get(text) ?? { key, events: [] };
    groups.set(text, { key, events: [...group.events, each] });
  }
  return [...groups.values()]
    .map(({ key, events }) => ({ ...key, ...aggregate(events) }))
    .sort(
      (a, b) =>
        bytes(a.tenantId, b.tenantId) ||
        bytes(a.metric, b.metric) ||
        a.periodStart - b.periodStart ||
        (a.attrs.map((value, n) => nullsLast(value, b.attrs[n] ?? null)).find((order) => order !== 0) ?? 0),
    );
}

export const naiveUsage = Object.assign(answer, { question: anyQuestion });

type Aggregated = Pick<
  UsageRow,
  'sum' | 'count' | 'min' | 'max' | 'latest' | 'latestTs' | 'latestId' | 'late'
>;

/** A flush's events reach the broker a millisecond before the hour of the last of them is over. */
function withLateness(flush: readonly WorldEvent[]): (WorldEvent & { late: boolean })[] {
  const hours = flush.map(({ ts }) => Math.floor(ts / HOUR_MS));
  const receivedAt = (Math.max(...hours) + 1) * HOUR_MS - 1;
  return flush.map((each, n) => ({
    ...each,
    late: receivedAt - ((hours[n] ?? Number.NaN) + 1) * HOUR_MS >= 5 * 60_000,
  }));
}

function aggregate(events: readonly (WorldEvent & { late: boolean })[]): Aggregated {
  const values = events.map(({ value }) => BigInt(value.replace('.', '')));
  const ordered = events.toSorted(
    (a, b) =>
      a.ts - b.ts ||
      bytes(a.id, b.id) ||
      Number(BigInt(a.value.replace('.', '')) - BigInt(b.value.replace('.', ''))),
  );
  const last = ordered.at(-1);
  return {
    sum: values.reduce((sum, value) => sum + value, 0n),
    count: BigInt(events.length),
    min: values.reduce((least, value) => (value < least ? value : least)),
    max: values.reduce((most, value) => (value > most ? value : most)),
    latest: BigInt(last?.value.replace('.', '') ?? ''),
    latestTs: last?.ts ?? Number.NaN,
    latestId: last?.id ?? '',
    late: BigInt(events.filter(({ late }) => late).length),
  };
}

function regular(by: 'hour' | 'day', from: number, to: number): number[] {
  const step = by === 'hour' ? HOUR_MS : 24 * HOUR_MS;
  const starts = [from];
  for (let at = Math.floor(from / step) * step + step; at < to; at += step) starts.push(at);
  return starts;
}

function lineageOf(world: World, id: string): string[] {
  const parent = world.parents.find(([each]) => each === id)?.[1] ?? null;
  return parent === null ? [id] : [id, ...lineageOf(world, parent)];
}

function bytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function nullsLast(a: string | null, b: string | null): number {
  if (a === null || b === null) return Number(a === null) - Number(b === null);
  return bytes(a, b);
}
