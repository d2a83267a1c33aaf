/**
 * When periods turn: by UTC, or by a tenant's own time zone and billing day. Pure.
 *
 * Usage is counted by UTC hours, so a period is a run of whole ones: where a clock there turns within
 * an hour, that hour counts for the period that begins in it. Zones whose clocks stand at whole hours
 * from UTC are exact; `oddOffset` tells which are not. Whoever only asks how usage falls into days or
 * months there (`startOfDate`, `periodStarts`) is told instead where an hour would be cut.
 *
 * A day begins at its first midnight there, or, where a change of the clock leaves that out, when the
 * change is done; so days have 23 to 25 hours. A month begins with the anchor day, in a month that has
 * no such day with its last.
 */
import { Temporal } from 'temporal-polyfill';
import { DAY_MS, HOUR_MS, hourOf, periodStart, type Period } from './time.ts';

export interface Calendar {
  /** IANA name, such as `Europe/Berlin`. */
  readonly timeZone: string;
  /** Day of the month on which months begin, 1 to 31. */
  readonly anchorDay: number;
}

/** Who says nothing. */
export const UTC_CALENDAR: Calendar = { timeZone: 'UTC', anchorDay: 1 };

/** A period in time. Epoch ms; the start is in, the end is not. A total never ends: Infinity. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** Usage has no beginning either, but every period has a start. */
export const EVER: Span = { start: 0, end: Infinity };

/** The periods of a calendar. Remembers those asked for last: nearly always it is asked for them again. */
export class Periods {
  readonly calendar: Calendar;
  #hour = NEVER;
  #day = NEVER;
  #month = NEVER;

  constructor(calendar: Calendar) {
    this.calendar = calendar;
  }

  /** The period that the instant lies in; equal ones that follow each other are the same object. */
  of(period: Period, ts: number): Span {
    switch (period) {
      case 'hour':
        if (!holds(this.#hour, ts)) this.#hour = { start: hourOf(ts), end: hourOf(ts) + HOUR_MS };
        return this.#hour;
      case 'day':
        if (!holds(this.#day, ts)) this.#day = this.#dayOf(ts);
        return this.#day;
      case 'month':
        if (!holds(this.#month, ts)) this.#month = this.#monthOf(ts);
        return this.#month;
      case 'total':
        return EVER;
    }
  }

  #dayOf(ts: number): Span {
    if (isUtc(this.calendar)) return inUtc('day', ts, DAY_MS);
    const there = dateOf(ts, this.calendar.timeZone);
    return this.#around(ts, (days) => there.add({ days }));
  }

  #monthOf(ts: number): Span {
    if (isUtc(this.calendar)) return inUtc('month', ts, 31 * DAY_MS);
    const month = dateOf(ts, this.calendar.timeZone).with({ day: 1 });
    return this.#around(ts, (months) => {
      const first = month.add({ months });
      return first.with({ day: Math.min(this.calendar.anchorDay, first.daysInMonth) });
    });
  }

  /**
   * @param dateAt the dates on which periods begin, counted from one near the instant. Which one it lies
   *   in is for the starts to say, not for the date: where a clock is set back over midnight, a date comes
   *   twice.
   */
  #around(ts: number, dateAt: (n: number) => Temporal.PlainDate): Span {
    const startAt = (n: number): number => startOfDay(dateAt(n), this.calendar.timeZone);
    let [n, start, end] = [0, startAt(0), startAt(1)];
    while (start > ts) [n, start, end] = [n - 1, startAt(n - 1), start];
    while (end <= ts) [n, start, end] = [n + 1, end, startAt(n + 2)];
    return { start, end };
  }
}

function isUtc({ timeZone, anchorDay }: Calendar): boolean {
  return timeZone === UTC_CALENDAR.timeZone && anchorDay === UTC_CALENDAR.anchorDay;
}

/** What nearly everybody has needs no calendar. @param atMost how long such a period is */
function inUtc(period: 'day' | 'month', ts: number, atMost: number): Span {
  const start = periodStart(period, ts);
  return { start, end: periodStart(period, start + atMost) };
}

/** Holds no instant. */
const NEVER: Span = { start: 0, end: 0 };

function holds(span: Span, ts: number): boolean {
  return ts >= span.start && ts < span.end;
}

function dateOf(ts: number, timeZone: string): Temporal.PlainDate {
  return Temporal.Instant.fromEpochMilliseconds(Math.floor(ts)).toZonedDateTimeISO(timeZone).toPlainDate();
}

/** Of the hour in which the date begins there. */
function startOfDay(date: Temporal.PlainDate, timeZone: string): number {
  return hourOf(beginningOf(date, timeZone).at);
}

/** The first midnight there or, where a change of the clock leaves that out, when the change is done. */
function beginningOf(date: Temporal.PlainDate, timeZone: string): OddStart {
  const { epochMilliseconds: at, offset } = date.toZonedDateTime(timeZone);
  return { at, offset };
}

/** Where a period of a zone would cut an hour in two. */
export interface OddStart {
  /** Epoch ms. */
  readonly at: number;
  /** How far the zone's clocks are from UTC then, such as `+05:30`. */
  readonly offset: string;
}

const DATE = /^\d{4}-\d{2}-\d{2}$/;

/**
 * When a day begins there.
 * @param date such as `2026-11-01`
 * @returns epoch ms; null where there is no such date
 */
export function startOfDate(date: string, timeZone: string): number | OddStart | null {
  if (!DATE.test(date)) return null;
  try {
    return wholeHour(beginningOf(Temporal.PlainDate.from(date, { overflow: 'reject' }), timeZone));
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
  const there = dateOf(from, timeZone);
  const first = period === 'day' ? there : there.with({ day: 1 });
  const starts = [from];
  for (let n = 0; ; n += 1) {
    const start = beginningOf(first.add(period === 'day' ? { days: n } : { months: n }), timeZone);
    if (start.at >= to) return starts;
    if (start.at <= from) continue;
    if (typeof wholeHour(start) !== 'number') return start;
    starts.push(start.at);
  }
}

function wholeHour(start: OddStart): number | OddStart {
  return start.at % HOUR_MS === 0 ? start.at : start;
}

const NAME = /^[A-Za-z][A-Za-z0-9_+-]*(?:\/[A-Za-z0-9_+-]+)*$/;

/** Names met before: a registry says few of them, often. Emptied when full. */
const zones = new Set<string>();
const MAX_ZONES = 2_000;

/** Whether it names a zone that this process knows; an offset such as `+01:00` is none. */
export function isTimeZone(text: string): boolean {
  if (zones.has(text)) return true;
  if (!NAME.test(text)) return false;
  try {
    Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(text);
    if (zones.size >= MAX_ZONES) zones.clear();
    zones.add(text);
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

/** The first offset from UTC, like `+05:30`, that the zone has within a year from `ts` and that is not of whole hours. */
export function oddOffset(timeZone: string, ts: number): string | null {
  for (let day = 0; day <= 366; day++) {
    const at = Temporal.Instant.fromEpochMilliseconds(ts + day * DAY_MS).toZonedDateTimeISO(timeZone);
    if ((at.offsetNanoseconds / 1_000_000) % HOUR_MS !== 0) return at.offset;
  }
  return null;
}
