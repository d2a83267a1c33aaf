/**
 * Usage of the current periods, rolled up the tenants' lineage. Pure: the clock is an argument.
 *
 * Terminology. A *bucket* comes with absolute values and a revision that rises with every change of
 * it. A tenant's *own* usage of a metric is its buckets of all attrs and hours. A *rollup* is the usage
 * of one tenant and all below it of one metric, one kind of period; a *part* is one such period of it.
 *
 * A changed bucket is merged as the difference to what is known of it: sum and count by subtraction,
 * max, min and latest as they stand, because a bucket never loses an event, so its new extremes are
 * at least as extreme as the old. Parts of periods that have not begun yet are kept too (events may be
 * a little ahead of time), so that a roll-over has nothing to compute.
 *
 * Days and months are those of the calendar of the tenant's root, the same for all below it.
 *
 * A total is rolled up only for the tenants and metrics that are followed. What lies before the hours
 * that are held is known as one sum of them all, whose revision is the sum of theirs; so it is merged
 * like one more bucket, and a late change of such an hour asks for that sum to be read again.
 */
import { lineageOf, mergeTotals, PERIODS, usageOf, type Registry, type Totals } from '@meterhouse/usage';
import { UTC_CALENDAR, type Calendar, type Span } from '@meterhouse/usage/calendar';
import {
  forgetPast,
  hasTotal,
  heldFrom,
  hoursOf,
  isEmpty,
  join,
  knownOf,
  LATE_MS,
  lessKnown,
  type OwnUsage,
  type Rollup,
  type UsageKey,
} from './own-usage.ts';
import { TreePeriods } from './tree-periods.ts';

export type { UsageKey } from './own-usage.ts';

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

/** Of a tenant alone, what was counted in the hours before those that are held. */
export interface PastUsage extends Readonly<Totals> {
  readonly tenantId: string;
  readonly metric: string;
  /** Everything before it, epoch ms. */
  readonly hour: number;
  /** Sum of the revisions of its buckets. */
  readonly revision: bigint;
}

/** Whose past is wanted: everything before the hour, epoch ms. */
export interface PastKey {
  readonly tenantId: string;
  readonly metric: string;
  readonly hour: number;
}

export type ApplyOutcome =
  | 'applied'
  /** This revision or a later one had been applied. */
  | 'known'
  /** The hour lies before every current period. */
  | 'past'
  /** So it does, but a total has it: the past has to be read again. */
  | 'past_of_total'
  /** The registry that this table was made with lacks the tenant or the metric. */
  | 'unregistered';

/** More buckets than the table may hold: more memory, or fewer group-by attributes, are needed. */
export class TooManyBucketsError extends Error {
  constructor(maxBuckets: number) {
    super(`current periods have more than ${maxBuckets} hour buckets`);
    this.name = 'TooManyBucketsError';
  }
}

export interface UsageTableOptions {
  readonly maxBuckets: number;
  /** Of a root. */
  readonly calendarOf?: (root: string) => Calendar;
}

export class UsageTable {
  #registry: Registry;
  readonly #maxBuckets: number;
  readonly #periods: TreePeriods;
  readonly #owns = new Map<string, OwnUsage>();
  readonly #rollups = new Map<string, Rollup>();
  /** The keys of totals. */
  readonly #followed = new Set<string>();
  #touched = new Set<Rollup>();
  #buckets = 0;

  /** @param now epoch ms that lies in the current periods */
  constructor(
    registry: Registry,
    now: number,
    { maxBuckets, calendarOf = () => UTC_CALENDAR }: UsageTableOptions,
  ) {
    this.#registry = registry;
    this.#maxBuckets = maxBuckets;
    this.#periods = new TreePeriods(now, calendarOf);
  }

  get registryVersion(): bigint {
    return this.#registry.version;
  }

  /** Hour buckets held. */
  get buckets(): number {
    return this.#buckets;
  }

  /** Start of the current hour, epoch ms. */
  get hour(): number {
    return this.#periods.utc.of('hour').start;
  }

