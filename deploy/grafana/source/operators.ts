/** For whoever keeps it running: the way of an event from left to right, and the API. */
import type { BoardSpec, PanelSpec, RowSpec } from './panel.ts';

const AGGREGATOR_LOOK = 'Every aggregator says the same, so the highest is shown.';

const now: RowSpec = {
  title: 'Now',
  panels: [
    {
      kind: 'number',
      title: 'Counting is behind',
      description: `Age of the instant through which everything is counted or in quarantine. Within a second or two, also when nothing is sent. ${AGGREGATOR_LOOK}`,
      unit: 's',
      queries: [{ expr: 'max(usage_aggregator_lag_seconds)', legend: 'behind' }],
      width: 4,
      runbook: 'lag-growing',
      limits: [30, 300],
    },
    {
      kind: 'number',
      title: 'Halted partitions',
      description:
        'Partitions of which Kafka no longer holds what comes next. 0; anything else waits for a person.',
      unit: 'short',
      queries: [{ expr: 'sum(max by (partition) (usage_aggregator_partition_halted))', legend: 'halted' }],
      width: 4,
      runbook: 'partition-halted',
      limits: [1, 1],
    },
    {
      kind: 'number',
      title: 'Snapshots are old',
      description:
        'Age of what enforcement points decide by. Within some seconds; decisions that must not be wrong are refused when it is not.',
      unit: 's',
      queries: [{ expr: 'min(usage_snapshot_age_seconds)', legend: 'age' }],
      width: 4,
      runbook: 'snapshots-behind',
      limits: [10, 60],
    },
    {
      kind: 'number',
      title: 'Wait in quarantine',
      description: `Events that wait for a person. ${AGGREGATOR_LOOK}`,
      unit: 'short',
      queries: [
        { expr: 'sum(max by (reason) (usage_quarantine_open_events)) or vector(0)', legend: 'events' },
      ],
      width: 4,
      runbook: 'quarantine-growing',
      limits: [1, 1_000],
    },
    {
      kind: 'number',
      title: 'Mirror differs',
      description:
        'Hour buckets of the last 48 hours that ClickHouse does not hold as Postgres does. 0, always; compared every ten minutes.',
      unit: 'short',
      queries: [{ expr: 'max(usage_mirror_drift_buckets)', legend: 'buckets' }],
      width: 4,
      runbook: 'mirror-drift',
      limits: [1, 100],
    },
    {
      kind: 'number',
      title: 'Targets away',
      description: 'Processes of ours that do not answer Prometheus. 0.',
      unit: 'short',
      queries: [
        {
          expr: 'count(up{job=~"aggregator|quota-snapshot|decision-log|webhooks|relay|api"} == 0) or vector(0)',
          legend: 'away',
        },
      ],
      width: 4,
      runbook: 'service-away',
      limits: [1, 1],
    },
  ],
};

