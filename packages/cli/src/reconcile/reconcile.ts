/**
 * The reconciliation:
 *
 * 1. One instant of Postgres: next offsets, buckets, quarantine, what producers reported.
 * 2. Kafka's log from its start up to exactly those next offsets, counted anew.
 * 3. Both compared by bucket; producers' totals compared with Kafka's.
 * 4. ClickHouse compared with Postgres by bucket, once the mirror has come up with it.
 *
 * Counting goes on meanwhile: what is counted later lies above the next offsets of step 1.
 */
import type { Admin, Kafka } from 'kafkajs';
import {
  createEventDecoder,
  fetchLogRange,
  type FetchedRecord,
  type LogRange,
  type SchemaRegistry,
} from '@meterhouse/kafka';
import {
  visitReconciliationPoint,
  type CountingProgress,
  type Pool,
  type ProducerTotals,
  type QuarantinedDelivery,
  type ReconciliationPoint,
} from '@meterhouse/postgres';
import { DAY_MS } from '@meterhouse/usage';
import { DigestCounts, TooManyDigestsError } from '../digest-counts.ts';
import { CommandError } from '../exit.ts';
import { comparableHours, type PartitionRemains } from './comparable-hours.ts';
import {
  compareBuckets,
  compareExpected,
  compareReports,
  postgresTotals,
  reportedTotals,
  type BucketComparison,
  type Comparable,
  type ReportDifference,
} from './compare.ts';
import { decodeEvent } from './decode-events.ts';
import { KafkaCount, type KafkaTotals } from './kafka-count.ts';
import { BucketLedger, TooManyBucketsError } from './ledger-of-buckets.ts';
import { readLog, type Stretch } from './read-log.ts';
import type { Total } from './sums.ts';

/** As far ahead of its receipt as the aggregator can be told to take an event (WINDOW_AHEAD_MINUTES). */
const MOST_AHEAD_MS = DAY_MS;

export interface ReconcileOptions {
  readonly topic: string;
  /** Null for all. */
  readonly metric: string | null;
  readonly expected: ProducerTotals | null;
  /** Different events, buckets and quarantine rows that may be held in memory. */
  readonly maxEvents: number;
  readonly maxListed: number;
}

export interface ReconcilePorts {
  readonly pool: Pool;
  readonly kafka: Kafka;
  readonly admin: Admin;
  readonly schemas: SchemaRegistry;
  readonly signal: AbortSignal;
  readonly onProgress: (records: bigint, of: bigint) => void;
}

/** Kafka against Postgres. */
export interface Reconciliation {
  readonly progress: readonly CountingProgress[];
  readonly stretches: readonly Stretch[];
  readonly comparable: Comparable;
  readonly kafka: KafkaTotals;
  readonly postgres: ReadonlyMap<string, Total>;
  readonly buckets: BucketComparison;
  /** By metric, of the sources that report. */
  readonly reported: ReadonlyMap<string, Total>;
  /** Null: not compared, because Kafka no longer holds all that was sent. */
  readonly reportDifferences: readonly ReportDifference[] | null;
  readonly expected: ProducerTotals | null;
  readonly expectedDifferences: readonly ReportDifference[] | null;
  /** Partitions whose log ends below their next offset: the topic was made anew. */
  readonly beyondEnd: readonly number[];
  readonly resumptions: ReconciliationPoint['resumptions'];
}

export async function reconcile(options: ReconcileOptions, ports: ReconcilePorts): Promise<Reconciliation> {
  try {
    return await reconcileWithin(options, ports);
  } catch (error) {
    if (!(error instanceof TooManyDigestsError) && !(error instanceof TooManyBucketsError)) throw error;
    throw new CommandError(
      `there is more than fits: ${error.message}`,
      `raise --max-events (about 30 bytes of memory an event), now ${options.maxEvents}`,
      error,
    );
  }
}

