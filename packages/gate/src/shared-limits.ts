/**
 * What a request is charged in the store that all processes share, in one call that takes all or nothing:
 * rates and places of every plan up the lineage, and the counters of strict ceilings.
 */
import {
  ceilingsMet,
  type Ceiling,
  type DecisionRequest,
  type Facts,
  type PlacesFact,
  type PolicyView,
  type RateFact,
  type StrictFact,
  type TenantPolicy,
} from '@meterhouse/quota';
import {
  MAX_STRICT_AMOUNT,
  type ChargeReceipt,
  type LeaseCharge,
  type Leases,
  type QuotaCharge,
  type RateAnswer,
  type RateCharge,
  type RateLimiter,
} from '@meterhouse/rate-limit';
import { DAY_MS, formatDecimal } from '@meterhouse/usage';
import type { Question } from '@meterhouse/quota';
import { chargesOfPlan } from './plan-charges.ts';

/** What the gate needs of a rate limiter. */
export type RatePort = Pick<RateLimiter, 'charge' | 'rebase' | 'refund' | 'renewLeases' | 'releaseLeases'>;

interface StrictCharge {
  readonly ceiling: Ceiling;
  /** Whether it can refuse: a lifted ceiling is counted and no more, and so is that of a softer class. */
  readonly refuses: boolean;
}

/** What is to be charged. */
export interface SharedCharges {
  readonly rootId: string;
  readonly rates: readonly RateCharge[];
  readonly places: readonly LeaseCharge[];
  readonly strict: readonly StrictCharge[];
}

/** What came of it. */
export interface Charged {
  readonly strict: StrictFact;
  readonly rate: RateFact;
  readonly places: PlacesFact;
  readonly answer: RateAnswer | null;
  /** Of the strict counters, for giving it back. */
  readonly receipt: ChargeReceipt | null;
  /** The places that were taken. */
  readonly leases: Leases | null;
}

export const NOTHING_CHARGED: Charged = {
  strict: { outcome: 'not_needed' },
  rate: { outcome: 'none' },
  places: { outcome: 'none' },
  answer: null,
  receipt: null,
  leases: null,
};

const RETRY_MS = 1_000;
/** No refusal comes of it: as much as a counter counts. */
const UNBOUNDED = MAX_STRICT_AMOUNT - 1n;

/** @returns null where there is nothing to charge */
export function sharedCharges(
  view: PolicyView,
  tenant: TenantPolicy,
  request: DecisionRequest,
  question: Question,
  facts: Facts,
): SharedCharges | null {
  const { rates, places } = chargesOfPlan(view, tenant.lineage, request, question);
  const { active, lifted } = ceilingsMet(request, facts);
  const strict: StrictCharge[] = [];
  const refuses = tenant.class === 'external';
  for (const ceiling of active) if (ceiling.strict !== null) strict.push({ ceiling, refuses });
  for (const ceiling of lifted) if (ceiling.strict !== null) strict.push({ ceiling, refuses: false });
  if (rates.length + places.length + strict.length === 0) return null;
  return { rootId: tenant.lineage.at(-1) ?? request.tenantId, rates, places, strict };
}

/** @param leaseId names the places; of this admission alone: whoever shares it shares them */
export async function charge(
  limiter: RatePort | undefined,
  charges: SharedCharges,
  request: DecisionRequest,
  leaseId: string,
): Promise<Charged> {
  const delta = request.usage?.delta ?? 0n;
  const never = charges.strict.find(({ refuses }) => refuses && delta >= MAX_STRICT_AMOUNT);
  if (never !== undefined) {
    const scope = never.ceiling.scope;
    const strict: StrictFact = { outcome: 'exhausted', scope, used: '0', retryAfterMs: DAY_MS };
    return { ...NOTHING_CHARGED, strict };
  }
  const counted = delta < MAX_STRICT_AMOUNT ? charges.strict : [];
  const said = await ask(limiter, { ...charges, strict: counted }, delta, leaseId);
  if (said.because === null) return said.charged;
  // The counters cannot be asked, and none of them has to be: the rest is charged without them.
  const skipped: StrictFact = { outcome: 'skipped', because: said.because };
  if (charges.rates.length + charges.places.length === 0) return { ...NOTHING_CHARGED, strict: skipped };
  const rest = await ask(limiter, { ...charges, strict: [] }, delta, leaseId);
  return { ...rest.charged, strict: skipped };
}

