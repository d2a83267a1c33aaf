/** When to try again. Pure: randomness is an argument. */

/**
 * Full jitter: any time up to the ceiling of this attempt, so that those who failed together do not come
 * back together. Never before the receiver asked for, within the longest ceiling.
 * @param attempts made so far
 * @returns null: that was the last one
 */
export function retryInMs(
  attempts: number,
  retryAfterMs: number | null,
  ceilingsMs: readonly number[],
  random: () => number,
): number | null {
  const ceiling = ceilingsMs[attempts - 1];
  if (ceiling === undefined) return null;
  const asked = Math.min(retryAfterMs ?? 0, Math.max(...ceilingsMs));
  return Math.max(Math.floor(random() * ceiling), asked);
}
