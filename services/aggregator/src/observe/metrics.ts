/** Everything that the aggregator exports besides what all services do. */
import { counter, gauge, histogram } from '@meterhouse/runtime/metrics';

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** From counting itself, as it happens. */
export const COUNTING_METRICS = {
  flushSeconds: histogram({
    name: 'usage_aggregator_flush_seconds',
    unit: 'seconds',
    help: 'How long a flush took from its first attempt to its COMMIT, waits for Postgres included.',
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, MINUTE, 5 * MINUTE],
  }),
  flushEvents: histogram({
    name: 'usage_aggregator_flush_events',
    unit: 'events',
    help: 'Events in a flush that was committed.',
    buckets: [1, 10, 50, 100, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 100_000],
  }),
  flushes: counter({
    name: 'usage_aggregator_flushes_total',
    unit: 'flushes',
    help: 'Flushes by how they ended: committed; already_counted or gap (another worker was there); halted.',
    labels: ['outcome'],
  }),
  flushRetries: counter({
    name: 'usage_aggregator_flush_retries_total',
    unit: 'attempts',
    help: 'Attempts of a flush that failed and were made again: Postgres was away or in conflict.',
  }),
  events: counter({
    name: 'usage_events_total',
    unit: 'events',
    help: 'Events by their source and what became of them: counted, duplicate (de-duplication knew them) or quarantined.',
    labels: ['source', 'outcome'],
  }),
  quarantined: counter({
    name: 'usage_events_quarantined_total',
    unit: 'events',
    help: 'Events that were put into quarantine, by reason.',
    labels: ['reason'],
  }),
  replayed: counter({
    name: 'usage_quarantine_replayed_total',
    unit: 'events',
    help: 'Quarantined events that were replayed, by what became of them.',
    labels: ['outcome'],
  }),
  lateness: histogram({
    name: 'usage_event_lateness_seconds',
    unit: 'seconds',
    help: 'From the time of an event to its receipt by the broker, by source.',
    labels: ['source'],
    buckets: [1, 10, MINUTE, 5 * MINUTE, HOUR, 6 * HOUR, DAY, 7 * DAY, 35 * DAY],
  }),
  late: counter({
    name: 'usage_events_late_total',
    unit: 'events',
    help: 'Events that the broker received more than five minutes after their own time, by source.',
    labels: ['source'],
  }),
  sourceLastSeen: gauge({
    name: 'usage_source_last_seen_timestamp_seconds',
    unit: 'seconds since 1970',
    help: 'When the broker received the last event of a source that this worker has counted. Take the maximum over workers and over a day: a worker knows nothing of the time before its start.',
    labels: ['source'],
  }),
  rebalances: counter({
    name: 'usage_aggregator_rebalances_total',
    unit: 'rebalances',
    help: 'Times that Kafka gave this worker its partitions anew.',
  }),
  consumerRestarts: counter({
    name: 'usage_aggregator_consumer_restarts_total',
    unit: 'restarts',
    help: 'Times that the Kafka consumer failed and started again by itself. Restarts of the process: changes of process_start_time_seconds.',
  }),
} as const;

/** What the process holds in memory. */
export const WORKER_METRICS = {
  assignedPartitions: gauge({
    name: 'usage_aggregator_assigned_partitions',
    unit: 'partitions',
    help: 'Partitions that this worker holds and counts.',
  }),
  bufferedBytes: gauge({
    name: 'usage_aggregator_buffered_bytes',
    unit: 'bytes',
    help: 'Fetched and not counted yet, in this process.',
  }),
  bufferLimit: gauge({
    name: 'usage_aggregator_buffer_limit_bytes',
    unit: 'bytes',
    help: 'Above this nothing more is fetched (MAX_BUFFERED_MIB).',
  }),
  mirrorActive: gauge({
    name: 'usage_mirror_active',
    unit: '1 or 0',
    help: 'Whether this worker is the one that mirrors to ClickHouse. The sum over all workers is 1.',
  }),
  mirrorFailing: gauge({
    name: 'usage_mirror_failing',
    unit: '1 or 0',
    help: 'Whether the active mirror’s last attempt failed: ClickHouse or Postgres is away.',
  }),
  mirrorBatches: gauge({
    name: 'usage_mirror_batches',
    unit: 'batches',
    help: 'Batches that the active mirror has passed on since it became active.',
  }),
  mirrorResyncs: gauge({
    name: 'usage_mirror_resyncs',
    unit: 'rebuilds',
    help: 'Times that the active mirror has made ClickHouse again from Postgres since it became active.',
  }),
} as const;

