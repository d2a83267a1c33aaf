/** For whoever plans: which tenants come near their limits, what grows, and how far the bounds are. */
import type { BoardSpec, RowSpec } from './panel.ts';

const consumed = 'max by (tenant, metric) (tenant_quota_consumed{tenant=~"$tenant",metric=~"$metric"})';
const limit = 'max by (tenant, metric) (tenant_quota_limit{tenant=~"$tenant",metric=~"$metric"})';
/** A second. Whoever grows by nothing, or starts a new period, is projected to nothing. */
const growth =
  '(max by (tenant, metric) (deriv(tenant_quota_consumed{tenant=~"$tenant",metric=~"$metric"}[$window])) > 0)';
const daysLeft = `clamp_min(${limit} - ${consumed}, 0) / ${growth} / 86400`;

const tenants: RowSpec = {
  title: 'Tenants and their limits',
  panels: [
    {
      kind: 'table',
      title: 'Nearest to their limit',
      description:
        'The twenty that have used the largest share of their tightest limit, as gates saw it when they last decided. Days left go by the growth within the chosen window; none where nothing grows.',
      unit: 'short',
      queries: [
        { expr: `topk(20, ${consumed} / ${limit})`, legend: 'share', unit: 'percentunit' },
        { expr: `${consumed} and topk(20, ${consumed} / ${limit})`, legend: 'used' },
        { expr: `${limit} and topk(20, ${consumed} / ${limit})`, legend: 'limit' },
        { expr: `${daysLeft} and topk(20, ${consumed} / ${limit})`, legend: 'days left', unit: 'd' },
      ],
      width: 16,
      runbook: 'tenant-at-limit',
      height: 10,
    },
    {
      kind: 'bars',
      title: 'Days to the limit',
      description: 'The ten that would meet their limit first, if they went on as within the chosen window.',
      unit: 'd',
      queries: [{ expr: `bottomk(10, ${daysLeft})`, legend: '{{tenant}} {{metric}}' }],
      width: 8,
      height: 10,
    },
    {
      kind: 'lines',
      title: 'Share of the limit, over time',
      description: 'Of the ten that are nearest now. It falls to 0 when a period begins.',
      unit: 'percentunit',
      queries: [{ expr: `topk(10, ${consumed} / ${limit})`, legend: '{{tenant}} {{metric}}' }],
      width: 8,
    },
    {
      kind: 'number',
      title: 'Above 90 %',
      description: 'Tenants and metrics that have used more than nine tenths of their limit.',
      unit: 'short',
      queries: [{ expr: `count(${consumed} / ${limit} > 0.9) or vector(0)`, legend: 'tenants' }],
      width: 4,
      runbook: 'tenant-at-limit',
      limits: [1, 20],
    },
    {
      kind: 'number',
      title: 'At their limit',
      description: 'Tenants and metrics that have nothing left.',
      unit: 'short',
      queries: [{ expr: `count(${consumed} >= ${limit}) or vector(0)`, legend: 'tenants' }],
      width: 4,
      runbook: 'tenant-at-limit',
      limits: [1, 20],
    },
    {
      kind: 'lines',
      title: 'Denied and slowed down, by tenant',
      description: 'Requests that came too fast, of the ten with the most; and denials for quota, of all.',
      unit: 'reqps',
      queries: [
        {
          expr: 'topk(10, sum by (tenant) (rate(tenant_rate_limited_total{tenant=~"$tenant"}[$__rate_interval])))',
          legend: '{{tenant}}: too fast',
        },
        {
          expr: 'sum(rate(quota_decisions_total{reason="quota_exhausted"}[$__rate_interval])) or vector(0)',
          legend: 'quota exhausted',
        },
      ],
      width: 8,
      runbook: 'rate-limited',
    },
  ],
};

const traffic: RowSpec = {
  title: 'Growth',
  panels: [
    {
      kind: 'lines',
      title: 'Requests, by tenant',
      description: 'Of the ten with the most.',
      unit: 'reqps',
      queries: [
        {
          expr: 'topk(10, sum by (tenant) (rate(tenant_api_requests_total{tenant=~"$tenant"}[$__rate_interval])))',
          legend: '{{tenant}}',
        },
      ],
      width: 8,
    },
    {
      kind: 'lines',
      title: 'Events counted',
      description: 'A second, now and over the chosen window. docs/ops says what one worker carries.',
      unit: 'ops',
      queries: [
        {
          expr: 'sum(rate(usage_events_total{outcome="counted"}[$__rate_interval]))',
          legend: 'now',
        },
        { expr: 'sum(rate(usage_events_total{outcome="counted"}[$window]))', legend: 'over the window' },
      ],
      width: 8,
    },
    {
      kind: 'lines',
      title: 'Events of a worker',
      description:
        'Counted a second, by worker: what is left until it meets what one was measured to carry is the headroom. More workers help up to the number of partitions.',
      unit: 'ops',
      queries: [
        {
          expr: 'sum by (instance) (rate(usage_aggregator_flush_events_sum[$__rate_interval]))',
          legend: '{{instance}}',
        },
      ],
      width: 8,
      runbook: 'lag-growing',
    },
  ],
};