async function reconcileWithin(options: ReconcileOptions, ports: ReconcilePorts): Promise<Reconciliation> {
  const { topic, metric, maxEvents } = options;
  const ledger = new BucketLedger({ maxBuckets: maxEvents });
  const quarantined: QuarantinedDelivery[] = [];
  const point = await visitReconciliationPoint(ports.pool, topic, {
    buckets: (page) => {
      for (const bucket of page) {
        const { tenantId, hour, attrsKey, count, sum, min, max, latest, latestTs, latestId } = bucket;
        const sums = { count, sum, min, max, latest, latestTs, latestId };
        ledger.setPostgres({ tenantId, metric: bucket.metric, hour, attrsKey }, sums);
      }
    },
    partlyDirect: ({ direct, tenantId, metric: name, hour, attrsKey }) => {
      ledger.setDirect({ tenantId, metric: name, hour, attrsKey }, direct);
    },
    quarantined: (page) => {
      if (quarantined.length + page.length > maxEvents) throw new TooManyDigestsError(maxEvents);
      for (const row of page) quarantined.push(row);
    },
  });
  const ranges = await fetchLogRange(ports.admin, topic);
  const stretches = stretchesOf(point.progress, ranges);
  const count = new KafkaCount({
    ledger,
    registry: point.registry,
    reports: point.reports,
    quarantined,
    // Events of a source that reports are remembered a second time, under its name.
    seen: new DigestCounts({ maxEntries: 2 * maxEvents }),
  });
  const firstReceivedAt = await countLog(options.topic, stretches, count, ports);
  const comparable = comparableHours(
    stretches.map((one) => remains(one, firstReceivedAt)),
    MOST_AHEAD_MS,
  );
  const kafka = count.finish((place) =>
    stretches.some(
      (one) => one.partition === place.partition && place.offset >= one.from && place.offset < one.to,
    ),
  );
  const isWhole = comparable.kind === 'all';
  return {
    progress: point.progress,
    stretches,
    comparable,
    kafka,
    postgres: postgresTotals(ledger),
    buckets: compareBuckets(ledger, comparable, metric, options.maxListed),
    reported: reportedTotals(point.reports),
    reportDifferences: isWhole ? compareReports(point.reports, kafka.bySource, metric) : null,
    expected: options.expected,
    expectedDifferences:
      isWhole && options.expected !== null ? compareExpected(options.expected, kafka.distinct, metric) : null,
    beyondEnd: point.progress
      .filter((one) => one.nextOffset > (ranges.get(one.partition)?.high ?? 0n))
      .map((one) => one.partition),
    resumptions: point.resumptions,
  };
}

/** From where each log begins now to where Postgres stood at the point. */
function stretchesOf(
  progress: readonly CountingProgress[],
  ranges: ReadonlyMap<number, LogRange>,
): readonly Stretch[] {
  return progress.map(({ partition, nextOffset }) => {
    const { low, high } = ranges.get(partition) ?? { low: 0n, high: 0n };
    return { partition, from: low, to: nextOffset < high ? nextOffset : high };
  });
}

function remains(
  { partition, from }: Stretch,
  firstReceivedAt: ReadonlyMap<number, number>,
): PartitionRemains {
  return { partition, logStart: from, firstReceivedAt: firstReceivedAt.get(partition) ?? null };
}

/** @returns when the first record of each partition was received */
async function countLog(
  topic: string,
  stretches: readonly Stretch[],
  count: KafkaCount,
  ports: ReconcilePorts,
): Promise<ReadonlyMap<number, number>> {
  const decoder = createEventDecoder(ports.schemas);
  const firstReceivedAt = new Map<number, number>();
  const total = stretches.reduce((sum, { from, to }) => (to > from ? sum + to - from : sum), 0n);
  const onRecord = (partition: number, record: FetchedRecord): Promise<void> | undefined => {
    if (!firstReceivedAt.has(partition)) firstReceivedAt.set(partition, record.receivedAt);
    return decodeEvent(decoder, record.payload, (event) => {
      count.add({ partition, offset: record.offset }, event);
    });
  };
  await readLog({
    kafka: ports.kafka,
    admin: ports.admin,
    topic,
    stretches,
    onRecord,
    onProgress: (records) => {
      ports.onProgress(records, total);
    },
    signal: ports.signal,
  });
  return firstReceivedAt;
}
