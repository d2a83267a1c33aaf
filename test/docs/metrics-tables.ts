import { DECISION_PUBLISHER_METRICS, GATE_METRICS, STRICT_METRICS } from '@meterhouse/gate/prometheus';
import { COMMON_METRICS, OBSERVATION_METRICS, type MetricDefinition } from '@meterhouse/runtime/metrics';
import { TRACE_METRICS } from '@meterhouse/runtime/tracing';
import {
  COUNTING_METRICS,
  DRIFT_METRICS,
  STANDING_METRICS,
  WORKER_METRICS,
} from '../../services/aggregator/src/observe/metrics.ts';
import { API_METRICS, INTAKE_METRICS, KEY_LIMIT_METRICS } from '../../services/api/src/observe/metrics.ts';
import { DECISION_LOG_METRICS } from '../../services/decision-log/src/observe/metrics.ts';
import { WEBHOOK_METRICS } from '../../services/webhooks/src/observe.ts';
import { RELAY_METRICS } from '../../services/relay/src/observe.ts';
import { SNAPSHOT_METRICS } from '../../services/quota-snapshot/src/observe/metrics.ts';
import { markdownTable } from './markdown-table.ts';

/** Every metric of ours, by whoever exports it. */
export const EXPORTED: readonly { readonly title: string; readonly metrics: readonly MetricDefinition[] }[] =
  [
    {
      title: 'aggregator: how counting stands (Postgres and Kafka, asked on a schedule)',
      metrics: Object.values(STANDING_METRICS),
    },
    { title: 'aggregator: counting, as it happens', metrics: Object.values(COUNTING_METRICS) },
    { title: 'aggregator: the process', metrics: Object.values(WORKER_METRICS) },
    { title: 'aggregator: ClickHouse compared with Postgres', metrics: Object.values(DRIFT_METRICS) },
    { title: 'quota-snapshot', metrics: Object.values(SNAPSHOT_METRICS) },
    { title: 'decision-log', metrics: Object.values(DECISION_LOG_METRICS) },
    { title: 'webhooks', metrics: Object.values(WEBHOOK_METRICS) },
    { title: 'relay', metrics: Object.values(RELAY_METRICS) },
    { title: 'api', metrics: Object.values(API_METRICS) },
    {
      title: 'api: events that come in, and the limiter of keys',
      metrics: [...Object.values(INTAKE_METRICS), ...Object.values(KEY_LIMIT_METRICS)],
    },
    {
      title:
        'a process with a gate (`@meterhouse/gate/prometheus`); all but the strict counters of our own API too',
      metrics: [
        ...Object.values(GATE_METRICS),
        ...Object.values(STRICT_METRICS),
        ...Object.values(DECISION_PUBLISHER_METRICS),
      ],
    },
    {
      title: 'a service that asks stores on a schedule: aggregator, webhooks, relay, api',
      metrics: Object.values(OBSERVATION_METRICS),
    },
    { title: 'every service', metrics: Object.values(COMMON_METRICS) },
    { title: 'a service that makes traces', metrics: Object.values(TRACE_METRICS) },
  ];

export function metricsTables(): string {
  return EXPORTED.map(({ title, metrics }) =>
    [`## ${title}`, markdownTable(['name', 'type', 'labels', 'unit', 'meaning'], metrics.map(row))].join(
      '\n\n',
    ),
  ).join('\n\n');
}

function row({ name, type, labels, unit, help }: MetricDefinition): string[] {
  return [`\`${name}\``, type, labels.map((label) => `\`${label}\``).join(', '), unit, help];
}