const bounds: RowSpec = {
  title: 'Bounds',
  panels: [
    {
      kind: 'lines',
      title: 'Snapshots: hour buckets in memory',
      description:
        'Share of SNAPSHOT_MAX_BUCKETS that the leader holds. Above 1 the process ends: raise the bound and its memory before.',
      unit: 'percentunit',
      queries: [{ expr: 'max(usage_snapshot_buckets) / max(usage_snapshot_bucket_limit)', legend: 'held' }],
      width: 8,
      runbook: 'snapshots-behind',
      limits: [0.7, 0.9],
    },
    {
      kind: 'number',
      title: 'Days until the buckets meet their bound',
      description:
        'If they went on as within the chosen window. 10,000 stands for further away, or for no growth.',
      unit: 'd',
      queries: [
        {
          expr: 'clamp_max((max(usage_snapshot_bucket_limit) - max(usage_snapshot_buckets)) / clamp_min(max(deriv(usage_snapshot_buckets[$window])), 0.000001) / 86400, 10000)',
          legend: 'days',
        },
      ],
      width: 4,
      runbook: 'snapshots-behind',
    },
    {
      kind: 'number',
      title: 'Published keys',
      description:
        'Tenant, metric and period of which readers hold usage: about 570 bytes each in every gate.',
      unit: 'short',
      queries: [{ expr: 'max(usage_snapshot_published_keys)', legend: 'keys' }],
      width: 4,
    },
    {
      kind: 'lines',
      title: 'Change log: rows that wait for a tailer',
      description:
        'Share of MAX_CHANGE_LOG_ROWS. At 1 the tailer is given up and starts again from the hour buckets, so that Postgres does not grow without end.',
      unit: 'percentunit',
      queries: [
        {
          expr: 'max by (tailer) (usage_tailer_lag_rows) / on () group_left () max(usage_change_log_limit_rows)',
          legend: '{{tailer}}',
        },
      ],
      width: 8,
      runbook: 'change-log-full',
      limits: [0.5, 0.9],
    },
    {
      kind: 'bars',
      title: 'Attribute sets, by metric',
      description:
        'Distinct attributes in the buckets of the last 24 hours: each set is a row an hour for each tenant, in Postgres and in ClickHouse. A metric that grows here has a group-by attribute that is not a category.',
      unit: 'short',
      queries: [
        {
          expr: 'topk(15, max by (metric) (usage_metric_attribute_sets{metric=~"$metric"}))',
          legend: '{{metric}}',
        },
      ],
      width: 8,
      runbook: 'labels-overflow',
    },
    {
      kind: 'lines',
      title: 'Hour buckets of the month',
      description: 'In the leader’s memory, and so of the current month in Postgres.',
      unit: 'short',
      queries: [{ expr: 'max(usage_snapshot_buckets)', legend: 'buckets' }],
      width: 8,
    },
    {
      kind: 'lines',
      title: 'Labels beyond their bound',
      description:
        'What was counted under "other", by label: then the tenants, sources or metrics shown are not all of them.',
      unit: 'ops',
      queries: [
        {
          expr: 'sum by (job, label) (rate(meterhouse_label_overflow_total[$__rate_interval])) or vector(0)',
          legend: '{{job}} {{label}}',
        },
      ],
      width: 8,
      runbook: 'labels-overflow',
    },
  ],
};

export const CAPACITY: BoardSpec = {
  uid: 'meterhouse-capacity',
  file: 'capacity',
  title: 'Meterhouse: capacity',
  description:
    'Tenants near their limits, growth, and how far every bound is. Values are for looking, never for billing.',
  variables: [
    { kind: 'choice', name: 'window', title: 'Growth within', values: ['6h', '1h', '1d', '7d'] },
    {
      kind: 'label',
      name: 'tenant',
      title: 'Tenant',
      metric: 'tenant_quota_consumed',
      label: 'tenant',
    },
    {
      kind: 'label',
      name: 'metric',
      title: 'Metric',
      metric: 'tenant_quota_consumed',
      label: 'metric',
    },
  ],
  rows: [tenants, traffic, bounds],
  from: 'now-24h',
  refresh: '1m',
};
