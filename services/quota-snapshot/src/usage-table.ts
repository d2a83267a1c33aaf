/**
 * Usage of the current periods, rolled up the tenants' lineage. Pure: the clock is an argument.
 *
 * Terminology. A *bucket* comes with absolute values and a revision that rises with every change of
 * it. A *series* is the buckets of one (tenant, metric, attrs) by hour. A *rollup* is the usage of one
 * tenant and all below it of one metric, one kind of period; a *span* is one such period of it.
 *
 * A changed bucket is merged as the difference to what is known of it: sum and count by subtraction,
 * max, min and latest as they stand, because a bucket never loses an event, so its new extremes are
 * at least as extreme as the old. Spans of periods that have not begun yet are kept too (events may be
 * a little ahead of time), so that a roll-over has nothing to compute.
 */
import {
  lineageOf,
  mergeTotals,
  periodStart,
  PERIODS,
  usageOf,
  type Period,
  type Registry,
  type Totals,
} from '@meterhouse/usage';

/** An hour bucket's absolute values. */
export interface BucketState extends Readonly<Totals> {
  readonly tenantId: string;
  readonly metric: string;
  /** Start of the hour, epoch ms. */
  readonly hour: number;
  /** The group-by attributes, as JSON with sorted keys. */
  readonly attrsKey: string;
  readonly revision: bigint;
}

/** What one usage message is about. */
export interface UsageKey {
  readonly tenantId: string;
  readonly metric: string;
  readonly period: Period;
}

export type ApplyOutcome =
  | 'applied'
  /** This revision or a later one had been applied. */
  | 'known'
  /** The hour lies before every current period. */
  | 'past'
  /** The registry that this table was made with lacks the tenant or the metric. */
  | 'unregistered';

/** More buckets than the table may hold: more memory, or fewer group-by attributes, are needed. */
export class TooManyBucketsError extends Error {
  constructor(maxBuckets: number) {
    super(`current periods have more than ${maxBuckets} hour buckets`);
    this.name = 'TooManyBucketsError';
  }
}

interface Span {
  readonly start: number;
  readonly totals: Totals;
}

interface Rollup extends UsageKey {
  /** The current period and those begun in advance, few. */
  spans: Span[];
}

interface Known {
  revision: bigint;
  sum: bigint;
  count: bigint;
}

interface Series {
  readonly rollups: readonly Rollup[];
  /** Known buckets by hour. */
  readonly hours: Map<number, Known>;
}

export class UsageTable {
  #registry: Registry;
  readonly #maxBuckets: number;
  readonly #starts: Record<Period, number>;
  readonly #series = new Map<string, Series>();
  readonly #rollups = new Map<string, Rollup>();
  #touched = new Set<Rollup>();
  #buckets = 0;

