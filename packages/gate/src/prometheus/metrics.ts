/** Everything that a process with a gate can export. */
import { counter, gauge } from '@meterhouse/runtime/metrics';

export const GATE_METRICS = {
  requests: counter({
    name: 'tenant_api_requests_total',
    unit: 'requests',
    help: 'Requests that a gate decided about, or that our own API answered to a key or token, by tenant and route.',
    labels: ['tenant', 'route'],
  }),
  rateLimited: counter({
    name: 'tenant_rate_limited_total',
    unit: 'requests',
    help: 'Requests that were denied because they came too fast, by a gate or by our own API, by tenant and route.',
    labels: ['tenant', 'route'],
  }),
  consumed: gauge({
    name: 'tenant_quota_consumed',
    unit: 'the metric’s own',
    help: 'Usage of a tenant (with all below it) in the period of its tightest limit, as the last decision saw it: of the snapshot, and let through here since.',
    labels: ['tenant', 'metric'],
  }),
  limit: gauge({
    name: 'tenant_quota_limit',
    unit: 'the metric’s own',
    help: 'That limit. Near it or over: tenant_quota_consumed / tenant_quota_limit.',
    labels: ['tenant', 'metric'],
  }),
  decisions: counter({
    name: 'quota_decisions_total',
    unit: 'decisions',
    help: 'Decisions of the gate by outcome and reason.',
    labels: ['outcome', 'reason'],
  }),
} as const;

/** Of a gate that charges strict limits: how the counters that all gates share are told of the snapshots. */
export const STRICT_METRICS = {
  counters: gauge({
    name: 'quota_strict_counters',
    unit: 'counters',
    help: 'Counters of strict limits that this gate keeps in step with the snapshots.',
  }),
  overflowed: gauge({
    name: 'quota_strict_counters_overflowed',
    unit: 'counters',
    help: 'Counters of strict limits beyond the bound: nobody tells them here, and they deny. 0 when all is well.',
  }),
  told: counter({
    name: 'quota_strict_told_total',
    unit: 'answers',
    help: 'What the counters answered when they were told of a snapshot: applied and older are well; unavailable, unknown and other_calendar deny.',
    labels: ['answer'],
  }),
  refunds: counter({
    name: 'quota_strict_refunds_total',
    unit: 'refunds',
    help: 'What was given back to the counters, by what they answered.',
    labels: ['answer'],
  }),
  failing: gauge({
    name: 'quota_strict_failing',
    unit: '1 or 0',
    help: 'Whether the last round of telling the counters failed. 0 when all is well.',
  }),
} as const;

export const DECISION_PUBLISHER_METRICS = {
  waiting: gauge({
    name: 'quota_decision_records_waiting',
    unit: 'records',
    help: 'Denials and warnings that wait to be published.',
  }),
  published: counter({
    name: 'quota_decision_records_published_total',
    unit: 'records',
    help: 'Denials and warnings that were published.',
  }),
  overflowed: counter({
    name: 'quota_decision_records_overflowed_total',
    unit: 'records',
    help: 'Denials and warnings that were never published: more came than the broker took. 0 when all is well.',
  }),
  refused: counter({
    name: 'quota_decision_records_refused_total',
    unit: 'records',
    help: 'Denials and warnings that were never published: they could not be encoded. 0 when all is well.',
  }),
} as const;