/** @returns with why the strict counters have to be left out, where they have */
async function ask(
  limiter: RatePort | undefined,
  charges: SharedCharges,
  delta: bigint,
  leaseId: string,
): Promise<{ readonly charged: Charged; readonly because: string | null }> {
  const { rootId, rates, places, strict } = charges;
  if (limiter === undefined) return unavailable(charges, null, 'no_limiter', RETRY_MS);
  const leases = places.length === 0 ? null : { id: leaseId, of: places };
  const quotas = strict.map((each) => quotaCharge(each, delta));
  const answer = await limiter.charge(rates, { rootId, quotas, ...(leases === null ? {} : { leases }) });
  if (answer.outcome === 'unavailable') {
    // It may have been carried out all the same, and nobody would hold what it took.
    if (leases !== null) void limiter.releaseLeases(rootId, leases);
    return unavailable(charges, answer, answer.reason, answer.retryAfterMs);
  }
  if (answer.outcome === 'limited') return limited(charges, answer);
  const charged: Charged = {
    strict: { outcome: strict.length === 0 ? 'not_needed' : 'charged' },
    rate: { outcome: rates.length === 0 ? 'none' : 'admitted' },
    places: { outcome: leases === null ? 'none' : 'taken' },
    answer,
    receipt: answer.receipt,
    leases,
  };
  return { charged, because: null };
}

function quotaCharge({ ceiling, refuses }: StrictCharge, delta: bigint): QuotaCharge {
  const { scope, metric, value } = ceiling;
  const bound = refuses && value < UNBOUNDED ? value : UNBOUNDED;
  return { tenantId: scope, metric, delta: formatDecimal(delta), ceiling: formatDecimal(bound) };
}

function limited(
  { strict }: SharedCharges,
  answer: Extract<RateAnswer, { outcome: 'limited' }>,
): { readonly charged: Charged; readonly because: string | null } {
  const refused = answer.quotas.filter(({ retryAfterMs }) => retryAfterMs !== 0);
  const refusing = refused.find((state) =>
    strict.some(({ ceiling, refuses }) => refuses && ceiling.scope === state.tenantId),
  );
  const rate = longest(answer.rates);
  const place = longest(answer.leases);
  const charged: Charged = {
    ...NOTHING_CHARGED,
    strict:
      refusing === undefined
        ? { outcome: 'not_asked' }
        : {
            outcome: 'exhausted',
            scope: refusing.tenantId,
            used: refusing.used,
            retryAfterMs: refusing.retryAfterMs,
          },
    rate:
      rate === null
        ? { outcome: 'none' }
        : { outcome: 'limited', retryAfterMs: rate.retryAfterMs ?? rate.resetMs },
    places:
      place === null
        ? { outcome: 'none' }
        : {
            outcome: 'full',
            scope: place.tenantId,
            limit: `${place.limit}`,
            retryAfterMs: place.retryAfterMs,
          },
    answer,
  };
  const overflowed = refused.length > 0 && refusing === undefined && rate === null && place === null;
  return { charged, because: overflowed ? 'beyond_what_is_counted' : null };
}

function longest<T extends { readonly retryAfterMs: number | null }>(states: readonly T[]): T | null {
  let found: T | null = null;
  for (const state of states)
    if (state.retryAfterMs !== 0 && waitOf(state) > (found === null ? 0 : waitOf(found))) found = state;
  return found;
}

function waitOf({ retryAfterMs }: { readonly retryAfterMs: number | null }): number {
  return retryAfterMs ?? Infinity;
}

function unavailable(
  { strict, rates }: SharedCharges,
  answer: Extract<RateAnswer, { outcome: 'unavailable' }> | null,
  because: string,
  retryAfterMs: number,
): { readonly charged: Charged; readonly because: string | null } {
  const kind = answer?.deniedBy?.kind ?? (strict.length > 0 ? 'quota' : rates.length > 0 ? 'rate' : 'lease');
  const none = { ...NOTHING_CHARGED, answer };
  if (kind === 'quota') {
    const must = strict.some(({ ceiling, refuses }) => refuses && ceiling.strict === 'deny');
    const fact: StrictFact = { outcome: 'unavailable', because, retryAfterMs };
    return { charged: { ...none, strict: fact }, because: must ? null : because };
  }
  const fact = { outcome: 'unavailable', retryAfterMs } as const;
  const charged = kind === 'rate' ? { ...none, rate: fact } : { ...none, places: fact };
  return { charged: { ...charged, strict: { outcome: 'not_asked' } }, because: null };
}
