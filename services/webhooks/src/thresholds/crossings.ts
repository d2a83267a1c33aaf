/**
 * Which thresholds has a tenant's usage reached? Pure.
 *
 * Terminology. A *ceiling* is a tenant's limit in force for a metric and a kind of period: the plan's, or
 * what overrides make of it. A *threshold* is a percentage of it. A *watcher* is a subscription of the
 * tenant or of one above it.
 */
import type { Watcher } from '@meterhouse/postgres/webhooks';
import type { Ceiling, PolicyView } from '@meterhouse/quota';
import { formatDecimal, type Billionths } from '@meterhouse/usage';
import type { Span } from '@meterhouse/usage/calendar';
import { instantText, type WebhookEvent } from '@meterhouse/webhooks';

/** Usage as it is known, in billionths. Instants are epoch ms. */
export interface KnownUsage {
  readonly amount: Billionths;
  readonly span: Span;
  readonly asOf: number;
  /** Looked at after the period's end. */
  readonly final: boolean;
  /** Reached by events that came after that. */
  readonly late: boolean;
}

/** What of the registry has to do with thresholds. */
export type ThresholdPolicy = Pick<PolicyView, 'tenant' | 'plan' | 'overrides' | 'metric'>;

/** The metrics for which a tenant has limits of its own. */
export function limitedMetrics(policy: ThresholdPolicy, tenantId: string): ReadonlySet<string> {
  const plan = planOf(policy, tenantId);
  return new Set([...(plan?.limits ?? []), ...policy.overrides(tenantId)].map(({ metric }) => metric));
}

/** Percent, rising; each once. */
export function thresholdsFor(
  watcher: Watcher,
  policy: ThresholdPolicy,
  ceiling: Ceiling,
): readonly number[] {
  if (watcher.metrics !== null && !watcher.metrics.includes(ceiling.metric)) return [];
  const limit = planOf(policy, ceiling.scope)?.limits.find(
    ({ metric, period }) => metric === ceiling.metric && period === ceiling.period,
  );
  const ofPlan = watcher.planThresholds ? (limit?.warnAt ?? []) : [];
  return [...new Set([...watcher.thresholds, ...ofPlan])].sort((a, b) => a - b);
}

/** All that were reached, however many at once. Nothing used reaches nothing, also where the limit is 0. */
export function isReached(amount: Billionths, ceiling: Ceiling, percent: number): boolean {
  return amount > 0n && amount * 100n >= ceiling.value * BigInt(percent);
}

export function thresholdEvent(
  ceiling: Ceiling,
  unit: string,
  percent: number,
  usage: KnownUsage,
  now: number,
): WebhookEvent {
  const isTotal = ceiling.period === 'total';
  return {
    type: 'usage.threshold_reached',
    timestamp: instantText(now),
    data: {
      tenantId: ceiling.scope,
      metric: ceiling.metric,
      unit,
      period: ceiling.period,
      periodStart: isTotal ? null : instantText(usage.span.start),
      periodEnd: isTotal ? null : instantText(usage.span.end),
      thresholdPercent: percent,
      used: formatDecimal(usage.amount),
      limit: { value: formatDecimal(ceiling.value), mode: ceiling.mode, source: ceiling.source },
      asOf: instantText(usage.asOf),
      final: usage.final,
      late: usage.late,
    },
  };
}

/**
 * Exactly one for each of these. A total never turns, so another amount is what begins it anew: its
 * thresholds are told once for each amount that the limit has had.
 */
export function thresholdIdentity(
  ceiling: Pick<Ceiling, 'scope' | 'metric' | 'period' | 'value'>,
  periodStart: number,
  percent: number,
): readonly (string | number)[] {
  const { scope, metric, period, value } = ceiling;
  const identity = [scope, metric, period, periodStart, percent];
  return period === 'total' ? [...identity, formatDecimal(value)] : identity;
}

function planOf(policy: ThresholdPolicy, tenantId: string) {
  const id = policy.tenant(tenantId)?.plan ?? null;
  return id === null ? undefined : policy.plan(id);
}
