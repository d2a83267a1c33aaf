/**
 * A token bucket in whole numbers. The level is in 1/periodMs of a unit, so each millisecond refills
 * exactly `limit`. redis/charge.lua computes the same, step by step.
 */
import type { Allowance } from '../rule.ts';

export interface BucketState {
  readonly kind: 'token_bucket';
  readonly level: number;
  readonly atMs: number;
  readonly periodMs: number;
}

/** What one meter says of a call, before it is known whether the others let it be charged. */
export interface Step<State> {
  readonly admits: boolean;
  /** As in RateReading. */
  readonly retryAfterMs: number | null;
  readonly ifCharged: Left & {
    readonly state: State;
    /** From when on the state says no more than an absent one. */
    readonly forgettableAtMs: number;
  };
  readonly ifNot: Left;
}

interface Left {
  readonly remaining: number;
  readonly resetMs: number;
}

export function stepBucket(
  state: BucketState | undefined,
  allowance: Allowance,
  cost: number,
  nowMs: number,
): Step<BucketState> {
  const { limit, periodMs, capacity } = allowance;
  const { level, atMs } = refilled(state, allowance, nowMs);
  // How far a clock that was set back has to catch up before anything is refilled.
  const behindMs = atMs - nowMs;
  const never = cost > capacity;
  const admits = !never && level >= cost * periodMs;
  const left = admits ? level - cost * periodMs : level;
  const leftOf = (units: number): Left => ({
    remaining: Math.floor(units / periodMs),
    resetMs: behindMs + ceilDivide(capacity * periodMs - units, limit),
  });
  const ifCharged = leftOf(left);
  return {
    admits,
    retryAfterMs: admits ? 0 : never ? null : behindMs + ceilDivide(cost * periodMs - level, limit),
    ifCharged: {
      ...ifCharged,
      state: { kind: 'token_bucket', level: left, atMs, periodMs },
      forgettableAtMs: nowMs + ifCharged.resetMs,
    },
    ifNot: leftOf(level),
  };
}

function refilled(
  state: BucketState | undefined,
  { limit, periodMs, capacity }: Allowance,
  nowMs: number,
): { level: number; atMs: number } {
  const full = capacity * periodMs;
  if (state === undefined) return { level: full, atMs: nowMs };
  // A rule whose period was changed keeps its whole units.
  const known =
    state.periodMs === periodMs ? state.level : Math.floor(state.level / state.periodMs) * periodMs;
  if (known >= full) return { level: full, atMs: Math.max(state.atMs, nowMs) };
  // A clock that was set back refills nothing.
  const elapsedMs = Math.max(0, nowMs - state.atMs);
  const level = elapsedMs >= ceilDivide(full - known, limit) ? full : known + elapsedMs * limit;
  return { level, atMs: Math.max(state.atMs, nowMs) };
}

/** Exact, because below 2^52 a quotient is never rounded to a whole number that it is not. */
function ceilDivide(dividend: number, divisor: number): number {
  return Math.ceil(dividend / divisor);
}
