/** What a bucket must hold, counted in the plainest way. */
import { billionths, decimalText } from './decimal.ts';

export interface Totals {
  sum: bigint;
  count: bigint;
  min: bigint;
  max: bigint;
  latest: bigint;
  latestTs: number;
  latestId: string;
}

/** By tenant, metric, start of the hour or day, and grouping attributes; see `bucketKey`. */
export type Book = Map<string, Totals>;

export function bucketKey(tenantId: string, metric: string, start: number, attrs: string): string {
  return [tenantId, metric, new Date(start).toISOString(), attrs].join(' | ');
}

/** Attributes in one spelling, whatever the order of their keys. */
export function attrsText(attrs: Readonly<Record<string, string>>): string {
  return JSON.stringify(
    Object.entries(attrs).sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
  );
}

export function addTo(book: Book, key: string, event: { value: string; ts: number; id: string }): void {
  const value = billionths(event.value);
  mergeInto(book, key, {
    sum: value,
    count: 1n,
    min: value,
    max: value,
    latest: value,
    latestTs: event.ts,
    latestId: event.id,
  });
}

export function mergeInto(book: Book, key: string, more: Totals): void {
  const totals = book.get(key);
  if (totals === undefined) {
    book.set(key, { ...more });
    return;
  }
  totals.sum += more.sum;
  totals.count += more.count;
  if (more.min < totals.min) totals.min = more.min;
  if (more.max > totals.max) totals.max = more.max;
  const later =
    more.latestTs > totals.latestTs ||
    (more.latestTs === totals.latestTs &&
      Buffer.compare(Buffer.from(more.latestId), Buffer.from(totals.latestId)) > 0);
  if (!later) return;
  totals.latest = more.latest;
  totals.latestTs = more.latestTs;
  totals.latestId = more.latestId;
}

export interface BookComparison {
  readonly mismatched: number;
  /** Events that the store counts too many, added up over the buckets. */
  readonly excess: number;
  /** Events that the store counts too few. */
  readonly shortage: number;
  /** The first mismatches in words. */
  readonly findings: readonly string[];
}

/** @param withLatestEvent whether the store also says when and by which id `latest` was */
export function compareBooks(
  store: string,
  expected: Book,
  actual: Book,
  withLatestEvent: boolean,
  maxFindings: number,
): BookComparison {
  let mismatched = 0;
  let excess = 0n;
  let shortage = 0n;
  const findings: string[] = [];
  for (const key of new Set([...expected.keys(), ...actual.keys()])) {
    const wanted = expected.get(key);
    const found = actual.get(key);
    const difference = (found?.count ?? 0n) - (wanted?.count ?? 0n);
    if (difference > 0n) excess += difference;
    else shortage -= difference;
    if (wanted !== undefined && found !== undefined && same(wanted, found, withLatestEvent)) continue;
    mismatched += 1;
    if (findings.length < maxFindings)
      findings.push(`${store} ${key}: is ${inWords(found)}, must be ${inWords(wanted)}`);
  }
  return { mismatched, excess: Number(excess), shortage: Number(shortage), findings };
}

function same(a: Totals, b: Totals, withLatestEvent: boolean): boolean {
  return (
    a.sum === b.sum &&
    a.count === b.count &&
    a.min === b.min &&
    a.max === b.max &&
    a.latest === b.latest &&
    (!withLatestEvent || (a.latestTs === b.latestTs && a.latestId === b.latestId))
  );
}

function inWords(totals: Totals | undefined): string {
  if (totals === undefined) return 'missing';
  const { sum, count, min, max, latest, latestTs, latestId } = totals;
  return `${decimalText(sum)} of ${count} (${decimalText(min)} to ${decimalText(max)}, latest ${decimalText(latest)} by ${latestId} at ${new Date(latestTs).toISOString()})`;
}