const counting: RowSpec = {
  title: 'Counting',
  panels: [
    {
      kind: 'lines',
      title: 'Events behind, by partition',
      description: `Events that lie in Kafka and are not counted yet. Small, or falling. ${AGGREGATOR_LOOK}`,
      unit: 'short',
      queries: [
        { expr: 'max by (partition) (usage_aggregator_lag_events)', legend: 'partition {{partition}}' },
      ],
      width: 8,
      runbook: 'lag-growing',
    },
    {
      kind: 'lines',
      title: 'Age of the watermark, by partition',
      description:
        'Everything that the broker had before this long ago is counted. Growing with no events behind: nobody counts.',
      unit: 's',
      queries: [
        {
          expr: 'max by (partition) (usage_aggregator_processed_through_age_seconds)',
          legend: 'partition {{partition}}',
        },
      ],
      width: 8,
      runbook: 'lag-growing',
      limits: [30, 300],
    },
    {
      kind: 'stacked',
      title: 'Events by what became of them',
      description:
        'Counted, known to de-duplication, or put into quarantine: every event ends in one of them.',
      unit: 'ops',
      queries: [
        { expr: 'sum by (outcome) (rate(usage_events_total[$__rate_interval]))', legend: '{{outcome}}' },
      ],
      width: 8,
    },
    {
      kind: 'lines',
      title: 'Time of a flush',
      description:
        'From the first attempt of a flush to its COMMIT. It grows when Postgres is slow, and with the size of the flush during a backlog.',
      unit: 's',
      queries: [0.5, 0.99].map((share) => ({
        expr: `histogram_quantile(${share}, sum by (le) (rate(usage_aggregator_flush_seconds_bucket[$__rate_interval])))`,
        legend: `p${share * 100}`,
      })),
      width: 8,
      runbook: 'lag-growing',
    },
    {
      kind: 'lines',
      title: 'Events in a flush',
      description: 'Few when there is nothing to catch up with, thousands during a backlog.',
      unit: 'short',
      queries: [
        {
          expr: 'sum(rate(usage_aggregator_flush_events_sum[$__rate_interval])) / sum(rate(usage_aggregator_flush_events_count[$__rate_interval]))',
          legend: 'mean',
        },
        {
          expr: 'histogram_quantile(0.99, sum by (le) (rate(usage_aggregator_flush_events_bucket[$__rate_interval])))',
          legend: 'p99',
        },
      ],
      width: 8,
    },
    {
      kind: 'lines',
      title: 'Flushes, retries, rebalances',
      description:
        'Flushes by how they ended, attempts that failed and were made again, and partitions given out anew. Retries without end: Postgres is away or locked.',
      unit: 'ops',
      queries: [
        {
          expr: 'sum by (outcome) (rate(usage_aggregator_flushes_total[$__rate_interval]))',
          legend: '{{outcome}}',
        },
        { expr: 'sum(rate(usage_aggregator_flush_retries_total[$__rate_interval]))', legend: 'retries' },
        { expr: 'sum(rate(usage_aggregator_rebalances_total[$__rate_interval]))', legend: 'rebalances' },
        {
          expr: 'sum(rate(usage_aggregator_consumer_restarts_total[$__rate_interval]))',
          legend: 'restarts of the consumer',
        },
      ],
      width: 8,
      runbook: 'lag-growing',
    },
    {
      kind: 'lines',
      title: 'Fetched and not counted yet',
      description:
        'Share of the memory that an aggregator may hold of fetched events. At 1 it fetches no more.',
      unit: 'percentunit',
      queries: [
        {
          expr: 'usage_aggregator_buffered_bytes / usage_aggregator_buffer_limit_bytes',
          legend: '{{instance}}',
        },
      ],
      width: 8,
      max: 1,
    },
    {
      kind: 'lines',
      title: 'Partitions held, by worker',
      description:
        'All partitions together, however many workers there are. A worker that holds none stands by.',
      unit: 'short',
      queries: [{ expr: 'usage_aggregator_assigned_partitions', legend: '{{instance}}' }],
      width: 8,
      runbook: 'service-away',
    },
    {
      kind: 'lines',
      title: 'Age of what the gauges show',
      description:
        'What is asked of Postgres and Kafka on a schedule. When one grows, the other panels show the past.',
      unit: 's',
      queries: [
        {
          expr: 'min by (job, observation) (meterhouse_observation_age_seconds)',
          legend: '{{job}} {{observation}}',
        },
      ],
      width: 8,
    },
  ],
};

