/** Kafka's buckets against Postgres', and the totals of producers against both. Pure. */
import type { ProducerTotals } from '@meterhouse/postgres';
import type { BucketLedger, BucketPair } from './ledger-of-buckets.ts';
import { addTo, isSameBucket, isSameTotal, ZERO, type BucketSums, type Total } from './sums.ts';

/** From which hour on Kafka still has everything that Postgres counted. */
export type Comparable =
  /** The logs begin where they always began. */
  | { readonly kind: 'all' }
  /** Retention has deleted records: only buckets of later hours can be compared in full. */
  | { readonly kind: 'from'; readonly hour: number }
  /** Nothing that Kafka holds is sure to be all of any hour. */
  | { readonly kind: 'none' };

export interface BucketComparison {
  /** Buckets compared in every number. */
  readonly compared: number;
  /** Buckets of which Kafka may have lost a part: only that it holds no more than Postgres. */
  readonly atLeast: number;
  /** Buckets of which a part was counted directly: of them only the number of events is compared. */
  readonly partlyDirect: number;
  /** Events in those buckets that were counted directly. */
  readonly directEvents: bigint;
  readonly different: number;
  readonly listed: readonly BucketPair[];
  /** (tenant, metric, hour) whose split by attributes is another than today's, and whose sums agree. */
  readonly regrouped: number;
}

/** @param metric null for all */
export function compareBuckets(
  ledger: BucketLedger,
  comparable: Comparable,
  metric: string | null,
  maxListed: number,
): BucketComparison {
  const suspects: BucketPair[] = [];
  let compared = 0;
  let atLeast = 0;
  let partlyDirect = 0;
  let directEvents = 0n;
  for (const pair of ledger.values()) {
    if (metric !== null && pair.key.metric !== metric) continue;
    const inFull =
      comparable.kind === 'all' || (comparable.kind === 'from' && pair.key.hour >= comparable.hour);
    if (pair.direct > 0n) {
      partlyDirect += 1;
      directEvents += pair.direct;
      if (inFull ? !fitsDirect(pair) : holdsMore(pair)) suspects.push(pair);
      continue;
    }
    if (inFull) compared += 1;
    else atLeast += 1;
    if (inFull ? !isSame(pair) : holdsMore(pair)) suspects.push(pair);
  }
  const { different, regrouped } = withoutRegrouped(suspects, ledger);
  return {
    compared,
    atLeast,
    partlyDirect,
    directEvents,
    different: different.length,
    listed: different.slice(0, maxListed),
    regrouped,
  };
}

function isSame({ kafka, postgres }: BucketPair): boolean {
  return kafka !== null && postgres !== null && isSameBucket(kafka, postgres);
}

/** An event may have come both ways: it counts once, and Kafka holds it all the same. */
function fitsDirect({ kafka, postgres, direct }: BucketPair): boolean {
  const inKafka = kafka?.count ?? 0n;
  const inPostgres = postgres?.count ?? 0n;
  return inKafka <= inPostgres && inKafka >= inPostgres - direct;
}

function holdsMore({ kafka, postgres }: BucketPair): boolean {
  return kafka !== null && kafka.count > (postgres?.count ?? 0n);
}

/**
 * A metric's groupBy may be changed while it counts; what was counted before keeps its split. Such an
 * hour is compared undivided. A split that uses the same attributes on both sides and differs all the
 * same is a real difference.
 */
function withoutRegrouped(
  suspects: readonly BucketPair[],
  ledger: BucketLedger,
): { different: readonly BucketPair[]; regrouped: number } {
  const hours = new Map<string, BucketPair[]>(suspects.map((pair) => [hourText(pair), []]));
  for (const pair of ledger.values()) hours.get(hourText(pair))?.push(pair);
  const agreeing = new Set<string>();
  for (const [hour, pairs] of hours)
    if (namesOf(pairs, 'kafka') !== namesOf(pairs, 'postgres') && agreesUndivided(pairs)) agreeing.add(hour);
  return {
    different: suspects.filter((pair) => !agreeing.has(hourText(pair))),
    regrouped: agreeing.size,
  };
}

