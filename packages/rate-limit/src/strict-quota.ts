/**
 * The numbers that both stores' strict counters share.
 *
 * A counter is `base + kept`: what a snapshot says was used as of an instant, and what was charged
 * since, by slots of ten seconds. See docs/enforcement/rate-limits.md for why nothing is lost.
 */
import { DAY_MS } from '@meterhouse/usage';

export const QUOTA_SLOT_MS = 10_000;
/** Kept for a day after its day, for whoever wants to see how it ended; nobody can charge it then. */
export const QUOTA_KEPT_AFTER_MS = DAY_MS;

/** `20260131` of an instant, UTC. */
export function dayName(ts: number): string {
  return new Date(ts).toISOString().slice(0, 10).replaceAll('-', '');
}