const quarantine: RowSpec = {
  title: 'Quarantine',
  panels: [
    {
      kind: 'stacked',
      title: 'Waiting, by reason',
      description: 'Events that wait for a person; counted up to 100,000 of each reason.',
      unit: 'short',
      queries: [{ expr: 'max by (reason) (usage_quarantine_open_events)', legend: '{{reason}}' }],
      width: 8,
      runbook: 'quarantine-growing',
    },
    {
      kind: 'lines',
      title: 'Coming in, by reason',
      description: 'A new release of a producer, or a registry that is behind it, shows here first.',
      unit: 'ops',
      queries: [
        {
          expr: 'sum by (reason) (rate(usage_events_quarantined_total[$__rate_interval]))',
          legend: '{{reason}}',
        },
        {
          expr: 'sum by (outcome) (rate(usage_quarantine_replayed_total[$__rate_interval]))',
          legend: 'replayed: {{outcome}}',
        },
      ],
      width: 8,
      runbook: 'quarantine-growing',
    },
    {
      kind: 'bars',
      title: 'Waiting for how long',
      description: 'Since when the first event of each reason has waited.',
      unit: 's',
      queries: [{ expr: 'max by (reason) (usage_quarantine_oldest_age_seconds)', legend: '{{reason}}' }],
      width: 8,
      runbook: 'quarantine-growing',
    },
  ],
};

const passedOn: RowSpec = {
  title: 'ClickHouse and snapshots',
  panels: [
    {
      kind: 'lines',
      title: 'Behind counting',
      description:
        'How far the mirror (clickhouse_mirror) and the snapshots (quota-snapshot) are behind counting. ClickHouse being away delays the mirror alone.',
      unit: 's',
      queries: [{ expr: 'max by (tailer) (usage_tailer_lag_seconds)', legend: '{{tailer}}' }],
      width: 8,
      runbook: 'clickhouse-mirror-behind',
      limits: [30, 300],
    },
    {
      kind: 'lines',
      title: 'Complete through, age',
      description:
        'How old the newest complete answer of ClickHouse and of the snapshots is, for their readers.',
      unit: 's',
      queries: [
        { expr: 'max by (tailer) (usage_tailer_complete_through_age_seconds)', legend: '{{tailer}}' },
      ],
      width: 8,
      runbook: 'snapshots-behind',
    },
    {
      kind: 'lines',
      title: 'Mirror',
      description:
        'One mirrors; it does not fail; nobody starts again from the hour buckets; the last comparison is less than a quarter of an hour old.',
      unit: 'short',
      queries: [
        { expr: 'sum(usage_mirror_active)', legend: 'mirrors' },
        { expr: 'sum(usage_mirror_failing)', legend: 'failing' },
        { expr: 'max by (tailer) (usage_tailer_resyncing)', legend: 'starting again: {{tailer}}' },
        { expr: 'max(usage_mirror_comparison_age_seconds) / 60', legend: 'minutes since the comparison' },
      ],
      width: 8,
      runbook: 'clickhouse-mirror-behind',
    },
    {
      kind: 'lines',
      title: 'Publishing snapshots',
      description: 'Messages a second, by kind. Heartbeats come each second whatever happens.',
      unit: 'ops',
      queries: [
        {
          expr: 'sum by (kind) (rate(usage_snapshot_messages_total[$__rate_interval]))',
          legend: '{{kind}}',
        },
        {
          expr: 'sum(rate(usage_snapshot_publish_failures_total[$__rate_interval]))',
          legend: 'failed attempts',
        },
      ],
      width: 8,
      runbook: 'snapshots-behind',
    },
    {
      kind: 'lines',
      title: 'Time to publish',
      description: 'Of a batch, its transaction included.',
      unit: 's',
      queries: [0.5, 0.99].map((share) => ({
        expr: `histogram_quantile(${share}, sum by (le) (rate(usage_snapshot_publish_seconds_bucket[$__rate_interval])))`,
        legend: `p${share * 100}`,
      })),
      width: 8,
      runbook: 'snapshots-behind',
    },
    {
      kind: 'lines',
      title: 'Leaders and changes of the leader',
      description: 'One leads. The epoch rises with each change; often means that a leader does not last.',
      unit: 'short',
      queries: [
        { expr: 'sum(usage_snapshot_leader)', legend: 'leaders' },
        { expr: 'max(usage_snapshot_epoch)', legend: 'epoch' },
        { expr: 'sum(usage_snapshot_failing)', legend: 'failing' },
        { expr: 'sum(usage_snapshot_pending_keys)', legend: 'keys not published yet' },
      ],
      width: 8,
      runbook: 'snapshots-behind',
    },
  ],
};

