/** Rates and concurrency limits that a request meets: those of every plan up the lineage that are for it. */
import type { DecisionRequest, PlanDocument, PolicyView, Question } from '@meterhouse/quota';
import type { LeaseCharge, RateCharge, RateRule } from '@meterhouse/rate-limit';

type PlanRate = PlanDocument['rates'][number];
type PlanPlaces = PlanDocument['concurrency'][number];

/** Of every route. */
const ANY_ROUTE = '*';
/** The same object for the same plan's rate, so that the limiter checks it once. */
const rules = new WeakMap<PlanRate, RateRule>();

/** @param lineage tenant ids from the request's scope up to the root */
export function chargesOfPlan(
  view: PolicyView,
  lineage: readonly string[],
  request: DecisionRequest,
  {
    route = null,
    cost = 1,
  }: { readonly route?: string | null | undefined; readonly cost?: number | undefined },
): { readonly rates: readonly RateCharge[]; readonly places: readonly LeaseCharge[] } {
  const rates: RateCharge[] = [];
  const places: LeaseCharge[] = [];
  for (const tenantId of lineage) {
    const planId = view.tenant(tenantId)?.plan ?? null;
    const plan = planId === null ? undefined : view.plan(planId);
    if (plan === undefined) continue;
    for (const rate of plan.rates)
      if (rate.route === null || rate.route === route)
        rates.push({ tenantId, route: rate.route ?? ANY_ROUTE, rule: ruleOf(rate), cost });
    for (const limit of plan.concurrency)
      if (isFor(limit, request, route))
        places.push({ tenantId, id: limit.id, limit: limit.limit, leaseMs: limit.leaseMs });
  }
  return { rates, places };
}

function isFor(limit: PlanPlaces, request: DecisionRequest, route: Question['route'] | null): boolean {
  return (
    (limit.route === null || limit.route === route) &&
    (limit.product === null || limit.product === request.product) &&
    (limit.resourceType === null || limit.resourceType === request.resourceType) &&
    (limit.action === null || limit.action === request.action)
  );
}

function ruleOf(rate: PlanRate): RateRule {
  const known = rules.get(rate);
  if (known !== undefined) return known;
  const { id, limit, periodMs, whenUnavailable, localSharePpm } = rate;
  const common = { id, limit, periodMs, whenUnavailable, localSharePpm };
  const rule: RateRule =
    rate.algorithm === 'sliding_window'
      ? { ...common, algorithm: 'sliding_window' }
      : { ...common, algorithm: 'token_bucket', burst: rate.burst ?? limit };
  rules.set(rate, rule);
  return rule;
}
