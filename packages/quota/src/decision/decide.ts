/**
 * May this actor do this, has it quota left, is there capacity? Pure: everything it looks at is an
 * argument. The questions are asked in an order that makes the reason the right one:
 *
 *  1. policy: the tenant is active, and the engine lets the actor
 *  2. entitlement, up the lineage
 *  3. the action and its unit are registered by the product
 *  4. the snapshot is fresh enough to decide by
 *  5. quota, up the lineage: the tightest ceiling wins
 *  6. rate, then capacity: both are taken only after everything else has passed
 *
 * Fails closed: what is not known denies. Only quota is softened by the tenant's class.
 */
import { HOUR_MS, DAY_MS, periodStart, type Billionths } from '@meterhouse/usage';
import type { PolicyVerdict } from '../policy-port.ts';
import type { QuotaPeriod, TenantClass } from '../registry/documents.ts';
import { timeBounds } from '../registry/validity.ts';
import type { Freshness, Now, SnapshotReading, UsageKey } from '../snapshot-table.ts';
import type { Ceiling } from './ceilings.ts';
import type { Decision, Outcome, QuotaCheck, Reason } from './decision.ts';
import type { EntitlementAnswer } from './entitled.ts';
import { MESSAGES } from './messages.ts';
import type { PendingView } from './pending-usage.ts';
import type { Policies, TenantPolicy } from './policies.ts';
import type { DecisionRequest } from './request.ts';

/** Current usage, as a SnapshotTable knows it. */
export interface UsageView {
  freshness(now: Now): Freshness;
  read(key: UsageKey, period: QuotaPeriod, now: Now): SnapshotReading;
}

/** What the rate limiter said; `none` where no rate applies or it has not been asked yet. */
export type RateFact =
  | { readonly outcome: 'none' | 'admitted' }
  | { readonly outcome: 'limited' | 'unavailable'; readonly retryAfterMs: number };

/** What the capacity pool said; `not_asked` only while everything before it is still being found out. */
export type CapacityFact =
  | { readonly outcome: 'not_asked' | 'not_needed' | 'reserved' }
  | { readonly outcome: 'no_capacity' | 'unavailable'; readonly retryAfterMs: number | null };

export interface Facts {
  readonly policies: Policies;
  readonly verdict: PolicyVerdict;
  readonly usage: UsageView;
  readonly pending: PendingView;
  readonly rate: RateFact;
  readonly capacity: CapacityFact;
  readonly now: Now;
}

/** How long after a stale answer it is worth to ask again: a snapshot should have come. */
const STALE_RETRY_MS = 1_000;

export function decide(request: DecisionRequest, facts: Facts): Decision {
  return new Walk(request, facts).decision();
}

/** What quota says, where it says anything. */
interface QuotaVerdict {
  readonly outcome: Outcome;
  readonly reason: Reason;
}

const WARNS: QuotaVerdict = { outcome: 'warn', reason: 'quota_warning' };
const EXHAUSTED: QuotaVerdict = { outcome: 'deny', reason: 'quota_exhausted' };
const EXHAUSTED_SOFTLY: QuotaVerdict = { outcome: 'warn', reason: 'quota_exhausted' };
const NO_CHECKS: readonly QuotaCheck[] = [];

/** One decision in the making. */
class Walk {
  readonly #request: DecisionRequest;
  readonly #facts: Facts;
  readonly #heard: Freshness;
  #isInternal = false;
  #entitled: EntitlementAnswer | null = null;
  #checks = NO_CHECKS;
  #quota: QuotaCheck | null = null;

  constructor(request: DecisionRequest, facts: Facts) {
    this.#request = request;
    this.#facts = facts;
    this.#heard = facts.usage.freshness(facts.now);
  }