const outbox: RowSpec = {
  title: 'Outbox',
  panels: [
    {
      kind: 'lines',
      title: 'Outbox, waiting for',
      description:
        'How long the event that has waited longest in the outbox in Postgres has waited. Within a second or two; nothing where no relay runs.',
      unit: 's',
      queries: [{ expr: 'max(usage_outbox_oldest_age_seconds)', legend: 'oldest' }],
      width: 8,
      runbook: 'outbox-behind',
      limits: [15, 60],
    },
    {
      kind: 'lines',
      title: 'Outbox, room',
      description:
        'Share of its bound that the fullest lane has reached, counted up to 100,000 events. At 1 recordIn refuses with buffer_full.',
      unit: 'percentunit',
      queries: [
        {
          expr: 'max(usage_outbox_waiting_events) / clamp_max(max(usage_outbox_lane_bound_events), 100000)',
          legend: 'fullest lane',
        },
      ],
      width: 8,
      max: 1,
      runbook: 'outbox-behind',
    },
    {
      kind: 'lines',
      title: 'Relays',
      description:
        'Events that were relayed and attempts that failed, a second; lanes that nobody works, and those whose last attempt failed.',
      unit: 'short',
      queries: [
        { expr: 'sum(rate(usage_relay_events_total[$__rate_interval]))', legend: 'relayed' },
        { expr: 'sum(rate(usage_relay_failures_total[$__rate_interval]))', legend: 'failed attempts' },
        { expr: 'min(usage_outbox_unheld_lanes)', legend: 'lanes without a relay' },
        { expr: 'sum(usage_relay_failing_lanes)', legend: 'failing lanes' },
      ],
      width: 8,
      runbook: 'outbox-behind',
    },
  ],
};

const deciding: RowSpec = {
  title: 'Decisions and webhooks',
  panels: [
    {
      kind: 'stacked',
      title: 'Decisions, by outcome and reason',
      description: 'Of every gate that is scraped, our own API among them.',
      unit: 'ops',
      queries: [
        {
          expr: 'sum by (outcome, reason) (rate(quota_decisions_total[$__rate_interval]))',
          legend: '{{outcome}}: {{reason}}',
        },
      ],
      width: 8,
    },
    {
      kind: 'lines',
      title: 'Decision log, behind',
      description:
        'Decisions in Kafka that are not kept in Postgres yet, and for how long. Deciding does not wait for it.',
      unit: 'short',
      queries: [
        { expr: 'sum(max by (partition) (decision_log_lag_events))', legend: 'messages' },
        { expr: 'max(decision_log_lag_seconds)', legend: 'seconds' },
        { expr: 'sum(max by (partition) (decision_log_partition_lost))', legend: 'partitions with a loss' },
        { expr: 'max by (store) (decision_log_store_away)', legend: '{{store}} is away' },
      ],
      width: 8,
      runbook: 'decisions-behind',
    },
    {
      kind: 'lines',
      title: 'Decision log, kept',
      description: 'Decisions taken from Kafka and kept, and messages that were none.',
      unit: 'ops',
      queries: [
        { expr: 'sum(rate(decision_log_decisions_total[$__rate_interval]))', legend: 'taken' },
        { expr: 'sum(rate(decision_log_kept_total[$__rate_interval]))', legend: 'kept' },
        {
          expr: 'sum(rate(decision_log_unreadable_total[$__rate_interval])) or vector(0)',
          legend: 'unreadable',
        },
        {
          expr: 'sum(rate(quota_decision_records_overflowed_total[$__rate_interval]))',
          legend: 'lost by a gate: no room',
        },
      ],
      width: 8,
      runbook: 'decisions-overflowed',
    },
    {
      kind: 'lines',
      title: 'Webhooks, attempts',
      description: 'By outcome: delivered, failed (tried again), dead (given up).',
      unit: 'ops',
      queries: [
        {
          expr: 'sum by (outcome) (rate(webhook_attempts_total[$__rate_interval]))',
          legend: '{{outcome}}',
        },
      ],
      width: 8,
      runbook: 'webhooks-failing',
    },
    {
      kind: 'lines',
      title: 'Webhooks, waiting and dead',
      description:
        'Deliveries that wait, that are on their way, and that were given up in the last 24 hours.',
      unit: 'short',
      queries: [
        { expr: 'max(webhook_deliveries_pending)', legend: 'waiting' },
        { expr: 'sum(webhook_deliveries_in_flight)', legend: 'on their way' },
        { expr: 'max(webhook_deliveries_dead)', legend: 'dead' },
        { expr: 'max by (state) (webhook_webhooks)', legend: 'webhooks: {{state}}' },
      ],
      width: 8,
      runbook: 'webhooks-failing',
    },
    {
      kind: 'lines',
      title: 'Webhooks, overdue',
      description:
        'How long the first delivery whose turn it is has waited for a sender. Within seconds of 0.',
      unit: 's',
      queries: [{ expr: 'max(webhook_delivery_overdue_seconds)', legend: 'overdue' }],
      width: 8,
      runbook: 'webhooks-failing',
      limits: [30, 300],
    },
  ],
};

