/** The plain way of computing usage, to hold the fast one against. */
import {
  addEvent,
  lineageOf,
  usageOf,
  type Aggregation,
  type Buckets,
  type Metric,
  type Period,
  type Registry,
  type Totals,
} from '@meterhouse/usage';
import { Periods, UTC_CALENDAR, type Calendar } from '@meterhouse/usage/calendar';
import type { BucketState, PastKey, PastUsage } from '../usage-table.ts';

export interface TestEvent {
  readonly tenant: string;
  readonly metric: Metric;
  readonly ts: number;
  /** Billionths. */
  readonly value: bigint;
  readonly id: string;
  readonly model: string | null;
  /** The flush that counts it. */
  readonly flush: number;
}

export function metric(name: string, aggregation: Aggregation): Metric {
  return { name, unit: 'unit', aggregation, scale: 9, family: 'compute', groupBy: ['model'] };
}

export function registryOf(
  tenants: readonly { readonly id: string; readonly parent: string | null }[],
  metrics: readonly Metric[],
  version = 1n,
): Registry {
  return {
    version,
    tenants: new Map(tenants.map(({ id, parent }, number) => [id, { id, parent, name: id, number }])),
    metrics: new Map(metrics.map((entry) => [entry.name, entry])),
  };
}

/** Every state that the buckets go through, in the order of the flushes. */
export function stagesOf(events: readonly TestEvent[]): BucketState[] {
  const buckets: Buckets = new Map();
  const revisions = new Map<string, bigint>();
  const states: BucketState[] = [];
  for (const flush of new Set(events.map((event) => event.flush).toSorted((a, b) => a - b))) {
    const before = new Map(Array.from(buckets, ([key, bucket]) => [key, bucket.count]));
    for (const event of events) if (event.flush === flush) addEvent(buckets, accepted(event));
    for (const [key, bucket] of buckets) {
      if (before.get(key) === bucket.count) continue;
      const revision = (revisions.get(key) ?? 0n) + 1n;
      revisions.set(key, revision);
      states.push({ ...bucket, revision });
    }
  }
  return states;
}

export function bucketsOf(events: readonly TestEvent[]): BucketState[] {
  const buckets: Buckets = new Map();
  for (const event of events) addEvent(buckets, accepted(event));
  return Array.from(buckets.values(), (bucket) => ({ ...bucket, revision: 1n }));
}

export interface Question {
  readonly tenantId: string;
  readonly metric: string;
  readonly aggregation: Aggregation;
  readonly period: Period;
  readonly now: number;
  /** Of the tenant's tree; UTC by default. */
  readonly calendar?: Calendar;
}

/** Looks at every bucket: below the tenant? of the metric? in the period? */
export function naiveUsage(buckets: readonly BucketState[], registry: Registry, asked: Question): string {
  const { start, end } = new Periods(asked.calendar ?? UTC_CALENDAR).of(asked.period, asked.now);
  const inside = buckets.filter(
    (bucket) =>
      bucket.metric === asked.metric &&
      lineageOf(registry.tenants, bucket.tenantId).includes(asked.tenantId) &&
      (asked.period === 'total' || (bucket.hour >= start && bucket.hour < end)),
  );
  const [first] = inside;
  if (first === undefined) return '0';
  return usageOf(inside.reduce(union, first), asked.aggregation);
}

/** What Postgres would say of buckets that it has. */
export class ModelStore {
  readonly #buckets = new Map<string, BucketState>();

  put(state: BucketState): void {
    const key = `${state.tenantId}|${state.metric}|${state.hour}|${state.attrsKey}`;
    const known = this.#buckets.get(key);
    if (known === undefined || known.revision < state.revision) this.#buckets.set(key, state);
  }

  all(): BucketState[] {
    return [...this.#buckets.values()];
  }

  since(asked: readonly PastKey[]): BucketState[] {
    return asked.flatMap((key) => this.#of(key).filter(({ hour }) => hour >= key.hour));
  }

  before(asked: readonly PastKey[]): PastUsage[] {
    return asked.flatMap((key) => {
      const rows = this.#of(key).filter(({ hour }) => hour < key.hour);
      const [first] = rows;
      if (first === undefined) return [];
      const revision = rows.reduce((sum, row) => sum + row.revision, 0n);
      return [{ ...rows.reduce<Readonly<Totals>>(union, first), ...key, revision }];
    });
  }

  #of({ tenantId, metric: name }: PastKey): BucketState[] {
    return this.all().filter((bucket) => bucket.tenantId === tenantId && bucket.metric === name);
  }
}

function union(a: Readonly<Totals>, b: Readonly<Totals>): Readonly<Totals> {
  const [later, sooner] = order(a, b) < 0 ? [b, a] : [a, b];
  return {
    // An accumulator starts with its first bucket.
    sum: a === b ? a.sum : a.sum + b.sum,
    count: a === b ? a.count : a.count + b.count,
    min: a.min < b.min ? a.min : b.min,
    max: a.max > b.max ? a.max : b.max,
    latest: later.latest,
    latestTs: Math.max(later.latestTs, sooner.latestTs),
    latestId: later.latestId,
  };
}

/** By (ts, id in bytes, value). */
function order(a: Readonly<Totals>, b: Readonly<Totals>): number {
  if (a.latestTs !== b.latestTs) return a.latestTs - b.latestTs;
  const ids = Buffer.compare(Buffer.from(a.latestId), Buffer.from(b.latestId));
  if (ids !== 0) return ids;
  return a.latest < b.latest ? -1 : a.latest > b.latest ? 1 : 0;
}

function accepted(event: TestEvent): Parameters<typeof addEvent>[1] {
  return {
    event: {
      id: event.id,
      tenantId: event.tenant,
      metric: event.metric.name,
      value: '',
      ts: event.ts,
      unit: null,
      source: '',
      attrs: event.model === null ? {} : { model: event.model },
      correlationId: null,
      attribution: null,
    },
    tenant: { id: event.tenant, name: '', parent: null, number: 0 },
    metric: event.metric,
    value: event.value,
  };
}
