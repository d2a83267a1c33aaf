/**
 * Guarantees of calendars, over every zone that this machine knows, 1970 to 2100, every anchor day:
 * - periods tile time: no gap, no overlap, and each is the period of every instant in it
 * - a period is a run of whole UTC hours, so that every hour bucket lies in exactly one; a day lies in
 *   one month
 * - a day begins with the hour in which its date is first read off a clock there, whatever that clock does
 * - a month begins on the anchor day, or on the last of a month that is too short
 * - UTC from the first is what usage was counted by before there were calendars
 */
import fc from 'fast-check';
import { Temporal } from 'temporal-polyfill';
import { describe, expect, test } from 'vitest';
import { EVER, isTimeZone, oddOffset, Periods, UTC_CALENDAR, type Span } from './calendar.ts';
import { DAY_MS, HOUR_MS, hourOf, periodStart, TURNING_PERIODS } from './time.ts';

const ZONES = [...Intl.supportedValuesOf('timeZone'), 'UTC'];
const instants = fc.integer({ min: 0, max: Date.UTC(2101, 0) - 1 });
const calendars = fc.record({
  timeZone: fc.oneof(fc.constantFrom(...ZONES), fc.constant('UTC')),
  anchorDay: fc.oneof(fc.integer({ min: 1, max: 31 }), fc.constant(1)),
});

/** Half of them near a change of the clock there, where it matters. */
const moments = fc
  .tuple(calendars, instants, fc.integer({ min: -30, max: 30 }), fc.boolean())
  .map(([calendar, ts, hours, near]) => {
    const there = Temporal.Instant.fromEpochMilliseconds(ts).toZonedDateTimeISO(calendar.timeZone);
    const change = near ? there.getTimeZoneTransition('next') : null;
    return { calendar, ts: change === null ? ts : change.epochMilliseconds + hours * (HOUR_MS / 2) };
  });

const formats = new Map<string, Intl.DateTimeFormat>();
/** `2026-03-29` as a calendar on the wall there shows it; by another way than the code's. */
function dateThere(ts: number, timeZone: string): string {
  let format = formats.get(timeZone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-CA', { timeZone, dateStyle: 'short' });
    formats.set(timeZone, format);
  }
  return format.format(ts);
}

/** The hours in which dates are first seen there, minute by minute around an instant. */
function firstSeen(ts: number, timeZone: string): { date: string; hour: number }[] {
  const seen: { date: string; hour: number }[] = [];
  let latest = dateThere(hourOf(ts) - 52 * HOUR_MS, timeZone);
  for (let at = hourOf(ts) - 52 * HOUR_MS; at < ts + 52 * HOUR_MS; at += 60_000) {
    const date = dateThere(at, timeZone);
    // A clock set back over midnight shows an old date again: the day has begun all the same.
    if (date <= latest) continue;
    latest = date;
    seen.push({ date, hour: hourOf(at) });
  }
  return seen;
}

test('periods tile time in whole hours, and a day lies in one month', () => {
  fc.assert(
    fc.property(moments, ({ calendar, ts }) => {
      const periods = new Periods(calendar);
      for (const period of TURNING_PERIODS) {
        const span = periods.of(period, ts);
        expect(span.start <= ts && ts < span.end).toBe(true);
        expect([span.start, span.end].map((at) => at / HOUR_MS).every(Number.isInteger)).toBe(true);
        // Asked anew, so that nothing is answered from memory.
        for (const inside of [span.start, hourOf(ts), hourOf(ts) + HOUR_MS - 1, span.end - 1])
          expect(new Periods(calendar).of(period, inside)).toEqual(span);
        expect(new Periods(calendar).of(period, span.end).start).toBe(span.end);
        expect(new Periods(calendar).of(period, span.start - 1).end).toBe(span.start);
      }
      const [day, month] = [periods.of('day', ts), periods.of('month', ts)];
      expect(month.start <= day.start && day.end <= month.end).toBe(true);
    }),
    { numRuns: 1_500 },
  );
});

test('a day begins with the hour in which its date is first seen there', () => {
  fc.assert(
    fc.property(moments, ({ calendar, ts }) => {
      const seen = firstSeen(ts, calendar.timeZone);
      const after = seen.findIndex(({ hour }) => hour > ts);
      const wanted = { start: seen[after - 1]?.hour, end: seen[after]?.hour };
      expect(new Periods(calendar).of('day', ts)).toEqual(wanted);
    }),
    { numRuns: 150 },
  );
});

