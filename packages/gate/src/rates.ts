/** Which rates a request is charged: those of every plan up the lineage that are for its route. */
import type { PolicyView, RateFact } from '@meterhouse/quota';
import type { RateAnswer, RateCharge, RateRule } from '@meterhouse/rate-limit';

/** What the gate needs of a rate limiter. */
export interface RatePort {
  charge(charges: readonly RateCharge[], place: { readonly rootId: string }): Promise<RateAnswer>;
}

type PlanRate = NonNullable<ReturnType<PolicyView['plan']>>['rates'][number];

/** Of every route. */
const ANY_ROUTE = '*';
/** The same object for the same plan's rate, so that the limiter checks it once. */
const rules = new WeakMap<PlanRate, RateRule>();

/** @param lineage tenant ids from the request's scope up to the root */
export function rateCharges(
  view: PolicyView,
  lineage: readonly string[],
  route: string | null,
  cost: number,
): RateCharge[] {
  return lineage.flatMap((tenantId) => {
    const planId = view.tenant(tenantId)?.plan ?? null;
    const plan = planId === null ? undefined : view.plan(planId);
    return (plan?.rates ?? [])
      .filter((rate) => rate.route === null || rate.route === route)
      .map((rate) => ({ tenantId, route: rate.route ?? ANY_ROUTE, rule: ruleOf(rate), cost }));
  });
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

export function rateFact(answer: RateAnswer): RateFact {
  if (answer.outcome === 'admitted') return { outcome: 'admitted' };
  if (answer.outcome === 'unavailable') return { outcome: 'unavailable', retryAfterMs: answer.retryAfterMs };
  return { outcome: 'limited', retryAfterMs: answer.tightest.retryAfterMs ?? answer.tightest.resetMs };
}
