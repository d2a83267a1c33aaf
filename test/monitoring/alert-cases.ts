/**
 * For each alert: what the metrics look like when it must fire, and when it must not though something moves.
 * In promtool's notation, a value a minute: `0+10x60` is 0, 10, 20, …, `5x60` is 5 all the time, `_x60` is nothing.
 * How often it must fire is 1 where nothing else is said.
 */
type SeriesOf = Readonly<Record<string, string>>;

export interface AlertCase {
  readonly fires: SeriesOf;
  readonly silent: readonly SeriesOf[];
  readonly times?: number;
}

/** Every service answers. */
const UP: SeriesOf = Object.fromEntries(
  ['aggregator', 'quota-snapshot', 'decision-log', 'webhooks', 'api'].map((job) => [
    `up{job="${job}",instance="${job}:9464"}`,
    '1x120',
  ]),
);
const AGGREGATOR = 'job="aggregator",instance="a:9464"';
const RELAY = 'job="relay",instance="r:9464"';
const API = 'job="api",instance="api:9464"';

const same = (name: string, high: string, low: string): AlertCase => ({
  fires: { [name]: high },
  silent: [{ [name]: low }],
});

export const ALERT_CASES: Readonly<Record<string, AlertCase>> = {
  MeterhouseServiceAway: {
    // One does not answer, another was never there.
    fires: {
      ...Object.fromEntries(Object.entries(UP).filter(([name]) => !name.includes('webhooks'))),
      'up{job="api",instance="api:9464"}': '0x120',
    },
    silent: [UP, { ...UP, 'up{job="aggregator",instance="other:9464"}': '0x120' }],
    times: 2,
  },
  MeterhouseInstanceAway: {
    fires: { ...UP, 'up{job="aggregator",instance="other:9464"}': '0x120' },
    // Away for less than five minutes, again and again.
    silent: [UP, { ...UP, 'up{job="api",instance="api:9464"}': '0 0 0 1 1 0 0 0 1 1 0 0 0 1x107' }],
  },
  MeterhouseRestarting: same(
    `process_start_time_seconds{${AGGREGATOR}}`,
    '1x58 2 2 3 3 4x120',
    '1x58 2 2 3x120',
  ),
  MeterhouseStuck: same(`meterhouse_stuck_parts{${AGGREGATOR}}`, '1x120', '0x120'),
  MeterhousePartNotReady: same(
    `meterhouse_part_ready{${API},part="Kafka"}`,
    '0x120',
    '0 0 0 1 1 0 0 0 1 1 0 0 1x108',
  ),
  MeterhouseMemoryHigh: same(`process_resident_memory_bytes{${API}}`, '700000000x120', '600000000x120'),
  MeterhouseLabelsOverflow: same(
    `meterhouse_label_overflow_total{${AGGREGATOR},label="source"}`,
    '0+1x120',
    '7x120',
  ),

  MeterhouseCountingLate: same(`usage_aggregator_lag_seconds{${AGGREGATOR}}`, '61x120', '2x120'),
  MeterhousePartitionLate: {
    fires: {
      [`usage_aggregator_processed_through_age_seconds{${AGGREGATOR},partition="0"}`]: '301x120',
      [`usage_aggregator_processed_through_age_seconds{${AGGREGATOR},partition="1"}`]: '2x120',
    },
    silent: [{ [`usage_aggregator_processed_through_age_seconds{${AGGREGATOR},partition="0"}`]: '299x120' }],
  },
  MeterhouseBacklog: {
    // Several workers say the same: it is not summed over them.
    fires: {
      [`usage_aggregator_lag_events{${AGGREGATOR},partition="0"}`]: '26000x120',
      [`usage_aggregator_lag_events{${AGGREGATOR},partition="1"}`]: '26000x120',
    },
    silent: [
      {
        [`usage_aggregator_lag_events{${AGGREGATOR},partition="0"}`]: '26000x120',
        'usage_aggregator_lag_events{job="aggregator",instance="b:9464",partition="0"}': '26000x120',
      },
    ],
  },
  MeterhousePartitionBacklog: same(
    `usage_aggregator_lag_events{${AGGREGATOR},partition="3"}`,
    '20001x120',
    '19999x120',
  ),
  MeterhousePartitionHalted: same(
    `usage_aggregator_partition_halted{${AGGREGATOR},partition="3"}`,
    '1x120',
    '0x120',
  ),
  MeterhouseNothingKnown: {
    fires: { [`meterhouse_observation_age_seconds{${AGGREGATOR},observation="tailers"}`]: '121x120' },
    silent: [
      {
        [`usage_aggregator_lag_seconds{${AGGREGATOR}}`]: '1x120',
        [`meterhouse_observation_age_seconds{${AGGREGATOR},observation="tailers"}`]: '10x120',
        // Those that are made seldom.
        [`meterhouse_observation_age_seconds{${AGGREGATOR},observation="mirror_comparison"}`]: '600x120',
      },
    ],
    // The lag is absent too.
    times: 2,
  },
  MeterhouseChangeLogNearLimit: {
    fires: {
      [`usage_tailer_lag_rows{${AGGREGATOR},tailer="clickhouse_mirror"}`]: '501x120',
      [`usage_tailer_lag_rows{${AGGREGATOR},tailer="quota-snapshot"}`]: '3x120',
      [`usage_change_log_limit_rows{${AGGREGATOR}}`]: '1000x120',
    },
    silent: [
      {
        [`usage_tailer_lag_rows{${AGGREGATOR},tailer="clickhouse_mirror"}`]: '499x120',
        [`usage_change_log_limit_rows{${AGGREGATOR}}`]: '1000x120',
      },
    ],
  },
  MeterhouseTailerStartsAgain: same(
    `usage_tailer_resyncing{${AGGREGATOR},tailer="clickhouse_mirror"}`,
    '1x120',
    '1x8 0x120',
  ),

  MeterhouseQuarantineGrowing: same(
    `usage_events_quarantined_total{${AGGREGATOR},reason="wrong_unit"}`,
    '0+10x120',
    '0+5x120',
  ),
  MeterhouseQuarantineWaits: same(
    `usage_quarantine_oldest_age_seconds{${AGGREGATOR},reason="wrong_unit"}`,
    '86401x120',
    '86399x120',
  ),

  MeterhouseMirrorBehind: {
    fires: { [`usage_tailer_lag_seconds{${AGGREGATOR},tailer="clickhouse_mirror"}`]: '301x120' },
    silent: [
      {
        [`usage_tailer_lag_seconds{${AGGREGATOR},tailer="clickhouse_mirror"}`]: '2x120',
        // The publisher has an alert of its own.
        [`usage_tailer_lag_seconds{${AGGREGATOR},tailer="quota-snapshot"}`]: '301x120',
      },
    ],
  },
  MeterhouseMirrorMissing: same(`usage_mirror_active{${AGGREGATOR}}`, '0x120', '1x120'),
  MeterhouseMirrorDrift: same(`usage_mirror_drift_buckets{${AGGREGATOR}}`, '1x120', '0x120'),
  MeterhouseMirrorComparisonOld: same(
    `usage_mirror_comparison_age_seconds{${AGGREGATOR}}`,
    '1801x120',
    '900x120',
  ),

  MeterhouseSnapshotsOld: same(
    'usage_snapshot_age_seconds{job="quota-snapshot",instance="q:9464"}',
    '61x120',
    '3x120',
  ),
  MeterhouseSnapshotsNoLeader: {
    fires: {
      'usage_snapshot_leader{job="quota-snapshot",instance="q:9464"}': '0x120',
      'usage_snapshot_leader{job="quota-snapshot",instance="r:9464"}': '0x120',
    },
    silent: [
      {
        'usage_snapshot_leader{job="quota-snapshot",instance="q:9464"}': '1x120',
        'usage_snapshot_leader{job="quota-snapshot",instance="r:9464"}': '0x120',
      },
    ],
  },
  MeterhouseSnapshotMemoryNearLimit: {
    fires: {
      'usage_snapshot_buckets{job="quota-snapshot",instance="q:9464"}': '81x120',
      'usage_snapshot_bucket_limit{job="quota-snapshot",instance="q:9464"}': '100x120',
    },
    silent: [
      {
        'usage_snapshot_buckets{job="quota-snapshot",instance="q:9464"}': '79x120',
        'usage_snapshot_bucket_limit{job="quota-snapshot",instance="q:9464"}': '100x120',
      },
    ],
  },

  MeterhouseProducerSilent: {
    fires: {
      // Promtool's clock begins in 1970: last heard of at its tenth minute.
      [`usage_source_last_seen_timestamp_seconds{${AGGREGATOR},source="gateway"}`]: '600x120',
      [`usage_events_total{${AGGREGATOR},source="gateway",outcome="counted"}`]: '101x120',
      [`usage_source_last_seen_timestamp_seconds{${AGGREGATOR},source="import:day.csv"}`]: '600x120',
      [`usage_events_total{${AGGREGATOR},source="import:day.csv",outcome="counted"}`]: '101x120',
    },
    silent: [
      {
        [`usage_source_last_seen_timestamp_seconds{${AGGREGATOR},source="gateway"}`]: '0+60x120',
        [`usage_events_total{${AGGREGATOR},source="gateway",outcome="counted"}`]: '0+60x120',
      },
      {
        // Never busy: somebody tried something once.
        [`usage_source_last_seen_timestamp_seconds{${AGGREGATOR},source="gateway"}`]: '600x120',
        [`usage_events_total{${AGGREGATOR},source="gateway",outcome="counted"}`]: '3x120',
      },
    ],
  },
  MeterhouseDuplicatesSurge: {
    fires: {
      [`usage_events_total{${AGGREGATOR},source="gateway",outcome="counted"}`]: '0+60x120',
      [`usage_events_total{${AGGREGATOR},source="gateway",outcome="duplicate"}`]: '0+60x120',
    },
    silent: [
      {
        [`usage_events_total{${AGGREGATOR},source="gateway",outcome="counted"}`]: '0+600x120',
        [`usage_events_total{${AGGREGATOR},source="gateway",outcome="duplicate"}`]: '0+60x120',
      },
      {
        // All of it, and hardly anything.
        [`usage_events_total{${AGGREGATOR},source="gateway",outcome="duplicate"}`]: '0+1x120',
      },
    ],
  },

  MeterhouseTenantNearLimit: {
    fires: {
      [`tenant_quota_consumed{${API},tenant="acme",metric="m"}`]: '90x120',
      [`tenant_quota_limit{${API},tenant="acme",metric="m"}`]: '100x120',
    },
    silent: [
      {
        [`tenant_quota_consumed{${API},tenant="acme",metric="m"}`]: '79x120',
        [`tenant_quota_limit{${API},tenant="acme",metric="m"}`]: '100x120',
      },
      {
        // At it: that is another alert.
        [`tenant_quota_consumed{${API},tenant="acme",metric="m"}`]: '100x120',
        [`tenant_quota_limit{${API},tenant="acme",metric="m"}`]: '100x120',
      },
    ],
  },
  MeterhouseTenantOverLimit: {
    fires: {
      [`tenant_quota_consumed{${API},tenant="acme",metric="m"}`]: '100x120',
      [`tenant_quota_limit{${API},tenant="acme",metric="m"}`]: '100x120',
    },
    silent: [
      {
        [`tenant_quota_consumed{${API},tenant="acme",metric="m"}`]: '99x120',
        [`tenant_quota_limit{${API},tenant="acme",metric="m"}`]: '100x120',
        // Nothing may be used, and nothing is.
        [`tenant_quota_consumed{${API},tenant="lumen",metric="m"}`]: '0x120',
        [`tenant_quota_limit{${API},tenant="lumen",metric="m"}`]: '0x120',
      },
    ],
  },
  MeterhouseQuotaDenials: {
    fires: {
      [`quota_decisions_total{${API},outcome="allow",reason="ok"}`]: '0+10x120',
      [`quota_decisions_total{${API},outcome="deny",reason="quota_exhausted"}`]: '0+5x120',
    },
    silent: [
      {
        [`quota_decisions_total{${API},outcome="allow",reason="ok"}`]: '0+100x120',
        [`quota_decisions_total{${API},outcome="deny",reason="quota_exhausted"}`]: '0+5x120',
      },
      {
        [`quota_decisions_total{${API},outcome="deny",reason="policy_denied"}`]: '0+100x120',
        [`quota_decisions_total{${API},outcome="deny",reason="quota_exhausted"}`]: '0+1x120',
      },
    ],
  },
  MeterhouseDeniedBlind: {
    fires: { [`quota_decisions_total{${API},outcome="deny",reason="stale_snapshot"}`]: '0+1x120' },
    silent: [
      {
        // Let through, with the reason said.
        [`quota_decisions_total{${API},outcome="warn",reason="stale_snapshot"}`]: '0+1x120',
        [`quota_decisions_total{${API},outcome="deny",reason="stale_snapshot"}`]: '4x120',
      },
    ],
  },
  MeterhouseRateLimitedSurge: {
    fires: {
      [`tenant_api_requests_total{${API},tenant="acme",route="/v1/decide"}`]: '0+60x120',
      [`tenant_rate_limited_total{${API},tenant="acme",route="/v1/decide"}`]: '0+30x120',
    },
    silent: [
      {
        [`tenant_api_requests_total{${API},tenant="acme",route="/v1/decide"}`]: '0+600x120',
        [`tenant_rate_limited_total{${API},tenant="acme",route="/v1/decide"}`]: '0+30x120',
      },
    ],
  },

  MeterhouseDecisionLogBehind: same(
    'decision_log_lag_seconds{job="decision-log",instance="d:9464",partition="0"}',
    '301x120',
    '5x120',
  ),
  MeterhouseDecisionsLost: same(
    'decision_log_partition_lost{job="decision-log",instance="d:9464",partition="0"}',
    '1x120',
    '0x120',
  ),
  MeterhouseDecisionsUnreadable: same(
    'decision_log_unreadable_total{job="decision-log",instance="d:9464",reason="undecodable"}',
    '0+1x120',
    '9x120',
  ),
  MeterhouseDecisionsOverflowed: {
    fires: {
      [`quota_decision_records_overflowed_total{${API}}`]: '0+1x120',
      [`quota_decision_records_refused_total{${API}}`]: '0x120',
    },
    silent: [
      {
        [`quota_decision_records_overflowed_total{${API}}`]: '7x120',
        [`quota_decision_records_refused_total{${API}}`]: '0x120',
      },
    ],
  },

  MeterhouseOutboxBehind: same(`usage_outbox_oldest_age_seconds{${RELAY}}`, '61x120', '2x120'),
  MeterhouseOutboxNearBound: {
    // The bound was raised above what is counted: the count has ended, and says enough.
    fires: {
      [`usage_outbox_waiting_events{${RELAY},lane="3"}`]: '100000x120',
      [`usage_outbox_lane_bound_events{${RELAY}}`]: '500000x120',
    },
    silent: [
      {
        // Each lane has its own bound: they are not summed.
        [`usage_outbox_waiting_events{${RELAY},lane="3"}`]: '40000x120',
        [`usage_outbox_waiting_events{${RELAY},lane="4"}`]: '40000x120',
        [`usage_outbox_lane_bound_events{${RELAY}}`]: '100000x120',
      },
    ],
  },
  MeterhouseOutboxLanesUnheld: {
    fires: { [`usage_outbox_unheld_lanes{${RELAY}}`]: '4x120' },
    silent: [
      { [`usage_outbox_unheld_lanes{${RELAY}}`]: '4 0 0 4 0 0 0x114' },
      // One relay's look is old.
      {
        [`usage_outbox_unheld_lanes{${RELAY}}`]: '4x120',
        'usage_outbox_unheld_lanes{job="relay",instance="other:9464"}': '0x120',
      },
    ],
  },

  MeterhouseWebhooksFailing: {
    fires: {
      'webhook_attempts_total{job="webhooks",instance="w:9464",outcome="delivered"}': '0+1x120',
      'webhook_attempts_total{job="webhooks",instance="w:9464",outcome="failed"}': '0+2x120',
    },
    silent: [
      {
        'webhook_attempts_total{job="webhooks",instance="w:9464",outcome="delivered"}': '0+3x120',
        'webhook_attempts_total{job="webhooks",instance="w:9464",outcome="failed"}': '0+2x120',
      },
    ],
  },
  MeterhouseWebhooksDead: same('webhook_deliveries_dead{job="webhooks",instance="w:9464"}', '1x120', '0x120'),
  MeterhouseWebhooksStopped: {
    fires: {
      'webhook_webhooks{job="webhooks",instance="w:9464",state="disabled"}': '1x120',
      'webhook_webhooks{job="webhooks",instance="w:9464",state="full"}': '2x120',
    },
    silent: [{ 'webhook_webhooks{job="webhooks",instance="w:9464",state="failing"}': '1x120' }],
    times: 2,
  },
  MeterhouseWebhooksBehind: same(
    'webhook_delivery_overdue_seconds{job="webhooks",instance="w:9464"}',
    '301x120',
    '9x120',
  ),

  MeterhouseApiErrorsFast: {
    fires: {
      [`api_requests_total{${API},route="/v1/usage",status="200"}`]: '0+98x120',
      [`api_requests_total{${API},route="/v1/usage",status="503"}`]: '0+2x120',
    },
    silent: [
      {
        [`api_requests_total{${API},route="/v1/usage",status="200"}`]: '0+99x120',
        [`api_requests_total{${API},route="/v1/usage",status="503"}`]: '0+1x120',
        [`api_requests_total{${API},route="/v1/usage",status="422"}`]: '0+50x120',
      },
      {
        // It was bad, and is over.
        [`api_requests_total{${API},route="/v1/usage",status="200"}`]: '0+98x120',
        [`api_requests_total{${API},route="/v1/usage",status="503"}`]: '0+20x40 800x80',
      },
    ],
  },
  MeterhouseApiErrorsSlow: {
    fires: {
      [`api_requests_total{${API},route="/v1/usage",status="200"}`]: '0+992x120',
      [`api_requests_total{${API},route="/v1/usage",status="503"}`]: '0+8x120',
    },
    silent: [
      {
        [`api_requests_total{${API},route="/v1/usage",status="200"}`]: '0+995x120',
        [`api_requests_total{${API},route="/v1/usage",status="503"}`]: '0+5x120',
      },
    ],
  },
  MeterhouseApiSlow: {
    fires: {
      [`api_request_seconds_bucket{${API},route="/v1/usage",le="1"}`]: '0+90x120',
      [`api_request_seconds_count{${API},route="/v1/usage"}`]: '0+100x120',
    },
    silent: [
      {
        [`api_request_seconds_bucket{${API},route="/v1/usage",le="1"}`]: '0+96x120',
        [`api_request_seconds_count{${API},route="/v1/usage"}`]: '0+100x120',
      },
    ],
  },
  MeterhouseApiRefusesEvents: same(
    `api_intake_refused_total{${API},reason="waiting_events"}`,
    '0+1x120',
    '5x120',
  ),
  MeterhouseEventsNotAcknowledged: {
    fires: { [`api_events_total{${API},outcome="not_acknowledged",reason="broker_unavailable"}`]: '0+1x120' },
    silent: [
      {
        [`api_events_total{${API},outcome="not_acknowledged",reason="broker_unavailable"}`]: '4x120',
        [`api_events_total{${API},outcome="refused",reason="invalid_value"}`]: '0+9x120',
      },
    ],
  },
};
