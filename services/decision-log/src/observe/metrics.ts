/** Everything that the decision log exports besides what all services do. */
import { counter, gauge, histogram } from '@meterhouse/runtime/metrics';

export const DECISION_LOG_METRICS = {
  decisions: counter({
    name: 'decision_log_decisions_total',
    unit: 'decisions',
    help: 'Decisions that were taken from Kafka, those delivered again among them, by outcome and reason.',
    labels: ['outcome', 'reason'],
  }),
  kept: counter({
    name: 'decision_log_kept_total',
    unit: 'decisions',
    help: 'Decisions that were new and are kept.',
  }),
  unreadable: counter({
    name: 'decision_log_unreadable_total',
    unit: 'messages',
    help: 'Messages that are no decision, or that Postgres refuses; kept in unreadable_decisions.',
    labels: ['reason'],
  }),
  writeSeconds: histogram({
    name: 'decision_log_write_seconds',
    unit: 'seconds',
    help: 'How long it took to keep a batch, waits for a store that is away included.',
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300],
  }),
  waiting: gauge({
    name: 'decision_log_store_away',
    unit: '1 or 0',
    help: 'Whether decisions wait for a store that is away.',
    labels: ['store'],
  }),
  assigned: gauge({
    name: 'decision_log_assigned_partitions',
    unit: 'partitions',
    help: 'Partitions that this instance holds.',
  }),
  rebalances: counter({
    name: 'decision_log_rebalances_total',
    unit: 'rebalances',
    help: 'Times that Kafka gave this instance its partitions anew.',
  }),
  consumerRestarts: counter({
    name: 'decision_log_consumer_restarts_total',
    unit: 'restarts',
    help: 'Times that the Kafka consumer failed and started again by itself.',
  }),
  lagEvents: gauge({
    name: 'decision_log_lag_events',
    unit: 'messages',
    help: 'Messages that lie in Kafka and are not kept yet, by partition. Every instance says the same.',
    labels: ['partition'],
  }),
  lagSeconds: gauge({
    name: 'decision_log_lag_seconds',
    unit: 'seconds',
    help: 'Age of the instant at which a partition was last seen kept to its end, by partition; since the start of the process, before that was seen.',
    labels: ['partition'],
  }),
  lost: gauge({
    name: 'decision_log_partition_lost',
    unit: '1 or 0',
    help: 'Whether Kafka no longer holds what comes next of a partition: decisions were lost before they were kept.',
    labels: ['partition'],
  }),
} as const;
