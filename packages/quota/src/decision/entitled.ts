/**
 * Entitlements up the lineage. A scope with a plan must be covered by that plan or by a grant to the
 * scope; a scope without a plan adds nothing and takes nothing away. So a plan below can narrow what
 * the one above allows, and a grant below cannot widen it.
 */
import type { PolicyView } from '../registry/policy-set.ts';
import { surelyInForce, type Boundaries, type TimeBounds } from '../registry/validity.ts';

export interface EntitlementAnswer {
  /** What covers it at the lowest scope: `plan:pro` or `entitlement:trial`. */
  readonly by: string;
  readonly tier: string | null;
}

export interface Wanted {
  readonly product: string;
  readonly resourceType: string;
  readonly action: string;
}

/**
 * @param lineage tenant ids from the request's scope up to the root
 * @param boundaries learns when the answer may change
 */
export function entitled(
  policy: PolicyView,
  lineage: readonly string[],
  wanted: Wanted,
  at: TimeBounds,
  boundaries: Boundaries,
): EntitlementAnswer | null {
  let lowest: EntitlementAnswer | null = null;
  for (const scope of lineage) {
    const answer = grantedAt(policy, scope, wanted, at, boundaries) ?? plannedAt(policy, scope, wanted);
    if (answer === null && (policy.tenant(scope)?.plan ?? null) !== null) return null;
    lowest ??= answer;
  }
  return lowest;
}

function grantedAt(
  policy: PolicyView,
  scope: string,
  wanted: Wanted,
  at: TimeBounds,
  boundaries: Boundaries,
): EntitlementAnswer | null {
  const covering = policy.entitlements(scope).filter((each) => covers(each, wanted));
  for (const each of covering) boundaries.add(each);
  const found = covering.find((each) => surelyInForce(each, at));
  return found === undefined ? null : { by: `entitlement:${found.id}`, tier: found.tier };
}

function plannedAt(policy: PolicyView, scope: string, wanted: Wanted): EntitlementAnswer | null {
  const planId = policy.tenant(scope)?.plan ?? null;
  if (planId === null) return null;
  const found = policy.plan(planId)?.entitlements.find((each) => covers(each, wanted));
  return found === undefined ? null : { by: `plan:${planId}`, tier: found.tier };
}

function covers(entitlement: Wanted, wanted: Wanted): boolean {
  return (
    entitlement.product === wanted.product &&
    (entitlement.resourceType === '*' || entitlement.resourceType === wanted.resourceType) &&
    (entitlement.action === '*' || entitlement.action === wanted.action)
  );
}
