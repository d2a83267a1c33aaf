/**
 * A sliding window over 20 slots and the one that is being left: a slot counts whole until all of it
 * is older than the period, so no window of `periodMs` ever holds more than the limit.
 * redis/charge.lua computes the same, step by step.
 */
import { WINDOW_SLOTS, type Allowance } from '../rule.ts';
import type { Step } from './token-bucket.ts';

export interface WindowState {
  readonly kind: 'sliding_window';
  readonly slotMs: number;
  /** Number of the last slot since the epoch of the clock. */
  readonly newest: number;
  /** Units by slot, the oldest first. */
  readonly counts: readonly number[];
}

export function stepWindow(
  state: WindowState | undefined,
  allowance: Allowance,
  cost: number,
  nowMs: number,
): Step<WindowState> {
  const { limit, periodMs } = allowance;
  const slotMs = Math.ceil(periodMs / WINDOW_SLOTS);
  const { newest, counts } = moved(state, slotMs, nowMs);
  const used = counts.reduce((sum, count) => sum + count, 0);
  const admits = used + cost <= limit;
  const after = counts.with(WINDOW_SLOTS, (counts[WINDOW_SLOTS] ?? 0) + cost);
  /** When the slot at this place stops counting. */
  const leavesInMs = (place: number): number => (newest + place + 1) * slotMs - nowMs;
  const emptyInMs = (all: readonly number[]): number => {
    const last = all.findLastIndex((count) => count > 0);
    return last === -1 ? 0 : leavesInMs(last);
  };
  const resetMs = emptyInMs(after);
  return {
    admits,
    retryAfterMs: admits ? 0 : waitMs(counts, used + cost - limit, cost > limit, leavesInMs),
    ifCharged: {
      remaining: limit - used - cost,
      resetMs,
      state: { kind: 'sliding_window', slotMs, newest, counts: after },
      forgettableAtMs: nowMs + resetMs,
    },
    ifNot: { remaining: Math.max(0, limit - used), resetMs: emptyInMs(counts) },
  };
}

function moved(
  state: WindowState | undefined,
  slotMs: number,
  nowMs: number,
): { newest: number; counts: readonly number[] } {
  const current = Math.floor(nowMs / slotMs);
  const empty = new Array<number>(WINDOW_SLOTS + 1).fill(0);
  if (state === undefined) return { newest: current, counts: empty };
  if (state.slotMs !== slotMs) {
    // A rule whose period was changed forgets nothing: what was counted counts as charged now.
    const total = state.counts.reduce((sum, count) => sum + count, 0);
    return { newest: current, counts: empty.with(WINDOW_SLOTS, total) };
  }
  // A clock that was set back moves nothing out.
  const newest = Math.max(state.newest, current);
  const gone = Math.min(newest - state.newest, WINDOW_SLOTS + 1);
  return { newest, counts: [...state.counts.slice(gone), ...empty.slice(0, gone)] };
}

function waitMs(
  counts: readonly number[],
  tooMany: number,
  never: boolean,
  leavesInMs: (place: number) => number,
): number | null {
  if (never) return null;
  let freed = 0;
  const place = counts.findIndex((count) => (freed += count) >= tooMany);
  return leavesInMs(place);
}