  /** Start of the earliest hour that any tenant needs a bucket of, epoch ms. */
  get earliestHour(): number {
    let earliest = this.#periods.utc.of('month').start;
    for (const { id, parent } of this.#registry.tenants.values())
      if (parent === null) earliest = Math.min(earliest, this.#periods.ofRoot(id).of('month').start);
    return this.#followed.size === 0 ? earliest : earliest - LATE_MS;
  }

  /** The current period of a key. */
  span({ tenantId, period }: UsageKey): Span {
    return this.#periods.of(this.#registry.tenants, tenantId).of(period);
  }

  /**
   * Takes a bucket in.
   * @throws TooManyBucketsError
   */
  apply(bucket: BucketState): ApplyOutcome {
    const own = this.#ownOf(bucket.tenantId, bucket.metric);
    if (own === null) return 'unregistered';
    if (bucket.hour < heldFrom(own)) return hasTotal(own) ? 'past_of_total' : 'past';
    for (const rollup of own.joining?.rollups ?? []) mergeInto(rollup, bucket.hour, bucket);
    const hours = hoursOf(own, bucket.attrsKey);
    const known = hours.get(bucket.hour);
    if (known !== undefined && bucket.revision <= known.revision) return 'known';
    if (known === undefined) this.#countBucket();
    const change = known === undefined ? bucket : lessKnown(bucket, known);
    hours.set(bucket.hour, knownOf(bucket));
    for (const rollup of own.rollups) this.#merge(rollup, bucket.hour, change);
    return 'applied';
  }

  /**
   * Takes in what was counted before the hours that are held. `past_of_total`: fewer hours are held by
   * now, so it has to be read again.
   * @throws TooManyBucketsError
   */
  applyPast(past: PastUsage): ApplyOutcome {
    const own = this.#ownOf(past.tenantId, past.metric);
    if (own === null) return 'unregistered';
    if (!hasTotal(own)) return 'past';
    if (past.hour !== heldFrom(own)) return 'past_of_total';
    for (const rollup of own.joining?.rollups ?? []) mergeInto(rollup, past.hour - 1, past);
    const { past: known } = own;
    if (known !== null && past.revision <= known.revision) return 'known';
    if (known === null) this.#countBucket();
    own.past = knownOf(past);
    const change = known === null ? past : lessKnown(past, known);
    for (const rollup of own.rollups)
      if (rollup.period === 'total') this.#merge(rollup, past.hour - 1, change);
    return 'applied';
  }

  /**
   * Begins to follow the totals of these tenants and metrics, where it does not yet. Then comes, of one
   * point in time that is not before anything applied: each bucket and past of what is asked for, by
   * apply() and applyPast(); and in the end joined(), or left() if it failed.
   * @returns whose buckets and past: what is counted below them
   */
  follow(totals: Iterable<Omit<UsageKey, 'period'>>): PastKey[] {
    const joining = this.#newTotals(totals);
    if (joining.size === 0) return [];
    const metrics = new Set(Array.from(joining.values(), ({ metric }) => metric));
    const asked: PastKey[] = [];
    for (const tenantId of this.#registry.tenants.keys()) {
      const lineage = lineageOf(this.#registry.tenants, tenantId);
      for (const metric of metrics) {
        const above = lineage.flatMap((ancestor) => joining.get(totalKey(ancestor, metric)) ?? []);
        const own = above.length === 0 ? null : this.#ownOf(tenantId, metric);
        if (own === null) continue;
        join(own, above);
        asked.push({ tenantId, metric, hour: heldFrom(own) });
      }
    }
    for (const text of joining.keys()) this.#followed.add(text);
    return asked;
  }

  /** What was to follow is there. */
  joined(): void {
    for (const own of this.#owns.values()) {
      if (own.joining === null) continue;
      own.rollups.push(...own.joining.rollups);
      // Also what is 0: whoever reads a total that was not published knows nothing of it.
      for (const rollup of own.joining.rollups) this.#touched.add(rollup);
      own.joining = null;
      // A month may have begun meanwhile.
      this.#buckets -= forgetPast(own);
    }
  }

  /** What was to follow could not be read: it is not followed. */
  left(): void {
    for (const own of this.#owns.values()) {
      for (const rollup of own.joining?.rollups ?? []) {
        this.#followed.delete(rollupKey(rollup));
        this.#rollups.delete(rollupKey(rollup));
      }
      own.joining = null;
    }
  }

  /** The past that has to be read for a bucket whose hour is not held any more. */
  pastKeyOf({ tenantId, metric }: BucketState): PastKey | null {
    const own = this.#ownOf(tenantId, metric);
    return own === null ? null : { tenantId, metric, hour: heldFrom(own) };
  }

  /**
   * Moves the current periods on to those that `now` lies in; never back.
   * @returns whether any has begun anew
   */
  advance(now: number): boolean {
    const begun = this.#periods.advance(now);
    if (begun.size === 0) return false;
    for (const rollup of this.#rollups.values()) {
      if (begun.get(rollup.current)?.includes(rollup.period) !== true) continue;
      const { start } = rollup.current.of(rollup.period);
      rollup.parts = rollup.parts.filter((part) => part.start >= start);
      if (rollup.parts.length > 0) this.#touched.add(rollup);
    }
    for (const [key, own] of this.#owns) {
      // A month begins with a day.
      if (begun.get(own.current)?.includes('day') !== true) continue;
      this.#buckets -= forgetPast(own);
      if (isEmpty(own)) this.#owns.delete(key);
    }
    return true;
  }

  /**
   * Takes over a newer registry where nothing counted so far would have been counted otherwise.
   * @returns `moved` if a tenant got another parent, a tree another calendar, or a metric another
   *   aggregation: then nothing was taken over, and the table has to be made anew
   */
  adopt(registry: Registry): 'adopted' | 'moved' {
    for (const [id, tenant] of this.#registry.tenants) {
      const now = registry.tenants.get(id);
      if (now?.parent !== tenant.parent) return 'moved';
    }
    for (const [name, metric] of this.#registry.metrics)
      if (registry.metrics.get(name)?.aggregation !== metric.aggregation) return 'moved';
    if (this.#periods.outdated) return 'moved';
    this.#registry = registry;
    return 'adopted';
  }

  /** Usage in the current period as a decimal; 0 where nothing was used. */
  used(key: UsageKey): string {
    const metric = this.#registry.metrics.get(key.metric);
    const rollup = this.#rollups.get(rollupKey(key));
    if (rollup === undefined || metric === undefined) return '0';
    const { start } = rollup.current.of(key.period);
    const part = rollup.parts.find((candidate) => candidate.start === start);
    return part === undefined ? '0' : usageOf(part.totals, metric.aggregation);
  }

  /** Every key that a bucket has gone into, and every total that is followed. */
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
    if (mergeInto(rollup, hour, change)) this.#touched.add(rollup);
  }

  #ownOf(tenantId: string, metric: string): OwnUsage | null {
    const key = `${tenantId}\0${metric}`;
    const known = this.#owns.get(key);
    if (known !== undefined) return known;
    const { tenants, metrics } = this.#registry;
    if (!tenants.has(tenantId) || !metrics.has(metric)) return null;
    const rollups = lineageOf(tenants, tenantId).flatMap((ancestor) =>
      PERIODS.filter((period) => period !== 'total' || this.#followed.has(totalKey(ancestor, metric))).map(
        (period) => this.#rollupOf({ tenantId: ancestor, metric, period }),
      ),
    );
    const current = this.#periods.of(tenants, tenantId);
    const own: OwnUsage = { current, rollups, joining: null, hours: new Map(), past: null };
    this.#owns.set(key, own);
    return own;
  }

  /** Of the totals those that are not followed yet, and whose tenant and metric are registered. */
  #newTotals(totals: Iterable<Omit<UsageKey, 'period'>>): Map<string, Rollup> {
    const { tenants, metrics } = this.#registry;
    const found = new Map<string, Rollup>();
    for (const { tenantId, metric } of totals) {
      const text = totalKey(tenantId, metric);
      if (this.#followed.has(text) || !tenants.has(tenantId) || !metrics.has(metric)) continue;
      found.set(text, this.#rollupOf({ tenantId, metric, period: 'total' }));
    }
    return found;
  }

  #rollupOf(key: UsageKey): Rollup {
    const text = rollupKey(key);
    let rollup = this.#rollups.get(text);
    if (rollup === undefined) {
      rollup = { ...key, current: this.#periods.of(this.#registry.tenants, key.tenantId), parts: [] };
      this.#rollups.set(text, rollup);
    }
    return rollup;
  }
}

/** @returns whether usage of the current period may have changed */
function mergeInto(rollup: Rollup, hour: number, change: Readonly<Totals>): boolean {
  const span = rollup.current.spanOf(rollup.period, hour);
  if (span === null) return false;
  const part = rollup.parts.find((candidate) => candidate.start === span.start);
  if (part === undefined) rollup.parts.push({ start: span.start, totals: totalsOf(change) });
  else mergeTotals(part.totals, change);
  return span === rollup.current.of(rollup.period);
}

function rollupKey({ tenantId, metric, period }: UsageKey): string {
  return `${tenantId}|${metric}|${period}`;
}

function totalKey(tenantId: string, metric: string): string {
  return rollupKey({ tenantId, metric, period: 'total' });
}

function totalsOf({ sum, count, min, max, latest, latestTs, latestId }: Readonly<Totals>): Totals {
  return { sum, count, min, max, latest, latestTs, latestId };
}
