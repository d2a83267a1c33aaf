/**
 * Full-jitter back-off: a wait between 0 and base × 2^attempt, at most max.
 * @param attempt 0 for the first retry
 * @param random a number in [0, 1)
 */
export function backoffMs(
  attempt: number,
  bounds: { baseMs: number; maxMs: number },
  random: () => number,
): number {
  return Math.floor(random() * Math.min(bounds.maxMs, bounds.baseMs * 2 ** Math.min(attempt, 30)));
}