  /** @param now epoch ms that lies in the current periods */
  constructor(registry: Registry, now: number, bounds: { readonly maxBuckets: number }) {
    this.#registry = registry;
    this.#maxBuckets = bounds.maxBuckets;
    this.#starts = {
      hour: periodStart('hour', now),
      day: periodStart('day', now),
      month: periodStart('month', now),
    };
  }

  get registryVersion(): bigint {
    return this.#registry.version;
  }

  /** Hour buckets held. */
  get buckets(): number {
    return this.#buckets;
  }

  /** Start of the current period, epoch ms. */
  start(period: Period): number {
    return this.#starts[period];
  }

  /**
   * Takes a bucket in.
   * @throws TooManyBucketsError
   */
  apply(bucket: BucketState): ApplyOutcome {
    // An hour and a day lie within their month, so nothing before the month can count.
    if (bucket.hour < this.#starts.month) return 'past';
    const series = this.#seriesOf(bucket);
    if (series === null) return 'unregistered';
    const known = series.hours.get(bucket.hour);
    if (known !== undefined && bucket.revision <= known.revision) return 'known';
    if (known === undefined) this.#countBucket();
    const { revision, sum, count } = bucket;
    const change =
      known === undefined ? bucket : { ...bucket, sum: sum - known.sum, count: count - known.count };
    series.hours.set(bucket.hour, { revision, sum, count });
    for (const rollup of series.rollups) this.#merge(rollup, bucket.hour, change);
    return 'applied';
  }

  /**
   * Moves the current periods on to those that `now` lies in; never back.
   * @returns the kinds of period that have begun anew
   */
  advance(now: number): readonly Period[] {
    const begun = PERIODS.filter((period) => periodStart(period, now) > this.#starts[period]);
    for (const period of begun) this.#starts[period] = periodStart(period, now);
    if (begun.length === 0) return begun;
    for (const rollup of this.#rollups.values()) {
      const start = this.#starts[rollup.period];
      rollup.spans = rollup.spans.filter((span) => span.start >= start);
      if (begun.includes(rollup.period) && rollup.spans.length > 0) this.#touched.add(rollup);
    }
    if (begun.includes('month')) this.#forgetHoursBefore(this.#starts.month);
    return begun;
  }

  /**
   * Takes over a newer registry where nothing counted so far would have been counted otherwise.
   * @returns `moved` if a tenant got another parent or a metric another aggregation: then nothing was
   *   taken over, and the table has to be made anew
   */
  adopt(registry: Registry): 'adopted' | 'moved' {
    for (const [id, tenant] of this.#registry.tenants) {
      const now = registry.tenants.get(id);
      if (now?.parent !== tenant.parent) return 'moved';
    }
    for (const [name, metric] of this.#registry.metrics)
      if (registry.metrics.get(name)?.aggregation !== metric.aggregation) return 'moved';
    this.#registry = registry;
    return 'adopted';
  }

  /** Usage in the current period as a decimal; 0 where nothing was used. */
  used(key: UsageKey): string {
    const metric = this.#registry.metrics.get(key.metric);
    const start = this.#starts[key.period];
    const span = this.#rollups.get(rollupKey(key))?.spans.find((candidate) => candidate.start === start);
    return span === undefined || metric === undefined ? '0' : usageOf(span.totals, metric.aggregation);
  }

  /** Every key that a bucket has gone into. */
  keys(): Iterable<UsageKey> {
    return this.#rollups.values();
  }

  /** The keys whose usage in the current period may have changed since this was last asked. */
  takeTouched(): Iterable<UsageKey> {
    const touched = this.#touched;
    this.#touched = new Set();
    return touched;
  }

  #countBucket(): void {
    if (this.#buckets >= this.#maxBuckets) throw new TooManyBucketsError(this.#maxBuckets);
    this.#buckets += 1;
  }

  #merge(rollup: Rollup, hour: number, change: Readonly<Totals>): void {
    const start = periodStart(rollup.period, hour);
    const current = this.#starts[rollup.period];
    if (start < current) return;
    const span = rollup.spans.find((candidate) => candidate.start === start);
    if (span === undefined) rollup.spans.push({ start, totals: totalsOf(change) });
    else mergeTotals(span.totals, change);
    if (start === current) this.#touched.add(rollup);
  }

  #seriesOf(bucket: BucketState): Series | null {
    const { tenantId, metric, attrsKey } = bucket;
    const key = `${tenantId}\0${metric}\0${attrsKey}`;
    const known = this.#series.get(key);
    if (known !== undefined) return known;
    const { tenants, metrics } = this.#registry;
    if (!tenants.has(tenantId) || !metrics.has(metric)) return null;
    const rollups = lineageOf(tenants, tenantId).flatMap((ancestor) =>
      PERIODS.map((period) => this.#rollupOf({ tenantId: ancestor, metric, period })),
    );
    const series: Series = { rollups, hours: new Map() };
    this.#series.set(key, series);
    return series;
  }

  #rollupOf(key: UsageKey): Rollup {
    const text = rollupKey(key);
    let rollup = this.#rollups.get(text);
    if (rollup === undefined) {
      rollup = { ...key, spans: [] };
      this.#rollups.set(text, rollup);
    }
    return rollup;
  }

  #forgetHoursBefore(start: number): void {
    for (const [key, series] of this.#series) {
      for (const hour of series.hours.keys())
        if (hour < start && series.hours.delete(hour)) this.#buckets -= 1;
      if (series.hours.size === 0) this.#series.delete(key);
    }
  }
}

function rollupKey(key: UsageKey): string {
  return `${key.tenantId}|${key.metric}|${key.period}`;
}

function totalsOf(bucket: Readonly<Totals>): Totals {
  const { sum, count, min, max, latest, latestTs, latestId } = bucket;
  return { sum, count, min, max, latest, latestTs, latestId };
}
