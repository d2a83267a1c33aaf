/** Counts what a gate decides, for Prometheus. `createGate({ …, observer: gateInstruments(metrics) })` */
import type { Decision, QuotaCheck } from '@meterhouse/quota';
import { OTHER, type BoundedLabel, type Metrics, type Reading } from '@meterhouse/runtime/metrics';
import { formatDecimal, type Billionths } from '@meterhouse/usage';
import type { DecisionPublisher } from '../decision-sink.ts';
import type { Gate, GateObserver } from '../gate.ts';
import { DECISION_PUBLISHER_METRICS, GATE_METRICS, STRICT_METRICS } from './metrics.ts';

export interface GateInstrumentsBounds {
  /** Tenants with series of their own; the others are `other`. */
  readonly maxTenants: number;
  readonly maxRoutes: number;
  /** Tenants times metrics whose usage is shown; the others are not. */
  readonly maxQuotas: number;
}

const BOUNDS: GateInstrumentsBounds = { maxTenants: 200, maxRoutes: 50, maxQuotas: 2_000 };

export function gateInstruments(metrics: Metrics, bounds: Partial<GateInstrumentsBounds> = {}): GateObserver {
  const { maxTenants, maxRoutes, maxQuotas } = { ...BOUNDS, ...bounds };
  const tenants = metrics.bounded('tenant', maxTenants);
  const routes = metrics.bounded('route', maxRoutes);
  const requests = metrics.counter(GATE_METRICS.requests);
  const rateLimited = metrics.counter(GATE_METRICS.rateLimited);
  const saw = decisionInstruments(metrics, maxQuotas);
  return {
    decided: ({ tenantId, route }, decision) => {
      const labels = {
        // Whoever is not registered may call itself anything.
        tenant: decision.reason === 'unknown_tenant' ? OTHER : tenants.of(tenantId),
        route: route === undefined ? 'none' : routes.of(route),
      };
      requests.inc(labels);
      if (decision.reason === 'rate_limited') rateLimited.inc(labels);
      saw(decision);
    },
  };
}

/**
 * Counts decisions, and shows the usage and the limit that they saw: for whoever decides without `admit`.
 * @param maxQuotas tenants times metrics whose usage is shown
 * @returns to be given each decision
 */
export function decisionInstruments(
  metrics: Metrics,
  maxQuotas: number = BOUNDS.maxQuotas,
): (decision: Decision) => void {
  const decisions = metrics.counter(GATE_METRICS.decisions);
  const quotas = new Quotas(metrics.bounded('tenant and metric', maxQuotas));
  metrics.gauge(GATE_METRICS.consumed, () => quotas.readings(({ used, pending }) => used + pending));
  metrics.gauge(GATE_METRICS.limit, () => quotas.readings(({ ceiling }) => ceiling.value));
  return (decision) => {
    decisions.inc({ outcome: decision.outcome, reason: decision.reason });
    quotas.saw(decision);
  };
}

/** What the last decision about a tenant's metric saw. */
class Quotas {
  readonly #label: BoundedLabel;
  readonly #last = new Map<string, QuotaCheck>();

  constructor(label: BoundedLabel) {
    this.#label = label;
  }

  saw({ checks }: Decision): void {
    const tightest = new Map<string, QuotaCheck>();
    for (const check of checks) {
      const { scope, metric } = check.ceiling;
      const key = `${scope}\0${metric}`;
      const other = tightest.get(key);
      if (other === undefined || isTighter(check, other)) tightest.set(key, check);
    }
    for (const [key, check] of tightest) if (this.#label.of(key) !== OTHER) this.#last.set(key, check);
  }

  readings(amount: (check: QuotaCheck) => Billionths): readonly Reading<'tenant' | 'metric'>[] {
    return Array.from(this.#last.values(), (check) => ({
      labels: { tenant: check.ceiling.scope, metric: check.ceiling.metric },
      // Prometheus has nothing but floats: to be looked at, not to be billed.
      value: Number(formatDecimal(amount(check))),
    }));
  }
}

/** Whether more of its ceiling is used up. */
function isTighter(a: QuotaCheck, b: QuotaCheck): boolean {
  return (a.used + a.pending) * b.ceiling.value > (b.used + b.pending) * a.ceiling.value;
}

/** Exports how a gate's strict counters are kept in step; nothing for a gate without a limiter. */
export function observeStrictQuotas(metrics: Metrics, gate: Pick<Gate, 'status'>): void {
  const { counters, overflowed, failing, told, refunds } = STRICT_METRICS;
  metrics.value(counters, () => gate.status().strict?.counters ?? null);
  metrics.value(overflowed, () => gate.status().strict?.overflowed ?? null);
  metrics.value(failing, () => {
    const { strict } = gate.status();
    return strict === null ? null : strict.error === null ? 0 : 1;
  });
  metrics.totals(told, () => byAnswer(gate.status().strict?.answers ?? {}));
  metrics.totals(refunds, () => byAnswer(gate.status().refunds));
}

/** The answers are of a closed set. */
function byAnswer(answers: Readonly<Record<string, number>>): readonly Reading<'answer'>[] {
  return Object.entries(answers).map(([answer, value]) => ({ labels: { answer }, value }));
}

/** Exports what a publisher of decisions says of itself. */
export function observeDecisionPublisher(
  metrics: Metrics,
  publisher: Pick<DecisionPublisher, 'status'>,
): void {
  const { waiting, published, overflowed, refused } = DECISION_PUBLISHER_METRICS;
  metrics.value(waiting, () => publisher.status().waiting);
  metrics.total(published, () => publisher.status().published);
  metrics.total(overflowed, () => publisher.status().overflowed);
  metrics.total(refused, () => publisher.status().refused);
}
