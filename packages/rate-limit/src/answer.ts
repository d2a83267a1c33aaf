/** What a caller is told: enough for `RateLimit`, `RateLimit-Policy` and `Retry-After`. */
import { DAY_MS, formatDecimal, periodStart } from '@meterhouse/usage';
import type { ChargeReceipt, CheckedQuota, LeaseCharge, RateCharge } from './charge.ts';
import type { RateRule } from './rule.ts';
import type { NoAnswer } from './store-guard.ts';
import type { QuotaReading, StoreCall, StoreReply } from './store.ts';

export type DecidedBy = 'redis' | 'memory' | 'local_fallback';

export interface RateState {
  readonly kind: 'rate';
  readonly tenantId: string;
  readonly route: string;
  readonly rule: RateRule;
  /** Units a period of what decided: the rule's, its shard's part, or this process' local share. */
  readonly limit: number;
  readonly remaining: number;
  /** 0 when it admits; null when waiting does not help, because the cost is above what fits at once. */
  readonly retryAfterMs: number | null;
  /** Until nothing counts against it any more. */
  readonly resetMs: number;
}

export interface QuotaState {
  readonly kind: 'quota';
  readonly tenantId: string;
  readonly metric: string;
  /** Decimals. */
  readonly ceiling: string;
  readonly used: string;
  readonly remaining: string;
  readonly retryAfterMs: number;
  /** Until the UTC day ends. */
  readonly resetMs: number;
}

export interface LeaseState {
  readonly kind: 'lease';
  readonly tenantId: string;
  /** Of the limit. */
  readonly id: string;
  readonly limit: number;
  /** Places that are free. */
  readonly remaining: number;
  /** 0 when it admits; else until a place is free, should nobody renew. */
  readonly retryAfterMs: number;
  /** Until the lease ends unless it is renewed. */
  readonly resetMs: number;
}

export type ChargeState = RateState | QuotaState | LeaseState;

interface Charged {
  /** In the order of the charges. */
  readonly rates: readonly RateState[];
  readonly quotas: readonly QuotaState[];
  readonly leases: readonly LeaseState[];
  readonly decidedBy: DecidedBy;
  /** Why this process decided by itself; null when it did not. */
  readonly fallbackReason: NoAnswer | null;
}

export type RateAnswer =
  | (Charged & {
      readonly outcome: 'admitted';
      /** Of what was charged, the one with the smallest part left. */
      readonly tightest: ChargeState;
      /** For giving the strict quotas back; null where none was charged. */
      readonly receipt: ChargeReceipt | null;
    })
  | (Charged & {
      readonly outcome: 'limited';
      /** Of those that refuse, the one that will for the longest. Nothing was charged. */
      readonly tightest: ChargeState;
    })
  | {
      readonly outcome: 'unavailable';
      readonly decidedBy: DecidedBy;
      readonly reason: NoAnswer | 'not_based';
      /** The charge that may not be admitted without its counter; null when no store could hold them. */
      readonly deniedBy: { readonly kind: ChargeState['kind']; readonly index: number } | null;
      readonly retryAfterMs: number;
    };

export interface Asked {
  readonly charges: readonly RateCharge[];
  readonly quotas: readonly CheckedQuota[];
  readonly leases: readonly LeaseCharge[];
  readonly call: StoreCall;
}

/** What a store's reply to the call means for the one who asked. */
export function readAnswer(
  asked: Asked,
  reply: StoreReply,
  by: {
    readonly decidedBy: DecidedBy;
    readonly fallbackReason: NoAnswer | null;
    readonly receipt: ChargeReceipt | null;
  },
): RateAnswer {
  const { charged } = reply;
  const rates = rateStates(asked, reply);
  const quotas = asked.quotas.map((quota, index) => quotaState(quota, reply.quotas[index], reply.nowMs));
  const leases = leaseStates(asked, reply);
  const states = [...rates, ...quotas, ...leases].filter((state) => charged || state.retryAfterMs !== 0);
  if (states.length > 0) {
    const { decidedBy, fallbackReason, receipt } = by;
    const said = {
      rates,
      quotas,
      leases,
      tightest: tightestOf(states, charged),
      decidedBy,
      fallbackReason,
    };
    return charged ? { outcome: 'admitted', ...said, receipt } : { outcome: 'limited', ...said };
  }
  const index = reply.quotas.findIndex(({ state }) => state === 'not_based');
  return {
    outcome: 'unavailable',
    decidedBy: by.decidedBy,
    reason: 'not_based',
    deniedBy: { kind: 'quota', index },
    retryAfterMs: RETRY_UNAVAILABLE_MS,
  };
}

/** When it cannot be known how long something stays away. */
export const RETRY_UNAVAILABLE_MS = 1_000;

function rateStates({ charges, call }: Asked, reply: StoreReply): RateState[] {
  return charges.map(({ tenantId, route, rule }, index) => {
    const meter = call.rates[index];
    const reading = reply.rates[index];
    if (meter === undefined || reading === undefined) throw new TypeError('the reply has too few readings');
    const { remaining, retryAfterMs, resetMs } = reading;
    const { limit } = meter.allowance;
    return { kind: 'rate', tenantId, route, rule, limit, remaining, retryAfterMs, resetMs };
  });
}

function leaseStates({ leases }: Asked, reply: StoreReply): LeaseState[] {
  return leases.map(({ tenantId, id, limit, leaseMs }, index) => {
    const reading = reply.leases[index];
    if (reading === undefined) throw new TypeError('the reply has too few readings');
    const { admits, live, retryAfterMs } = reading;
    return {
      kind: 'lease',
      tenantId,
      id,
      limit,
      remaining: Math.max(0, limit - live),
      // A lease that ends this very millisecond is not yet free.
      retryAfterMs: admits ? 0 : Math.max(1, retryAfterMs),
      resetMs: leaseMs,
    };
  });
}

function quotaState(quota: CheckedQuota, reading: QuotaReading | undefined, nowMs: number): QuotaState {
  if (reading === undefined) throw new TypeError('the reply has too few readings');
  const { state, used } = reading;
  const left = quota.ceilingUnits - used;
  const resetMs = periodStart('day', nowMs) + DAY_MS - nowMs;
  return {
    kind: 'quota',
    tenantId: quota.tenantId,
    metric: quota.metric,
    ceiling: quota.ceiling,
    used: formatDecimal(used),
    remaining: formatDecimal(left > 0n ? left : 0n),
    retryAfterMs: state === 'exhausted' ? resetMs : 0,
    resetMs,
  };
}

function tightestOf(states: readonly ChargeState[], charged: boolean): ChargeState {
  const isTighter = charged ? hasLessLeft : waitsLonger;
  return states.reduce((tightest, state) => (isTighter(state, tightest) ? state : tightest));
}

function waitsLonger(a: ChargeState, b: ChargeState): boolean {
  return (a.retryAfterMs ?? Infinity) > (b.retryAfterMs ?? Infinity);
}

/** For display only, so a float will do. */
function hasLessLeft(a: ChargeState, b: ChargeState): boolean {
  return partLeft(a) < partLeft(b);
}

function partLeft(state: ChargeState): number {
  if (state.kind !== 'quota') return state.remaining / state.limit;
  return Number(state.ceiling) === 0 ? 0 : Number(state.remaining) / Number(state.ceiling);
}