  decision(): Decision {
    const { policies, verdict, now } = this.#facts;
    const request = this.#request;
    const tenant = policies.tenant(request.tenantId);
    if ('problem' in tenant) return this.#end('deny', tenant.problem);
    this.#isInternal = tenant.class === 'internal';
    if (verdict.outcome === 'deny') return this.#end('deny', 'policy_denied');
    if (verdict.outcome === 'unavailable') return this.#end('deny', 'policy_unavailable', STALE_RETRY_MS);

    const at = timeBounds(now.wallMs, this.#heard);
    const offer = policies.offer(request);
    const { terms } = tenant;
    this.#entitled = offer === null ? terms.entitledTo(request, at) : terms.entitled(offer, at);
    if (this.#entitled === null) return this.#end('deny', 'missing_entitlement');

    const { usage } = request;
    if (offer === null) return this.#end('deny', 'unknown_unit');
    if (usage !== null && offer.units.get(usage.metric) !== usage.unit)
      return this.#end('deny', 'unknown_unit');
    const { launchSensitive, pool } = offer.document;

    let stale = !(this.#heard.ageMs <= tenant.maxAgeMs);
    if (usage !== null && !stale) stale = !this.#check(terms.ceilings(usage.metric, at).active, tenant);
    if (stale && (launchSensitive || this.#staleDenies(tenant)))
      return this.#end('deny', 'stale_snapshot', STALE_RETRY_MS);

    const quota = stale || usage === null ? null : this.#judge(tenant.class, usage.delta);
    if (quota?.outcome === 'deny') return this.#end('deny', quota.reason, this.#untilNextPeriod());
    return this.#rateAndCapacity(quota, pool, stale);
  }

  /** @returns false where the usage that a ceiling caps is not known well enough */
  #check(ceilings: readonly Ceiling[], { maxAgeMs }: TenantPolicy): boolean {
    const { usage, pending, now } = this.#facts;
    // Pushed onto an empty list, the first one would make room for seventeen.
    const checks = new Array<QuotaCheck>(ceilings.length);
    for (let i = 0; i < ceilings.length; i++) {
      const ceiling = ceilings[i] as Ceiling;
      const reading = usage.read(ceiling.usageKey, ceiling.period, now);
      if (reading.state === 'unknown' || !(reading.ageMs <= maxAgeMs)) {
        this.#checks = checks.slice(0, i);
        return false;
      }
      const { asOf, ageMs } = reading;
      const waiting = pending.pending(ceiling.scope, ceiling.metric, now.monotonicMs - ageMs);
      const known = reading.state === 'known';
      const used = known ? reading.amount : 0n;
      const overshoot = known ? riseOf(reading.perSecond, ageMs) : 0n;
      const kept = ceiling.headroom === 'auto' ? overshoot : 0n;
      const remaining = ceiling.value - sum(sum(used, waiting), kept);
      checks[i] = { ceiling, used, pending: waiting, overshoot, remaining, asOf, ageMs };
    }
    this.#checks = checks;
    return true;
  }

  #staleDenies(tenant: TenantPolicy): boolean {
    if (tenant.class === 'internal') return false;
    // Snapshots arrive and only our wall clock calls them old: that clock is wrong, and a wrong clock
    // must not open what a right one would keep shut.
    const clockIsWrong = this.#heard.ageMs > tenant.maxAgeMs && this.#heard.monotonicAgeMs <= tenant.maxAgeMs;
    return tenant.whenStale === 'deny' || clockIsWrong;
  }

  /** The tightest ceiling, and what it means for this class of tenant. */
  #judge(tenantClass: TenantClass, delta: Billionths): QuotaVerdict | null {
    let worst: QuotaCheck | null = null;
    let severity = FITS;
    for (const check of this.#checks) {
      const its = severityOf(check, delta);
      if (worst === null || its > severity || (its === severity && check.remaining < worst.remaining)) {
        worst = check;
        severity = its;
      }
    }
    this.#quota = worst;
    if (severity === FITS) return null;
    if (severity === NEARLY) return WARNS;
    return severity === OVER_HARD && tenantClass === 'external' ? EXHAUSTED : EXHAUSTED_SOFTLY;
  }

  #rateAndCapacity(quota: QuotaVerdict | null, pool: string | null, stale: boolean): Decision {
    const { rate, capacity } = this.#facts;
    if (rate.outcome === 'limited') return this.#end('deny', 'rate_limited', rate.retryAfterMs);
    if (rate.outcome === 'unavailable') return this.#end('deny', 'rate_unavailable', rate.retryAfterMs);
    if (capacity.outcome === 'no_capacity') return this.#end('deny', 'no_capacity', capacity.retryAfterMs);
    if (capacity.outcome === 'unavailable')
      return this.#end('deny', 'capacity_unavailable', capacity.retryAfterMs);
    // Whoever forgot to ask the pool has not been given any of it.
    if (pool !== null && this.#request.slots > 0 && capacity.outcome === 'not_needed')
      return this.#end('deny', 'capacity_unavailable');
    if (stale) return this.#end('allow', 'stale_snapshot');
    if (quota !== null) return this.#end(quota.outcome, quota.reason);
    return this.#end('allow', 'ok');
  }

  #untilNextPeriod(): number | null {
    const period = this.#quota?.ceiling.period;
    if (period === undefined) return null;
    const now = Math.max(this.#facts.now.wallMs, this.#heard.asOf ?? 0);
    return periodEnd(period, now) - now;
  }

  #end(outcome: Outcome, reason: Reason, retryAfterMs: number | null = null): Decision {
    const { policies, verdict } = this.#facts;
    const softened = outcome === 'warn' && this.#isInternal;
    return {
      outcome: softened ? 'allow' : outcome,
      reason,
      message: MESSAGES[reason],
      enforced: !softened && !(outcome === 'allow' && reason === 'stale_snapshot'),
      quota: this.#quota,
      checks: this.#checks,
      entitledBy: this.#entitled?.by ?? null,
      tier: this.#entitled?.tier ?? null,
      matchedRules: verdict.rules,
      evidence: {
        registryVersion: policies.version,
        policyEngine: verdict.engine,
        policyVersion: verdict.version,
        asOf: this.#heard.asOf,
        ageMs: this.#heard.ageMs,
      },
      retryAfterMs,
      correlationId: this.#request.correlationId,
    };
  }
}

const FITS = 0;
const NEARLY = 1;
const OVER_SOFT = 2;
const OVER_HARD = 3;

function severityOf({ ceiling, used, pending, remaining }: QuotaCheck, delta: Billionths): number {
  if (delta > remaining) return ceiling.mode === 'hard' ? OVER_HARD : OVER_SOFT;
  const { firstWarning } = ceiling;
  return firstWarning !== null && sum(sum(used, pending), delta) >= firstWarning ? NEARLY : FITS;
}

/** Most amounts are zero most of the time, and each sum of large integers is a new one. */
function sum(one: Billionths, other: Billionths): Billionths {
  if (other === 0n) return one;
  return one === 0n ? other : one + other;
}

function riseOf(perSecond: Billionths, ageMs: number): Billionths {
  return perSecond === 0n ? 0n : (perSecond * BigInt(Math.ceil(ageMs))) / 1_000n;
}

/** Start of the period after the one that the instant lies in, epoch ms. */
export function periodEnd(period: QuotaPeriod, ts: number): number {
  const start = periodStart(period, ts);
  if (period === 'hour') return start + HOUR_MS;
  if (period === 'day') return start + DAY_MS;
  // A month has at most 31 days, and 40 days from its start lie in the next.
  return periodStart('month', start + 40 * DAY_MS);
}
