/** Everything that the snapshot publisher exports besides what all services do. */
import { counter, gauge, histogram } from '@meterhouse/runtime/metrics';

export const SNAPSHOT_METRICS = {
  leader: gauge({
    name: 'usage_snapshot_leader',
    unit: '1 or 0',
    help: 'Whether this instance publishes; the others stand by. The sum over all instances is 1.',
  }),
  epoch: gauge({
    name: 'usage_snapshot_epoch',
    unit: 'number',
    help: 'The fencing number of the leader’s term; rises with each change of the leader.',
  }),
  age: gauge({
    name: 'usage_snapshot_age_seconds',
    unit: 'seconds',
    help: 'Age of what enforcement points have: of the instant as of which all usage is published. Since the leader’s term began, before that is known. Only from the leader; within some seconds of 0.',
  }),
  failing: gauge({
    name: 'usage_snapshot_failing',
    unit: '1 or 0',
    help: 'Whether the leader’s last attempt to publish failed. Only from the leader.',
  }),
  pendingKeys: gauge({
    name: 'usage_snapshot_pending_keys',
    unit: 'keys',
    help: 'Tenant, metric and period (and documents) of which readers do not have the latest. Only from the leader.',
  }),
  publishedKeys: gauge({
    name: 'usage_snapshot_published_keys',
    unit: 'keys',
    help: 'Tenant, metric and period of which readers have usage. Only from the leader.',
  }),
  buckets: gauge({
    name: 'usage_snapshot_buckets',
    unit: 'buckets',
    help: 'Hour buckets of the current month held in memory. Only from the leader, once they are loaded.',
  }),
  bucketLimit: gauge({
    name: 'usage_snapshot_bucket_limit',
    unit: 'buckets',
    help: 'More hour buckets than this end the process (SNAPSHOT_MAX_BUCKETS).',
  }),
  unregistered: gauge({
    name: 'usage_snapshot_unregistered_buckets',
    unit: 'buckets',
    help: 'Changed buckets left out because no registry knows their tenant or metric; always 0 when all is well. Only from the leader.',
  }),
  messages: counter({
    name: 'usage_snapshot_messages_total',
    unit: 'messages',
    help: 'Messages published, by kind: usage, document, registry, heartbeat.',
    labels: ['kind'],
  }),
  publishSeconds: histogram({
    name: 'usage_snapshot_publish_seconds',
    unit: 'seconds',
    help: 'How long it took to publish a batch, its transaction’s commit included.',
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
  }),
  failures: counter({
    name: 'usage_snapshot_publish_failures_total',
    unit: 'attempts',
    help: 'Attempts to publish, or to open for publishing, that failed and were made again.',
  }),
  terms: counter({
    name: 'usage_snapshot_terms_total',
    unit: 'terms',
    help: 'Times that this instance became the leader.',
  }),
} as const;
