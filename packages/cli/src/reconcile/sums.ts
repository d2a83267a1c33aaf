/**
 * The reconciliation's own arithmetic. It shares no code with the aggregator's: a mistake made there
 * must not be made here again. Quantities are BigInts of billionths.
 */

/** Events and their exact sum. */
export interface Total {
  readonly events: bigint;
  readonly sum: bigint;
}

export const ZERO: Total = { events: 0n, sum: 0n };

function plus(a: Total, b: Total): Total {
  return { events: a.events + b.events, sum: a.sum + b.sum };
}

export function isSameTotal(a: Total, b: Total): boolean {
  return a.events === b.events && a.sum === b.sum;
}

/** Adds to the entry of a map of totals. */
export function addTo(totals: Map<string, Total>, key: string, total: Total): void {
  totals.set(key, plus(totals.get(key) ?? ZERO, total));
}

/** Everything that a bucket says about its events. */
export interface BucketSums {
  count: bigint;
  sum: bigint;
  min: bigint;
  max: bigint;
  latest: bigint;
  latestTs: number;
  latestId: string;
}

/** What of an event goes into a bucket. */
export interface Counted {
  readonly value: bigint;
  readonly ts: number;
  readonly id: string;
}

export function firstOf({ value, ts, id }: Counted): BucketSums {
  return { count: 1n, sum: value, min: value, max: value, latest: value, latestTs: ts, latestId: id };
}

export function addEventTo(sums: BucketSums, { value, ts, id }: Counted): void {
  sums.count += 1n;
  sums.sum += value;
  sums.min = value < sums.min ? value : sums.min;
  sums.max = value > sums.max ? value : sums.max;
  const isLater =
    ts > sums.latestTs || (ts === sums.latestTs && Buffer.from(id).compare(Buffer.from(sums.latestId)) > 0);
  if (isLater) Object.assign(sums, { latest: value, latestTs: ts, latestId: id });
}

export function isSameBucket(a: BucketSums, b: BucketSums): boolean {
  return (
    a.count === b.count &&
    a.sum === b.sum &&
    a.min === b.min &&
    a.max === b.max &&
    a.latest === b.latest &&
    a.latestTs === b.latestTs &&
    a.latestId === b.latestId
  );
}