function hourText({ key }: BucketPair): string {
  return `${key.tenantId}\0${key.metric}\0${key.hour}`;
}

type Side = 'kafka' | 'postgres';

/** The attributes that a side splits the hour by. */
function namesOf(pairs: readonly BucketPair[], side: Side): string {
  const names = pairs
    .filter((pair) => pair[side] !== null)
    .map((pair) => Object.keys(JSON.parse(pair.key.attrsKey) as object).join('\0'));
  return [...new Set(names)].sort().join('\n');
}

function agreesUndivided(pairs: readonly BucketPair[]): boolean {
  const kafka = undivided(pairs.map((pair) => pair.kafka));
  const postgres = undivided(pairs.map((pair) => pair.postgres));
  return kafka !== null && postgres !== null && isSameBucket(kafka, postgres);
}

function undivided(all: readonly (BucketSums | null)[]): BucketSums | null {
  let total: BucketSums | null = null;
  for (const one of all) {
    if (one === null) continue;
    if (total === null) {
      total = { ...one };
      continue;
    }
    total.count += one.count;
    total.sum += one.sum;
    total.min = one.min < total.min ? one.min : total.min;
    total.max = one.max > total.max ? one.max : total.max;
    const isLater =
      one.latestTs > total.latestTs ||
      (one.latestTs === total.latestTs && Buffer.from(one.latestId).compare(Buffer.from(total.latestId)) > 0);
    if (isLater) Object.assign(total, { latest: one.latest, latestTs: one.latestTs, latestId: one.latestId });
  }
  return total;
}

/** Postgres' totals by metric. */
export function postgresTotals(ledger: BucketLedger): Map<string, Total> {
  const totals = new Map<string, Total>();
  for (const { key, postgres } of ledger.values())
    if (postgres !== null) addTo(totals, key.metric, { events: postgres.count, sum: postgres.sum });
  return totals;
}

/** A producer's word against what Kafka holds of it. */
export interface ReportDifference {
  readonly source: string;
  readonly metric: string;
  readonly reported: Total;
  readonly kafka: Total;
}

export function compareReports(
  reports: ReadonlyMap<string, ProducerTotals>,
  bySource: ReadonlyMap<string, ReadonlyMap<string, Total>>,
  metric: string | null,
): readonly ReportDifference[] {
  const differences: ReportDifference[] = [];
  for (const [source, reported] of reports) {
    const found = bySource.get(source) ?? new Map<string, Total>();
    for (const name of new Set([...reported.keys(), ...found.keys()])) {
      if (metric !== null && name !== metric) continue;
      const said = reported.get(name) ?? ZERO;
      const kafka = found.get(name) ?? ZERO;
      if (!isSameTotal(said, kafka)) differences.push({ source, metric: name, reported: said, kafka });
    }
  }
  return differences;
}

/** What was expected in all against all that Kafka holds, by metric. */
export function compareExpected(
  expected: ProducerTotals,
  distinct: ReadonlyMap<string, Total>,
  metric: string | null,
): readonly ReportDifference[] {
  return [...new Set([...expected.keys(), ...distinct.keys()])].flatMap((name) => {
    if (metric !== null && name !== metric) return [];
    // A message that cannot be read has no metric; nobody can expect it by one.
    if (!expected.has(name) && name.startsWith('(')) return [];
    const said = expected.get(name) ?? ZERO;
    const kafka = distinct.get(name) ?? ZERO;
    return isSameTotal(said, kafka) ? [] : [{ source: 'expected', metric: name, reported: said, kafka }];
  });
}

/** What the sources that report have said, by metric. */
export function reportedTotals(reports: ReadonlyMap<string, ProducerTotals>): Map<string, Total> {
  const totals = new Map<string, Total>();
  for (const report of reports.values()) for (const [metric, total] of report) addTo(totals, metric, total);
  return totals;
}
