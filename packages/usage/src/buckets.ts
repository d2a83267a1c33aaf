/**
 * The aggregate of events per (tenant, metric, hour, attrs). Adding is associative, commutative and
 * exact, so neither the order of events nor how they were cut into flushes can be seen in the result.
 */
import type { AcceptedEvent } from './check.ts';
import type { Billionths } from './decimal.ts';
import { decimalFromStore, formatDecimal, ONE } from './decimal.ts';
import type { Aggregation } from './registry.ts';
import { HOUR_MS, hourOf } from './time.ts';

/** Every aggregate of a set of events; a metric's aggregation says which of them is its usage. */
export interface Totals {
  sum: Billionths;
  count: bigint;
  min: Billionths;
  max: Billionths;
  /** Value of the event with the highest (ts, id). */
  latest: Billionths;
  latestTs: number;
  latestId: string;
}

/** Totals as a store's columns give them. */
export interface StoredTotals {
  sum: string;
  count: string;
  min: string;
  max: string;
  latest: string;
  latest_ts_ms: string;
  latest_id: string;
}

export function totalsFromStore(row: StoredTotals): Totals {
  return {
    sum: decimalFromStore(row.sum),
    count: BigInt(row.count),
    min: decimalFromStore(row.min),
    max: decimalFromStore(row.max),
    latest: decimalFromStore(row.latest),
    latestTs: Number(row.latest_ts_ms),
    latestId: row.latest_id,
  };
}

export interface Bucket extends Totals {
  readonly tenantId: string;
  readonly metric: string;
  /** Start of the hour, epoch ms. */
  readonly hour: number;
  /** The group-by attributes that the event carries, as JSON with sorted keys. */
  readonly attrsKey: string;
}

/** Buckets by their key. */
export type Buckets = Map<string, Bucket>;

/** @returns the bucket that the event is in */
export function addEvent(buckets: Buckets, accepted: AcceptedEvent): Bucket {
  const { event, metric, value } = accepted;
  const hour = hourOf(event.ts);
  const attrsKey = groupKey(metric.groupBy, event.attrs);
  const key = `${event.tenantId}\0${metric.name}\0${hour}\0${attrsKey}`;
  const bucket = buckets.get(key);
  if (bucket === undefined) {
    const first: Bucket = {
      tenantId: event.tenantId,
      metric: metric.name,
      hour,
      attrsKey,
      sum: value,
      count: 1n,
      min: value,
      max: value,
      latest: value,
      latestTs: event.ts,
      latestId: event.id,
    };
    buckets.set(key, first);
    return first;
  }
  bucket.sum += value;
  bucket.count += 1n;
  if (value < bucket.min) bucket.min = value;
  if (value > bucket.max) bucket.max = value;
  if (isLater(event.ts, event.id, bucket.latestTs, bucket.latestId)) {
    bucket.latest = value;
    bucket.latestTs = event.ts;
    bucket.latestId = event.id;
  }
  return bucket;
}

/** How long after the end of its hour an event may reach the broker and still be in time. */
export const GRACE_MS = 5 * 60_000;

/**
 * Whether an event came after its hour was over and could have been read as if it were whole. It depends
 * on the event and the broker's clock alone, so a redelivery is as late as the first delivery.
 * @param hour start of the event's hour
 * @param receivedAt when the broker took the event; both epoch ms
 */
export function cameLate(hour: number, receivedAt: number): boolean {
  return receivedAt >= hour + HOUR_MS + GRACE_MS;
}

/**
 * Adds `from` to `into`: the totals of the union of two disjoint sets of events, in whatever order
 * they are merged. Ids are unique per tenant only, so below one parent two events may share (ts, id):
 * the higher value then counts as the later.
 */
export function mergeTotals(into: Totals, from: Totals): void {
  into.sum += from.sum;
  into.count += from.count;
  if (from.min < into.min) into.min = from.min;
  if (from.max > into.max) into.max = from.max;
  if (isLater(from.latestTs, from.latestId, into.latestTs, into.latestId)) {
    into.latest = from.latest;
    into.latestTs = from.latestTs;
    into.latestId = from.latestId;
  } else if (from.latestTs === into.latestTs && from.latestId === into.latestId && from.latest > into.latest)
    into.latest = from.latest;
}

/** The metric's usage in billionths; a count too. */
export function usedAmount(totals: Totals, aggregation: Aggregation): Billionths {
  switch (aggregation) {
    case 'sum':
      return totals.sum;
    case 'count':
      return totals.count * ONE;
    case 'max':
      return totals.max;
    case 'min':
      return totals.min;
    case 'latest':
      return totals.latest;
  }
}

/** The metric's usage as a decimal string. */
export function usageOf(totals: Totals, aggregation: Aggregation): string {
  return formatDecimal(usedAmount(totals, aggregation));
}

/** Ties of ts go to the higher id, by UTF-8 bytes: the order that Postgres' "C" collation has too. */
export function isLater(ts: number, id: string, thanTs: number, thanId: string): boolean {
  if (ts !== thanTs) return ts > thanTs;
  return Buffer.compare(Buffer.from(id), Buffer.from(thanId)) > 0;
}

/** JSON with sorted keys of the attributes named; an attribute that the event lacks is left out. */
export function groupKey(groupBy: readonly string[], attrs: Readonly<Record<string, string>>): string {
  if (groupBy.length === 0) return '{}';
  const [only] = groupBy;
  if (groupBy.length === 1 && only !== undefined) return singleKey(only, attrs);
  let text = '';
  for (const name of groupBy.toSorted()) {
    const value = Object.hasOwn(attrs, name) ? attrs[name] : undefined;
    if (value !== undefined)
      text += `${text === '' ? '' : ','}${JSON.stringify(name)}:${JSON.stringify(value)}`;
  }
  return `{${text}}`;
}

/** Keys of one attribute met before; most metrics have one attribute with few values. Emptied when full. */
const singleKeys = new Map<string, Map<string, string>>();
const MAX_SINGLE_KEYS = 10_000;

function singleKey(name: string, attrs: Readonly<Record<string, string>>): string {
  const value = Object.hasOwn(attrs, name) ? attrs[name] : undefined;
  if (value === undefined) return '{}';
  let keys = singleKeys.get(name);
  if (keys === undefined || keys.size >= MAX_SINGLE_KEYS) {
    if (singleKeys.size >= MAX_SINGLE_KEYS) singleKeys.clear();
    keys = new Map();
    singleKeys.set(name, keys);
  }
  let key = keys.get(value);
  if (key === undefined) {
    key = `{${JSON.stringify(name)}:${JSON.stringify(value)}}`;
    keys.set(value, key);
  }
  return key;
}
