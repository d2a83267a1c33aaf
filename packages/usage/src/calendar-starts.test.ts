/**
 * Guarantees: periods begin where the zone's clock says so, checked against the engine's own calendar; and
 * a zone that would cut an hour is told, with the instant.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isTimeZone, periodStarts, startOfDate } from './calendar.ts';
import { DAY_MS, HOUR_MS } from './time.ts';

const ZONES = [
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'Pacific/Auckland',
  'America/Santiago',
  'Africa/Casablanca',
  'Asia/Tokyo',
];

const formats = new Map(
  ZONES.map((timeZone) => [timeZone, new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short' })]),
);

/** The local date by Intl, which is not what the code asks. */
function dateAt(ts: number, timeZone: string): string {
  return formats.get(timeZone)?.format(ts) ?? '';
}

test('a day or month begins exactly where the date there turns', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...ZONES),
      fc.constantFrom('day' as const, 'month' as const),
      fc.integer({ min: Date.UTC(2010, 0) / HOUR_MS, max: Date.UTC(2037, 0) / HOUR_MS }),
      fc.integer({ min: 1, max: 40 * 24 }),
      (zone, period, fromHour, hours) => {
        const from = fromHour * HOUR_MS;
        const to = from + hours * HOUR_MS;
        const name = (ts: number): string => dateAt(ts, zone).slice(0, period === 'day' ? 10 : 7);
        const expected = [from];
        for (let at = from + HOUR_MS; at < to; at += HOUR_MS)
          if (name(at) !== name(at - HOUR_MS)) expected.push(at);
        expect(periodStarts(period, zone, from, to)).toEqual(expected);
      },
    ),
    { numRuns: 60 },
  );
});

test('a date begins at its first midnight, or where a change of the clock leaves that out, after it', () => {
  expect(startOfDate('2026-03-29', 'Europe/Berlin')).toBe(Date.UTC(2026, 2, 28, 23));
  // Santiago's clocks go from midnight to one.
  expect(startOfDate('2026-09-06', 'America/Santiago')).toBe(Date.UTC(2026, 8, 6, 4));
  expect(startOfDate('2026-02-30', 'UTC')).toBeNull();
  expect(startOfDate('2026-2-3', 'UTC')).toBeNull();
});

test('a zone that would cut an hour is told', () => {
  const from = Date.UTC(2026, 5, 1);
  expect(periodStarts('day', 'Asia/Kolkata', from, from + DAY_MS)).toEqual({
    at: Date.UTC(2026, 5, 1, 18, 30),
    offset: '+05:30',
  });
  expect(periodStarts('day', 'Asia/Kolkata', from, from + HOUR_MS)).toEqual([from]);
});

test('only names of zones are names of zones', () => {
  expect(['UTC', 'Europe/Berlin', '+01:00', 'Mars/Phobos', `UTC'`, ''].filter(isTimeZone)).toEqual([
    'UTC',
    'Europe/Berlin',
  ]);
});