/** What Postgres and Kafka say, asked on a schedule. Every worker says the same: take the maximum. */
export const STANDING_METRICS = {
  lagSeconds: gauge({
    name: 'usage_aggregator_lag_seconds',
    unit: 'seconds',
    help: 'Age of the instant through which all partitions are counted. Within a second or two of 0, also when nothing is sent.',
  }),
  lagEvents: gauge({
    name: 'usage_aggregator_lag_events',
    unit: 'events',
    help: 'Events that lie in Kafka and are not counted yet, by partition.',
    labels: ['partition'],
  }),
  processedThroughAge: gauge({
    name: 'usage_aggregator_processed_through_age_seconds',
    unit: 'seconds',
    help: 'Age of the instant through which a partition is counted; of one that was never counted, since it was first seen so.',
    labels: ['partition'],
  }),
  partitionHalted: gauge({
    name: 'usage_aggregator_partition_halted',
    unit: '1 or 0',
    help: 'Whether a partition is halted because Kafka no longer holds what comes next.',
    labels: ['partition'],
  }),
  tailerLagSeconds: gauge({
    name: 'usage_tailer_lag_seconds',
    unit: 'seconds',
    help: 'How far the ClickHouse mirror (clickhouse_mirror) and the snapshot publisher (quota-snapshot) are behind counting.',
    labels: ['tailer'],
  }),
  tailerAge: gauge({
    name: 'usage_tailer_complete_through_age_seconds',
    unit: 'seconds',
    help: 'Age of the instant through which a tailer is complete: what its readers see, the lag of counting included.',
    labels: ['tailer'],
  }),
  tailerLagRows: gauge({
    name: 'usage_tailer_lag_rows',
    unit: 'rows',
    help: 'Change-log rows (flushes) that wait for a tailer.',
    labels: ['tailer'],
  }),
  tailerResyncing: gauge({
    name: 'usage_tailer_resyncing',
    unit: '1 or 0',
    help: 'Whether a tailer starts again from the hour buckets; its rows behind say nothing meanwhile.',
    labels: ['tailer'],
  }),
  changeLogLimit: gauge({
    name: 'usage_change_log_limit_rows',
    unit: 'rows',
    help: 'At so many rows behind, a tailer is given up and starts again from the hour buckets (MAX_CHANGE_LOG_ROWS).',
  }),
  quarantineOpen: gauge({
    name: 'usage_quarantine_open_events',
    unit: 'events',
    help: 'Events that wait in quarantine for a person, by reason; counted up to 100,000 of each.',
    labels: ['reason'],
  }),
  quarantineOldest: gauge({
    name: 'usage_quarantine_oldest_age_seconds',
    unit: 'seconds',
    help: 'How long the first event that came into quarantine for a reason has waited; none for a reason for which none waits.',
    labels: ['reason'],
  }),
  attributeSets: gauge({
    name: 'usage_metric_attribute_sets',
    unit: 'attribute sets',
    help: 'Distinct attributes of a metric’s buckets in the last 24 hours, found in its first 100,000 buckets. Only from the worker that mirrors; the 100 metrics with the most, the others summed as "other".',
    labels: ['metric'],
  }),
} as const;

/** The last comparison of the mirror with Postgres, over the last 48 hours of buckets. */
export const DRIFT_METRICS = {
  drift: gauge({
    name: 'usage_mirror_drift_buckets',
    unit: 'buckets',
    help: 'Buckets of the last 48 hours that ClickHouse does not hold as Postgres does, in the last comparison. 0 when all is well. Only from the worker that mirrors.',
  }),
  compared: gauge({
    name: 'usage_mirror_compared_buckets',
    unit: 'buckets',
    help: 'Buckets of Postgres that the last comparison looked at. Only from the worker that mirrors.',
  }),
  age: gauge({
    name: 'usage_mirror_comparison_age_seconds',
    unit: 'seconds',
    help: 'Age of the last comparison that could be made, or of the first attempt where none could; one is made every ten minutes (MIRROR_COMPARISON_SECONDS). Only from the worker that mirrors.',
  }),
} as const;

export const AGGREGATOR_METRICS = [
  ...Object.values(STANDING_METRICS),
  ...Object.values(COUNTING_METRICS),
  ...Object.values(WORKER_METRICS),
  ...Object.values(DRIFT_METRICS),
];