const routed = (metric: string): string => `${metric}{route=~"$route"}`;

const apiPanels: readonly PanelSpec[] = [
  {
    kind: 'lines',
    title: 'Requests, by route',
    description: 'Traffic: answers a second, by route template.',
    unit: 'reqps',
    queries: [
      {
        expr: `sum by (method, route) (rate(${routed('api_requests_total')}[$__rate_interval]))`,
        legend: '{{method}} {{route}}',
      },
    ],
    width: 8,
  },
  {
    kind: 'lines',
    title: 'Errors, share of answers',
    description: 'Share of 5xx among all answers, of 4xx beside it. 5xx is ours: 0.',
    unit: 'percentunit',
    queries: [
      {
        expr: `(sum(rate(api_requests_total{route=~"$route",status=~"5.."}[$__rate_interval])) or vector(0)) / sum(rate(${routed('api_requests_total')}[$__rate_interval]))`,
        legend: '5xx',
      },
      {
        expr: `(sum(rate(api_requests_total{route=~"$route",status=~"4.."}[$__rate_interval])) or vector(0)) / sum(rate(${routed('api_requests_total')}[$__rate_interval]))`,
        legend: '4xx',
      },
    ],
    width: 8,
    runbook: 'api-errors',
    max: 1,
  },
  {
    kind: 'lines',
    title: 'Time to answer',
    description: 'From the request’s head to the last byte of its answer, over the chosen routes.',
    unit: 's',
    queries: [0.5, 0.9, 0.99].map((share) => ({
      expr: `histogram_quantile(${share}, sum by (le) (rate(${routed('api_request_seconds_bucket')}[$__rate_interval])))`,
      legend: `p${share * 100}`,
    })),
    width: 8,
    runbook: 'api-slow',
  },
  {
    kind: 'lines',
    title: 'Saturation',
    description:
      'Requests under way, and how full the intake of events is: at 1 it answers 503 with Retry-After, and nothing is lost.',
    unit: 'short',
    queries: [
      { expr: 'sum(api_requests_in_flight)', legend: 'requests under way' },
      {
        expr: 'max(api_intake_waiting_events / api_intake_waiting_limit_events)',
        legend: 'events waiting for the broker, share',
      },
      {
        expr: 'max(api_intake_held_bytes / api_intake_held_limit_bytes)',
        legend: 'bodies in memory, share',
      },
      {
        expr: 'sum(rate(api_requests_aborted_total[$__rate_interval])) or vector(0)',
        legend: 'aborted a second',
      },
    ],
    width: 8,
    runbook: 'api-refuses-events',
  },
  {
    kind: 'lines',
    title: 'Events over HTTP',
    description:
      'By what they were answered. not_acknowledged: the broker did not answer in time; the sender repeats them.',
    unit: 'ops',
    queries: [
      {
        expr: 'sum by (outcome) (rate(api_events_total[$__rate_interval]))',
        legend: '{{outcome}}',
      },
      {
        expr: 'sum(rate(api_intake_refused_total[$__rate_interval])) or vector(0)',
        legend: 'requests sent back: no room',
      },
    ],
    width: 8,
    runbook: 'api-refuses-events',
  },
  {
    kind: 'lines',
    title: 'Refused and slowed down',
    description: 'Requests refused for who asks, by code, and those that came too fast.',
    unit: 'reqps',
    queries: [
      {
        expr: 'sum by (code) (rate(api_access_refused_total[$__rate_interval]))',
        legend: '{{code}}',
      },
      {
        expr: 'sum(rate(tenant_rate_limited_total[$__rate_interval])) or vector(0)',
        legend: 'too fast',
      },
      { expr: 'max(api_key_limiter_store_away)', legend: 'Redis is away' },
    ],
    width: 8,
    runbook: 'rate-limited',
  },
];

