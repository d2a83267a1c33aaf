/** The few events of the day that cannot be counted, one kind for each reason a producer can cause. */
import { DAY_MS, type QuarantineReason } from '@meterhouse/usage';
import type { SeededRandom } from './seeded-random.ts';
import type { DayEvent } from './usage-day.ts';

export const MISFIT_FATES = [
  'unknown_metric',
  'unknown_tenant',
  'wrong_unit',
  'invalid_value',
  'too_old',
  'in_the_future',
  'id_conflict',
] as const satisfies readonly QuarantineReason[];

export type MisfitFate = (typeof MISFIT_FATES)[number];

/** One of each kind in so many sendings, and never fewer than two. */
const ONE_IN = 12_000;

/** Which sendings are misfits: spread over the day, away from its ends. */
export function misfitFates(events: number): ReadonlyMap<number, MisfitFate> {
  const rounds = Math.max(2, Math.round(events / ONE_IN));
  const all = rounds * MISFIT_FATES.length;
  const fates = new Map<number, MisfitFate>();
  // A day too small to hold them has fewer.
  for (let number = 0; number < Math.min(all, Math.floor(events / 20)); number += 1) {
    const fate = MISFIT_FATES[number % MISFIT_FATES.length];
    if (fate !== undefined) fates.set(Math.floor(events * (0.1 + (0.85 * number) / all)), fate);
  }
  return fates;
}

/**
 * The event made unfit.
 * @param earlier a counted event of the day, whose id a conflict takes
 * @returns null when there is no earlier event to contradict
 */
export function misfitOf(
  fate: MisfitFate,
  event: DayEvent,
  earlier: DayEvent | undefined,
  at: { readonly index: number; readonly through: number; readonly random: SeededRandom },
): DayEvent | null {
  const { index, through, random } = at;
  switch (fate) {
    case 'unknown_metric':
      return { ...event, metric: 'llm.cached_tokens', unit: 'token' };
    case 'unknown_tenant':
      return { ...event, tenantId: 'pied-piper' };
    case 'wrong_unit':
      return { ...event, unit: `kilo${event.unit}` };
    case 'invalid_value':
      // More decimals than any of the metrics has.
      return { ...event, value: `0.${String(random.between(1, 99)).padStart(2, '0')}00001` };
    case 'too_old':
      return { ...event, ts: through - random.between(40, 300) * DAY_MS };
    case 'in_the_future':
      return { ...event, ts: through + random.between(100, 400) * DAY_MS };
    case 'id_conflict':
      // Digits in front make another value, and a different one at each place in the day.
      return earlier === undefined ? null : { ...earlier, value: `${index + 1}${earlier.value}` };
  }
}
