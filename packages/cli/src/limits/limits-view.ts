/** Everything that limits a tenant, over its whole lineage. Pure. */
import type { StoredDocument } from '@meterhouse/postgres';
import type { Calendar, Span } from '@meterhouse/usage/calendar';
import {
  Boundaries,
  ceilingsOf,
  DOCUMENTS,
  periodsOf,
  placeOf,
  type Ceiling,
  type DelegationDocument,
  type EntitlementDocument,
  type OverrideDocument,
  type PlanDocument,
  type PolicySet,
  type TenantClass,
  type TenantDocument,
} from '@meterhouse/quota';

export type Standing = 'not yet' | 'in force' | 'ended';

export interface LimitsView {
  readonly registryVersion: bigint;
  /** From the tenant up to the root. */
  readonly lineage: readonly TenantDocument[];
  /** The strictest of the lineage: what decides. */
  readonly class: TenantClass;
  /** By which days and months turn: the root's. */
  readonly calendar: Calendar;
  /** The periods of it that are current. */
  readonly current: Readonly<Record<'day' | 'month', Span>>;
  readonly ceilings: readonly ShownCeiling[];
  readonly overrides: readonly (OverrideDocument & {
    readonly standing: Standing;
    /** It is the ceiling of its scope; else another is tighter, or it has no authority to raise. */
    readonly decides: boolean;
  })[];
  /** Rights to raise what lies in the lineage. */
  readonly delegations: readonly (DelegationDocument & { readonly standing: Standing })[];
  readonly entitlements: readonly ShownEntitlement[];
  readonly rates: readonly (PlanDocument['rates'][number] & {
    readonly scope: string;
    readonly plan: string;
  })[];
  readonly concurrency: readonly (PlanDocument['concurrency'][number] & {
    readonly scope: string;
    readonly plan: string;
  })[];
}

export interface ShownCeiling extends Ceiling {
  /** Null: it caps. */
  readonly liftedBy: string | null;
}

interface ShownEntitlement extends Pick<
  EntitlementDocument,
  'product' | 'resourceType' | 'action' | 'tier' | 'start' | 'expiry'
> {
  readonly scope: string;
  readonly source: string;
  readonly standing: Standing;
}

/**
 * @param metric only what limits this one; entitlements, rates and concurrency are shown all the same
 * @returns null where the tenant, one above it, or what may narrow either cannot be read
 */
export function limitsOf(
  policy: PolicySet,
  documents: readonly StoredDocument[],
  tenantId: string,
  metric: string | null,
  now: number,
): LimitsView | null {
  const place = placeOf(policy, tenantId);
  if (place === null) return null;
  const periods = periodsOf(policy, place.lineage.at(-1) ?? tenantId);
  const tenants = place.lineage.flatMap((id) => policy.tenant(id) ?? []);
  const overrides = place.lineage
    .flatMap((id) => policy.overrides(id).toSorted((a, b) => (a.id < b.id ? -1 : 1)))
    .filter((each) => metric === null || each.metric === metric);
  const ceilings = ceilingsIn(policy, place.lineage, overrides, metric, now);
  return {
    registryVersion: policy.version,
    lineage: tenants,
    class: place.class,
    calendar: periods.calendar,
    current: { day: periods.of('day', now), month: periods.of('month', now) },
    ceilings,
    overrides: overrides.map((override) => ({
      ...override,
      standing: standingOf(override, now),
      decides: ceilings.some(
        ({ scope, source }) => scope === override.tenant && source === `override:${override.id}`,
      ),
    })),
    delegations: documents
      .flatMap(({ kind, body }) => {
        const parsed = kind === 'delegation' ? DOCUMENTS.delegation.safeParse(body) : null;
        return parsed?.success === true ? [parsed.data] : [];
      })
      .filter((each) => place.lineage.includes(each.to) && (metric === null || each.metric === metric))
      .map((each) => ({ ...each, standing: standingOf(each, now) })),
    entitlements: tenants.flatMap((tenant) => entitlementsAt(policy, tenant, now)),
    rates: tenants.flatMap(({ id, plan }) =>
      (planOf(policy, plan)?.rates ?? []).map((rate) => ({ ...rate, scope: id, plan: plan ?? '' })),
    ),
    concurrency: tenants.flatMap(({ id, plan }) =>
      (planOf(policy, plan)?.concurrency ?? []).map((each) => ({ ...each, scope: id, plan: plan ?? '' })),
    ),
  };
}

function planOf(policy: PolicySet, id: string | null): PlanDocument | undefined {
  return id === null ? undefined : policy.plan(id);
}

function ceilingsIn(
  policy: PolicySet,
  lineage: readonly string[],
  overrides: readonly OverrideDocument[],
  metric: string | null,
  now: number,
): ShownCeiling[] {
  const limited = lineage.flatMap((id) => planOf(policy, policy.tenant(id)?.plan ?? null)?.limits ?? []);
  const metrics = new Set([...limited, ...overrides].map((each) => each.metric));
  const at = { earliest: now, latest: now };
  return [...metrics]
    .filter((each) => metric === null || each === metric)
    .sort()
    .flatMap((each) => {
      const { active, lifted } = ceilingsOf(policy, lineage, each, at, new Boundaries());
      return [...active.map((ceiling) => ({ ...ceiling, liftedBy: null })), ...lifted];
    });
}

function entitlementsAt(policy: PolicySet, { id, plan }: TenantDocument, now: number): ShownEntitlement[] {
  const planned = planOf(policy, plan)?.entitlements ?? [];
  return [
    ...planned.map((each): ShownEntitlement => ({
      ...each,
      scope: id,
      source: `plan:${plan ?? ''}`,
      start: null,
      expiry: null,
      standing: 'in force',
    })),
    ...policy.entitlements(id).map((each): ShownEntitlement => ({
      ...each,
      scope: id,
      source: `entitlement:${each.id}`,
      standing: standingOf(each, now),
    })),
  ];
}

export function standingOf(
  { start, expiry }: { readonly start: string | null; readonly expiry: string | null },
  now: number,
): Standing {
  if (expiry !== null && Date.parse(expiry) <= now) return 'ended';
  return start !== null && Date.parse(start) > now ? 'not yet' : 'in force';
}
