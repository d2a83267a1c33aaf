/** Where days and months begin in a time zone. Pure. */
import { Temporal } from 'temporal-polyfill';
import { HOUR_MS } from './time.ts';

/** An hour that a period of the zone would cut in two. */
export interface OddStart {
  /** Epoch ms. */
  readonly at: number;
  /** How far the zone's clocks are from UTC then, such as `+05:30`. */
  readonly offset: string;
}

const DATE = /^\d{4}-\d{2}-\d{2}$/;

/**
 * When a day begins there: at its first midnight or, where a change of the clock leaves that out, when the
 * change is done.
 * @param date such as `2026-11-01`
 * @returns epoch ms; null where there is no such date
 */
export function startOfDate(date: string, timeZone: string): number | OddStart | null {
  if (!DATE.test(date)) return null;
  try {
    return startOf(Temporal.PlainDate.from(date, { overflow: 'reject' }), timeZone);
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

/**
 * The starts of the days or months that a span touches, the first at the span's own start: buckets are UTC
 * hours, so nothing smaller can be told apart.
 * @param from epoch ms
 * @param to epoch ms, not included
 */
export function periodStarts(
  period: 'day' | 'month',
  timeZone: string,
  from: number,
  to: number,
): readonly number[] | OddStart {
  const there = Temporal.Instant.fromEpochMilliseconds(from).toZonedDateTimeISO(timeZone).toPlainDate();
  const first = period === 'day' ? there : there.with({ day: 1 });
  const starts = [from];
  for (let n = 0; ; n += 1) {
    const start = startOf(first.add(period === 'day' ? { days: n } : { months: n }), timeZone);
    if (typeof start !== 'number') {
      if (start.at > from && start.at < to) return start;
      if (start.at >= to) return starts;
      continue;
    }
    if (start >= to) return starts;
    if (start > from) starts.push(start);
  }
}

function startOf(date: Temporal.PlainDate, timeZone: string): number | OddStart {
  const start = date.toZonedDateTime(timeZone);
  const at = start.epochMilliseconds;
  return at % HOUR_MS === 0 ? at : { at, offset: start.offset };
}
