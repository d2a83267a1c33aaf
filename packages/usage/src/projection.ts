/** What usage will have come to at the end of its period, if it goes on as it did so far. Pure. */
import { DECIMAL_SCALE, type Billionths } from './decimal.ts';
import type { Metric } from './registry.ts';

export type Projection =
  | { readonly value: Billionths; readonly unknown: null }
  | {
      readonly value: null;
      /** Peaks and levels do not add up; nobody knows how far counting is; the period has hardly begun. */
      readonly unknown: 'not_cumulative' | 'not_complete' | 'too_early';
    };

/** Before this part of the period is over, a single event would be taken for a habit. */
const LEAST_PART = 20n;

/**
 * Linear: used so far, times the whole period over the part of it that is counted. Rounded up to the
 * metric's scale.
 * @param span epoch ms; the end is not included
 * @param completeThrough up to when usage is counted, epoch ms; null: not known
 */
export function projectLinear(
  used: Billionths,
  { aggregation, scale }: Pick<Metric, 'aggregation' | 'scale'>,
  span: { readonly start: number; readonly end: number },
  completeThrough: number | null,
): Projection {
  if (aggregation !== 'sum' && aggregation !== 'count') return { value: null, unknown: 'not_cumulative' };
  if (completeThrough === null) return { value: null, unknown: 'not_complete' };
  const length = BigInt(span.end - span.start);
  const elapsed = BigInt(Math.min(completeThrough, span.end) - span.start);
  if (elapsed <= 0n || elapsed * LEAST_PART < length) return { value: null, unknown: 'too_early' };
  // A count is whole, whatever the scale of its events' values.
  const step = 10n ** BigInt(DECIMAL_SCALE - (aggregation === 'count' ? 0 : scale));
  return { value: ceilDiv(used * length, elapsed * step) * step, unknown: null };
}

function ceilDiv(over: bigint, under: bigint): bigint {
  const quotient = over / under;
  return over > 0n && over % under !== 0n ? quotient + 1n : quotient;
}
