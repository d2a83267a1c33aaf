/**
 * May this actor do this, has it quota left, is there capacity? Pure: everything it looks at is an
 * argument. The questions are asked in an order that makes the reason the right one:
 *
 *  1. policy: the tenant is active, and the engine lets the actor
 *  2. entitlement, up the lineage
 *  3. the action and its unit are registered by the product
 *  4. the snapshot is fresh enough to decide by
 *  5. quota, up the lineage: the tightest ceiling wins
 *  6. quota again, by the counters that all processes share, where a ceiling is strict
 *  7. rate, then places, then capacity: all are taken only after everything else has passed
 *
 * Fails closed: what is not known denies. Only quota is softened by the tenant's class.
 */
import { decimalFromStore, type Billionths } from '@meterhouse/usage';
import type { PolicyVerdict } from '../policy-port.ts';
import { periodsOf } from '../registry/billing.ts';
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

/**
 * What the counters of strict ceilings said, which all processes share; `not_asked` only while everything
 * before it is still being found out.
 */
export type StrictFact =
  | { readonly outcome: 'not_asked' | 'not_needed' | 'charged' }
  /** They could not be asked, and each of the ceilings lets the snapshot alone decide then. */
  | { readonly outcome: 'skipped'; readonly because: string }
  | {
      readonly outcome: 'exhausted';
      readonly scope: string;
      /** Decimal, without the request. */
      readonly used: string;
      readonly retryAfterMs: number;
    }
  | { readonly outcome: 'unavailable'; readonly because: string; readonly retryAfterMs: number };

/** What concurrency limits said; `none` where none applies or they have not been asked yet. */
export type PlacesFact =
  | { readonly outcome: 'none' | 'taken' }
  | {
      readonly outcome: 'full';
      readonly scope: string;
      readonly limit: string;
      readonly retryAfterMs: number;
    }
  | { readonly outcome: 'unavailable'; readonly retryAfterMs: number };

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
  readonly strict: StrictFact;
  readonly rate: RateFact;
  readonly places: PlacesFact;
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

    // Where one ceiling's usage is not known, what the others say holds: an unknown one opens nothing.
    const quota = usage === null ? null : this.#judge(tenant.class, usage.delta);
    if (quota?.outcome === 'deny') return this.#end('deny', quota.reason, this.#untilNextPeriod(tenant));
    return this.#strictQuota(tenant.class, quota, pool, stale);
  }

  /** @returns false where the usage that a ceiling caps is not known well enough; the others count all the same */
  #check(ceilings: readonly Ceiling[], { maxAgeMs }: TenantPolicy): boolean {
    const { usage, pending, now } = this.#facts;
    // Pushed onto an empty list, the first one would make room for seventeen.
    const checks = new Array<QuotaCheck>(ceilings.length);
    let known = 0;
    for (const ceiling of ceilings) {
      const reading = usage.read(ceiling.usageKey, ceiling.period, now);
      if (reading.state === 'unknown' || !(reading.ageMs <= maxAgeMs)) continue;
      const { asOf, ageMs } = reading;
      const waiting = pending.pending(ceiling.scope, ceiling.metric, now.monotonicMs - ageMs);
      const published = reading.state === 'known';
      const used = published ? reading.amount : 0n;
      const overshoot = published ? riseOf(reading.perSecond, ageMs) : 0n;
      const kept = ceiling.headroom === 'auto' ? overshoot : 0n;
      const remaining = ceiling.value - sum(sum(used, waiting), kept);
      checks[known++] = {
        ceiling,
        toldBy: 'snapshot',
        used,
        pending: waiting,
        overshoot,
        remaining,
        asOf,
        ageMs,
      };
    }
    this.#checks = known === ceilings.length ? checks : checks.slice(0, known);
    return known === ceilings.length;
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

  /** Like every quota it is softened by the class: who may pass a limit is not kept from it by its counter. */
  #strictQuota(
    tenantClass: TenantClass,
    quota: QuotaVerdict | null,
    pool: string | null,
    stale: boolean,
  ): Decision {
    const { strict } = this.#facts;
    const denies = tenantClass === 'external';
    if (strict.outcome === 'exhausted') {
      this.#quota = this.#byCounter(strict.scope, decimalFromStore(strict.used)) ?? this.#quota;
      if (denies) return this.#end('deny', 'quota_exhausted', strict.retryAfterMs);
      return this.#rateAndCapacity(EXHAUSTED_SOFTLY, pool, stale);
    }
    if (strict.outcome === 'unavailable' && denies)
      return this.#end('deny', 'quota_unavailable', strict.retryAfterMs);
    // Whoever forgot to ask the counters has not been counted by them.
    if (
      strict.outcome === 'not_needed' &&
      denies &&
      this.#checks.some(({ ceiling }) => ceiling.strict === 'deny')
    )
      return this.#end('deny', 'quota_unavailable');
    return this.#rateAndCapacity(quota, pool, stale);
  }

  #byCounter(scope: string, used: Billionths): QuotaCheck | null {
    const check = this.#checks.find(({ ceiling }) => ceiling.strict !== null && ceiling.scope === scope);
    if (check === undefined) return null;
    const remaining = check.ceiling.value - used;
    return { ...check, toldBy: 'counter', used, pending: 0n, overshoot: 0n, remaining };
  }

  #rateAndCapacity(quota: QuotaVerdict | null, pool: string | null, stale: boolean): Decision {
    const { rate, places, capacity } = this.#facts;
    if (rate.outcome === 'limited') return this.#end('deny', 'rate_limited', rate.retryAfterMs);
    if (rate.outcome === 'unavailable') return this.#end('deny', 'rate_unavailable', rate.retryAfterMs);
    if (places.outcome === 'full') return this.#end('deny', 'no_capacity', places.retryAfterMs);
    if (places.outcome === 'unavailable')
      return this.#end('deny', 'capacity_unavailable', places.retryAfterMs);
    if (capacity.outcome === 'no_capacity') return this.#end('deny', 'no_capacity', capacity.retryAfterMs);
    if (capacity.outcome === 'unavailable')
      return this.#end('deny', 'capacity_unavailable', capacity.retryAfterMs);
    // Whoever forgot to ask the pool has not been given any of it.
    if (pool !== null && this.#request.slots > 0 && capacity.outcome === 'not_needed')
      return this.#end('deny', 'capacity_unavailable');
    if (quota !== null) return this.#end(quota.outcome, quota.reason);
    if (stale) return this.#end('allow', 'stale_snapshot');
    return this.#end('allow', 'ok');
  }

  /** A total does not turn. */
  #untilNextPeriod({ lineage }: TenantPolicy): number | null {
    const period = this.#quota?.ceiling.period;
    const root = lineage.at(-1);
    if (period === undefined || period === 'total' || root === undefined) return null;
    const now = Math.max(this.#facts.now.wallMs, this.#heard.asOf ?? 0);
    return periodsOf(this.#facts.policies.view, root).of(period, now).end - now;
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