test('a month begins on the anchor day, or on the last of a month without it', () => {
  fc.assert(
    fc.property(moments, ({ calendar, ts }) => {
      const { start, end } = new Periods(calendar).of('month', ts);
      const dates = [start, end].map(
        (turn) => firstSeen(turn, calendar.timeZone).find(({ hour }) => hour === turn)?.date,
      );
      const [first, next] = dates.map((date) => date?.split('-').map(Number) ?? []);
      for (const [year = 0, month = 0, day] of [first ?? [], next ?? []]) {
        const days = new Date(Date.UTC(year, month, 0)).getUTCDate();
        expect(day).toBe(Math.min(calendar.anchorDay, days));
      }
      const index = ([year = 0, month = 0]: number[]): number => year * 12 + month;
      expect(index(next ?? []) - index(first ?? [])).toBe(1);
    }),
    { numRuns: 50 },
  );
});

test('UTC from the first is what periodStart says', () => {
  fc.assert(
    fc.property(instants, fc.constantFrom(...TURNING_PERIODS), (ts, period) => {
      expect(new Periods(UTC_CALENDAR).of(period, ts).start).toBe(periodStart(period, ts));
    }),
  );
});

test('a total holds every instant, and never ends', () => {
  expect(new Periods(UTC_CALENDAR).of('total', -5 * DAY_MS)).toBe(EVER);
});

describe('by hand', () => {
  const show = ({ start, end }: Span): string[] =>
    [start, end].map((at) => new Date(at).toISOString().slice(0, 16));
  const day = (timeZone: string, at: string) =>
    show(new Periods({ timeZone, anchorDay: 1 }).of('day', Date.parse(at)));
  const month = (timeZone: string, anchorDay: number, at: string) =>
    show(new Periods({ timeZone, anchorDay }).of('month', Date.parse(at)));

  test.each([
    ['23 hours in spring', 'Europe/Berlin', '2026-03-29T12:00Z', '2026-03-28T23:00', '2026-03-29T22:00'],
    ['25 hours in autumn', 'Europe/Berlin', '2026-10-25T12:00Z', '2026-10-24T22:00', '2026-10-25T23:00'],
    ['a midnight left out', 'America/Sao_Paulo', '2018-11-04T12:00Z', '2018-11-04T03:00', '2018-11-05T02:00'],
    ['a day left out', 'Pacific/Apia', '2011-12-30T09:59Z', '2011-12-29T10:00', '2011-12-30T10:00'],
    ['the day after it', 'Pacific/Apia', '2011-12-30T10:00Z', '2011-12-30T10:00', '2011-12-31T10:00'],
    // At 00:01 back to 23:01: Saturday is shown again, Sunday goes on.
    [
      'a date that comes twice',
      'America/Goose_Bay',
      '2010-11-07T03:30Z',
      '2010-11-07T03:00',
      '2010-11-08T04:00',
    ],
    ['half an hour off', 'Asia/Kolkata', '2026-05-01T18:05Z', '2026-05-01T18:00', '2026-05-02T18:00'],
  ])('%s', (_name, zone, at, start, end) => {
    expect(day(zone, at)).toEqual([start, end]);
  });

  test.each([
    ['31 in February', 31, '2026-02-28T12:00Z', '2026-02-28T00:00', '2026-03-31T00:00'],
    ['31 before it', 31, '2026-02-27T12:00Z', '2026-01-31T00:00', '2026-02-28T00:00'],
    ['30 in a leap year', 30, '2028-02-29T00:00Z', '2028-02-29T00:00', '2028-03-30T00:00'],
    ['29 in 2100, which is none', 29, '2100-02-28T00:00Z', '2100-02-28T00:00', '2100-03-29T00:00'],
    ['15 over the year', 15, '2026-01-02T00:00Z', '2025-12-15T00:00', '2026-01-15T00:00'],
  ])('an anchor at %s', (_name, anchor, at, start, end) => {
    expect(month('UTC', anchor, at)).toEqual([start, end]);
  });

  test('an anchored month there begins at midnight there', () => {
    expect(month('Europe/Berlin', 15, '2026-04-01T00:00Z')).toEqual(['2026-03-14T23:00', '2026-04-14T22:00']);
    expect(month('America/New_York', 1, '2026-11-22T00:00Z')).toEqual([
      '2026-11-01T04:00',
      '2026-12-01T05:00',
    ]);
  });
});

test('a zone is a name that this machine knows', () => {
  expect(['Europe/Berlin', 'UTC', 'Etc/GMT+5'].map(isTimeZone)).toEqual([true, true, true]);
  expect(['Mars/Base', '+01:00', '', 'Europe/Berlin ', '../etc'].map(isTimeZone)).toEqual(
    Array.from({ length: 5 }, () => false),
  );
});

test('an offset that is not of whole hours is told, also where it comes later in the year', () => {
  const at = Date.UTC(2026, 11, 1);
  expect(['Europe/Berlin', 'UTC', 'America/New_York'].map((zone) => oddOffset(zone, at))).toEqual([
    null,
    null,
    null,
  ]);
  expect(oddOffset('Asia/Kolkata', at)).toBe('+05:30');
  // +11:00 in summer there, which December is.
  expect(oddOffset('Australia/Lord_Howe', at)).toBe('+10:30');
});
