/**
 * The port that both stores implement. Terminology: a *meter* is one counter that a call charges; a
 * call charges all of its meters or none.
 */
import type { Billionths } from '@meterhouse/usage';
import type { Allowance } from './rule.ts';

export interface RateMeter {
  readonly key: string;
  readonly allowance: Allowance;
  readonly cost: number;
}

export interface QuotaMeter {
  /** Without the day. */
  readonly key: string;
  readonly delta: Billionths;
  readonly ceiling: Billionths;
}

/** A concurrency limit: at most so many leases that have not expired. */
export interface LeaseMeter {
  readonly key: string;
  readonly limit: number;
  readonly leaseMs: number;
}

/** One lease of each limit, all by the same id. Asked again, it is the same lease. */
export interface LeaseCall {
  readonly id: string;
  readonly meters: readonly LeaseMeter[];
}

export interface StoreCall {
  readonly rates: readonly RateMeter[];
  readonly quotas: readonly QuotaMeter[];
  readonly leases?: LeaseCall;
}

export interface RateReading {
  readonly admits: boolean;
  /** Whole units left: after the call where it was charged, else as they are. */
  readonly remaining: number;
  /** 0 where it admits; null where waiting does not help, because the cost is above the capacity. */
  readonly retryAfterMs: number | null;
  /** Until the whole capacity is there again. */
  readonly resetMs: number;
}

export interface QuotaReading {
  readonly state:
    | 'admits'
    | 'exhausted'
    /** Nothing tells what was used so far today; see rebase. */
    | 'not_based';
  readonly used: Billionths;
  /** The instant that a charge of the call is counted at, epoch ms on the store's clock. */
  readonly atMs: number;
}

export interface LeaseReading {
  readonly admits: boolean;
  /** Leases that have not expired: with this one where it was taken. */
  readonly live: number;
  /** 0 where it admits; else until the first one expires that makes room, should nobody renew. */
  readonly retryAfterMs: number;
}

export interface StoreReply {
  readonly charged: boolean;
  /** Epoch ms on the store's clock. */
  readonly nowMs: number;
  readonly rates: readonly RateReading[];
  readonly quotas: readonly QuotaReading[];
  readonly leases: readonly LeaseReading[];
}

export interface RebaseCall {
  /** Without the day. */
  readonly key: string;
  /** Epoch ms at which the UTC day begins. */
  readonly dayStart: number;
  readonly used: Billionths;
  /** Epoch ms. */
  readonly asOf: number;
  readonly settleMs: number;
}

export type RebaseOutcome =
  /** The counter is `used` plus what was charged since. */
  | 'applied'
  /** Taken, but charges from before the counter was known may still be under way: it does not admit yet. */
  | 'settling'
  /** A later as-of has been applied. */
  | 'older'
  /** The as-of lies ahead of the store's clock: a clock is wrong, and nothing was changed. */
  | 'ahead_of_clock'
  /** The day is neither today nor tomorrow. */
  | 'other_day';

export interface RefundCall {
  /** The same for each repetition of a refund, and for nothing else. */
  readonly key: string;
  readonly charged: readonly {
    /** With the day. */
    readonly key: string;
    readonly delta: Billionths;
    /** As QuotaReading told it. */
    readonly atMs: number;
  }[];
  readonly settleMs: number;
}

export type RefundOutcome =
  | 'refunded'
  /** It was given back before. */
  | 'repeated'
  /** No counter has the charge any more: a rebase, or a loss of data, took it out. */
  | 'forgotten'
  /** Longer ago than the time to settle: the next rebase takes it out. */
  | 'too_late';

/** What a counter does that nothing was ever told about: refuse, or begin at zero. */
export type WhenUnbased = 'deny' | 'zero';

/** Thrown by a store that keeps what it has and takes no more keys. */
export class StoreFullError extends Error {
  constructor(maxKeys: number) {
    super(`all ${maxKeys} keys are in use`);
    this.name = 'StoreFullError';
  }
}

export interface RateStore {
  readonly kind: 'redis' | 'memory';
  charge(call: StoreCall): Promise<StoreReply>;
  rebase(call: RebaseCall): Promise<RebaseOutcome>;
  refund(call: RefundCall): Promise<RefundOutcome>;
  /** False: at least one was somebody else's by now; then none is held. */
  renewLeases(call: LeaseCall): Promise<boolean>;
  releaseLeases(call: LeaseCall): Promise<void>;
  close(): Promise<void>;
}