const processes: RowSpec = {
  title: 'Processes',
  panels: [
    {
      kind: 'lines',
      title: 'Not ready, and stuck',
      description:
        'Parts that /readyz names, by service; and parts that stand still with work waiting, for which liveness fails.',
      unit: 'short',
      queries: [
        { expr: 'sum by (job) (1 - meterhouse_part_ready)', legend: '{{job}}: not ready' },
        { expr: 'sum by (job) (meterhouse_stuck_parts)', legend: '{{job}}: stuck' },
      ],
      width: 8,
      runbook: 'service-away',
    },
    {
      kind: 'lines',
      title: 'Memory',
      description: 'Resident, by process. It does not grow with a backlog.',
      unit: 'bytes',
      queries: [
        {
          expr: 'process_resident_memory_bytes{job=~"aggregator|quota-snapshot|decision-log|webhooks|relay|api"}',
          legend: '{{job}} {{instance}}',
        },
      ],
      width: 8,
      runbook: 'memory-high',
    },
    {
      kind: 'lines',
      title: 'Processor, and restarts in the last hour',
      description: 'Cores in use, by service; and how often its processes were started again.',
      unit: 'short',
      queries: [
        {
          expr: 'sum by (job) (rate(process_cpu_seconds_total{job=~"aggregator|quota-snapshot|decision-log|webhooks|relay|api"}[$__rate_interval]))',
          legend: '{{job}}: cores',
        },
        {
          expr: 'sum by (job) (changes(process_start_time_seconds{job=~"aggregator|quota-snapshot|decision-log|webhooks|relay|api"}[1h]))',
          legend: '{{job}}: restarts',
        },
      ],
      width: 8,
      runbook: 'service-away',
    },
  ],
};

export const OPERATORS: BoardSpec = {
  uid: 'meterhouse-operators',
  file: 'operators',
  title: 'Meterhouse: pipeline',
  description:
    'The way of an event, from Kafka to whoever reads or decides by it. First look: meterhouse status.',
  variables: [
    { kind: 'label', name: 'route', title: 'Route of the API', metric: 'api_requests_total', label: 'route' },
  ],
  rows: [
    now,
    counting,
    quarantine,
    passedOn,
    outbox,
    deciding,
    { title: 'API', panels: apiPanels },
    processes,
  ],
  from: 'now-1h',
  refresh: '15s',
};
