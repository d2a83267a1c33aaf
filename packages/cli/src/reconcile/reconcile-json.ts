/** What `reconcile` prints under --json. */
import type { Difference, MirrorComparison } from '@meterhouse/clickhouse';
import { formatDecimal } from '@meterhouse/usage';
import type { Json } from '../output/output.ts';
import type { ReportDifference } from './compare.ts';
import type { BucketKey, BucketPair } from './ledger-of-buckets.ts';
import { metricRows } from './metric-rows.ts';
import type { Reconciliation } from './reconcile.ts';
import type { Total } from './sums.ts';
import { problemsOf, verdictOf } from './verdict.ts';

function totalJson({ events, sum }: Total): Json {
  return { events: events.toString(), sum: formatDecimal(sum) };
}

function keyJson({ tenantId, metric, hour, attrsKey }: BucketKey): Readonly<Record<string, Json>> {
  return { tenantId, metric, hour: new Date(hour).toISOString(), attrs: JSON.parse(attrsKey) as Json };
}

function pairJson({ key, kafka, postgres }: BucketPair): Json {
  return {
    ...keyJson(key),
    kafka: kafka === null ? null : totalJson({ events: kafka.count, sum: kafka.sum }),
    postgres: postgres === null ? null : totalJson({ events: postgres.count, sum: postgres.sum }),
  };
}

function reportJson({ source, metric, reported, kafka }: ReportDifference): Json {
  return { source, metric, reported: totalJson(reported), kafka: totalJson(kafka) };
}

export function reconcileJson(
  one: Reconciliation,
  mirror: MirrorComparison | null,
  metric: string | null,
): Json {
  const { comparable, buckets, kafka } = one;
  return {
    verdict: verdictOf(one, mirror),
    problems: problemsOf(one, mirror),
    partitions: one.stretches.map(({ partition, from, to }) => ({
      partition,
      from: from.toString(),
      to: to.toString(),
    })),
    comparable:
      comparable.kind === 'from' ? { from: new Date(comparable.hour).toISOString() } : comparable.kind,
    messages: kafka.messages.toString(),
    metrics: metricRows(one, metric).map((row) => ({
      metric: row.metric,
      producers: row.producers === null ? null : totalJson(row.producers),
      expected: row.expected === null ? null : totalJson(row.expected),
      kafka: totalJson(row.kafka),
      postgres: totalJson(row.postgres),
      waiting: totalJson(row.waiting),
      discarded: totalJson(row.discarded),
    })),
    buckets: {
      compared: buckets.compared,
      atLeast: buckets.atLeast,
      partlyDirect: buckets.partlyDirect,
      directEvents: buckets.directEvents.toString(),
      regrouped: buckets.regrouped,
      different: buckets.different,
      listed: buckets.listed.map(pairJson),
    },
    unaccounted: {
      count: kafka.unaccountedCount.toString(),
      listed: kafka.unaccounted.map(({ partition, offset }) => ({ partition, offset: offset.toString() })),
    },
    quarantineWithoutMessage: {
      count: kafka.orphanCount.toString(),
      listed: kafka.orphans.map(({ id }) => id.toString()),
    },
    producers: one.reportDifferences === null ? null : { different: one.reportDifferences.map(reportJson) },
    expected:
      one.expectedDifferences === null ? null : { different: one.expectedDifferences.map(reportJson) },
    mirror:
      mirror === null
        ? null
        : {
            postgresBuckets: mirror.postgresBuckets,
            clickhouseBuckets: mirror.clickhouseBuckets,
            different: mirror.different,
            moving: mirror.moving,
            behind: mirror.mirrorBehind,
            listed: mirror.listed.map(mirrorDifferenceJson),
          },
  };
}

function mirrorDifferenceJson({ key, postgres, clickhouse }: Difference): Json {
  const side = (bucket: Difference['postgres']): Json =>
    bucket === null
      ? null
      : {
          events: bucket.count.toString(),
          sum: formatDecimal(bucket.sum),
          revision: bucket.revision.toString(),
        };
  return { ...keyJson(key), postgres: side(postgres), clickhouse: side(clickhouse) };
}
