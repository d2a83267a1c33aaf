/**
 * The ceilings that a request meets, from its own scope up to the root.
 *
 * A scope has a ceiling where a plan is attached to it or an override names it. An override without
 * authority narrows. One with authority (a privileged act, or a delegation from above) stands for
 * its scope even above the plan's, and lifts the lower ceilings above it: all of them if privileged,
 * those up to and including the delegating scope's if delegated. Usage still adds up all the way.
 */
import { formatDecimal, type Billionths } from '@meterhouse/usage';
import {
  amountOf,
  QUOTA_PERIODS,
  type LimitMode,
  type OverrideDocument,
  type QuotaPeriod,
} from '../registry/documents.ts';
import { perPeriod } from '../registry/billing.ts';
import type { PolicyView } from '../registry/policy-set.ts';
import { possiblyInForce, surelyInForce, type Boundaries, type TimeBounds } from '../registry/validity.ts';
import { UsageKey } from '../snapshot-table.ts';

export interface Ceiling {
  /** The tenant whose usage it caps, with all below. */
  readonly scope: string;
  readonly metric: string;
  readonly period: QuotaPeriod;
  readonly value: Billionths;
  readonly mode: LimitMode;
  /** From these amounts on decisions warn, ascending. */
  readonly warnFrom: readonly Billionths[];
  /** The least of them; null where there are none. */
  readonly firstWarning: Billionths | null;
  /** `plan:pro` or `override:more-for-march`. */
  readonly source: string;
  /** Whether what others can have used since the snapshot is kept back. */
  readonly headroom: 'none' | 'auto';
  /**
   * Counted for all processes together as well; says what happens while that counter cannot be asked.
   * Null: the snapshots alone decide.
   */
  readonly strict: 'deny' | 'snapshot' | null;
  /** Of the usage it caps, in the snapshots. */
  readonly usageKey: UsageKey;
}

/** A lifted ceiling is named by explain(), and caps nothing. */
export interface LiftedCeiling extends Ceiling {
  readonly liftedBy: string;
}

export interface Ceilings {
  /** From the request's scope upwards. */
  readonly active: readonly Ceiling[];
  readonly lifted: readonly LiftedCeiling[];
}

/** Of the registry, what makes ceilings. */
export type CeilingSource = Pick<PolicyView, 'tenant' | 'plan' | 'overrides' | 'delegation'>;

/** A right to exceed ceilings above, for values below `value`. */
interface Lift {
  readonly value: Billionths;
  readonly source: string;
  /** The highest scope whose ceiling it lifts; null: any. */
  readonly upTo: string | null;
}

/**
 * @param lineage tenant ids from the request's scope up to the root
 * @param boundaries learns when the answer may change
 */
export function ceilingsOf(
  policy: CeilingSource,
  lineage: readonly string[],
  metric: string,
  at: TimeBounds,
  boundaries: Boundaries,
): Ceilings {
  const active: Ceiling[] = [];
  const lifted: LiftedCeiling[] = [];
  for (const period of QUOTA_PERIODS) {
    const lifts: Lift[] = [];
    for (const [depth, scope] of lineage.entries()) {
      const own = scopeCeiling(policy, lineage.slice(depth), { metric, period }, at, boundaries);
      if (own !== null) {
        const by = lifts.find((lift) => own.ceiling.value < lift.value);
        if (by === undefined) active.push(own.ceiling);
        else lifted.push({ ...own.ceiling, liftedBy: by.source });
        if (own.lift !== null) lifts.push(own.lift);
      }
      // A delegation's authority ends with the scope that gave it.
      for (let i = lifts.length - 1; i >= 0; i--) if (lifts[i]?.upTo === scope) lifts.splice(i, 1);
    }
  }
  return { active, lifted };
}

function scopeCeiling(
  policy: CeilingSource,
  lineage: readonly string[],
  about: { readonly metric: string; readonly period: QuotaPeriod },
  at: TimeBounds,
  boundaries: Boundaries,
): { ceiling: Ceiling; lift: Lift | null } | null {
  const [scope = ''] = lineage;
  const planId = policy.tenant(scope)?.plan ?? null;
  const plan = planId === null ? undefined : policy.plan(planId);
  const limit = plan?.limits.find((each) => each.metric === about.metric && each.period === about.period);
  let best: { value: Billionths; source: string } | null =
    limit === undefined ? null : { value: amountOf(limit.value), source: `plan:${planId ?? ''}` };
  let lift: Lift | null = null;
  const narrowing: OverrideDocument[] = [];
  for (const override of policy.overrides(scope)) {
    if (override.metric !== about.metric || override.period !== about.period) continue;
    boundaries.add(override);
    const authority = authorityOf(policy, lineage, override, at, boundaries);
    if (authority === null) {
      if (possiblyInForce(override, at)) narrowing.push(override);
      continue;
    }
    const value = amountOf(override.value);
    if (lift !== null && lift.value >= value) continue;
    lift = { value, source: `override:${override.id}`, upTo: authority.upTo };
  }
  if (lift !== null && (best === null || lift.value > best.value)) best = lift;
  for (const override of narrowing) {
    const value = amountOf(override.value);
    if (best === null || value < best.value) best = { value, source: `override:${override.id}` };
  }
  if (best === null) return null;
  const { value, source } = best;
  const warnFrom = (limit?.warnAt ?? []).map((percent) => (value * BigInt(percent)) / 100n).sort(ascending);
  return {
    ceiling: {
      scope,
      ...about,
      value,
      source,
      mode: limit?.mode ?? 'hard',
      warnFrom,
      firstWarning: warnFrom[0] ?? null,
      headroom: plan?.headroom ?? 'none',
      strict: limit?.strict === true ? limit.whenUnavailable : null,
      usageKey: new UsageKey(scope, about.metric, about.period),
    },
    // A scope that is narrowed as well has no more to pass on than what it has left.
    lift: lift === null ? null : { ...lift, value: lift.value < value ? lift.value : value },
  };
}

/** By what right the override raises, if it surely has one; null: it only narrows. */
function authorityOf(
  policy: CeilingSource,
  lineage: readonly string[],
  override: OverrideDocument,
  at: TimeBounds,
  boundaries: Boundaries,
): { readonly upTo: string | null } | null {
  const { raises } = override;
  if (raises === null || !surelyInForce(override, at)) return null;
  if (raises.by === 'privileged') return { upTo: null };
  const given = policy.delegation(raises.delegation);
  if (given === undefined) return null;
  boundaries.add(given);
  const fits =
    given.metric === override.metric &&
    given.period === override.period &&
    amountOf(override.value) <= amountOf(given.upTo) &&
    lineage.includes(given.to) &&
    lineage.slice(lineage.indexOf(given.to)).includes(given.tenant) &&
    surelyInForce(given, at);
  return fits ? { upTo: given.tenant } : null;
}

function ascending(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** For people: `acme 1000 a day of llm.tokens (plan:pro)`, `acme 5000 in total of …`. */
export function describeCeiling(ceiling: Ceiling): string {
  return `${ceiling.scope} ${formatDecimal(ceiling.value)} ${perPeriod(ceiling.period)} of ${ceiling.metric} (${ceiling.source})`;
}
