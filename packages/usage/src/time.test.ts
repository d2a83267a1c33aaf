/**
 * Guarantees of time:
 *  - An instant lies in exactly one hour, day and month, all UTC, also before 1970.
 *  - RFC 3339 with a zone reads as the instant that was written; an instant that does not exist, or has no
 *    zone, reads as none.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DAY_MS, HOUR_MS, hourOf, parseInstant, periodStart, TURNING_PERIODS } from './time.ts';

const FIRST = Date.parse('0000-01-01T00:00:00Z');
const LAST = Date.parse('9999-12-31T23:59:59.999Z');
const instants = fc.integer({ min: FIRST, max: LAST });

describe('the period of an instant', () => {
  it('begins at or before it, ends after it, and is the period of its own beginning', () => {
    fc.assert(
      fc.property(instants, fc.constantFrom(...TURNING_PERIODS), (ts, period) => {
        const start = periodStart(period, ts);
        const longest = { hour: HOUR_MS, day: DAY_MS, month: 31 * DAY_MS }[period];
        expect(start).toBeLessThanOrEqual(ts);
        expect(ts - start).toBeLessThan(longest);
        expect(periodStart(period, start)).toBe(start);
      }),
    );
  });

  it('is what the UTC calendar says', () => {
    fc.assert(
      fc.property(instants, (ts) => {
        const text = new Date(ts).toISOString();
        expect(new Date(periodStart('hour', ts)).toISOString()).toBe(`${text.slice(0, 13)}:00:00.000Z`);
        expect(new Date(periodStart('day', ts)).toISOString()).toBe(`${text.slice(0, 10)}T00:00:00.000Z`);
        expect(new Date(periodStart('month', ts)).toISOString()).toBe(`${text.slice(0, 7)}-01T00:00:00.000Z`);
      }),
    );
  });

  it('lies within those that are longer', () => {
    fc.assert(
      fc.property(instants, (ts) => {
        expect(periodStart('hour', ts)).toBe(hourOf(ts));
        expect(periodStart('day', hourOf(ts))).toBe(periodStart('day', ts));
        expect(periodStart('month', periodStart('day', ts))).toBe(periodStart('month', ts));
      }),
    );
  });
});

describe('a text', () => {
  it('that an instant was written as reads as that instant, in whatever zone', () => {
    const zone = fc.integer({ min: -14 * 60, max: 14 * 60 });
    const inside = fc.integer({ min: FIRST + DAY_MS, max: LAST - DAY_MS });
    fc.assert(
      fc.property(inside, zone, (ts, minutes) => {
        const local = new Date(ts + minutes * 60_000).toISOString().slice(0, -1);
        const clock = new Date(Math.abs(minutes) * 60_000).toISOString().slice(11, 16);
        expect(parseInstant(`${local}${minutes < 0 ? '-' : '+'}${clock}`)).toBe(ts);
        expect(parseInstant(new Date(ts).toISOString())).toBe(ts);
      }),
    );
  });

  it.each([
    ['2024-02-29T00:00:00Z', Date.UTC(2024, 1, 29)],
    ['2026-11-22T12:00:00.123456789Z', Date.UTC(2026, 10, 22, 12, 0, 0, 123)],
    ['0001-01-01T00:00:00Z', -62_135_596_800_000],
    ['0000-02-29T00:00:00Z', -62_162_121_600_000],
    ['9999-12-31T23:59:59.999Z', LAST],
    ['2026-11-22T24:00:00Z', null],
    ['2026-11-22T12:60:00Z', null],
    ['2026-13-01T00:00:00Z', null],
    ['2026-00-01T00:00:00Z', null],
    ['2026-11-00T00:00:00Z', null],
    ['2023-02-29T00:00:00Z', null],
    ['2026-02-31T00:00:00Z', null],
    ['2026-04-31T00:00:00+02:00', null],
    ['2026-11-22T12:00:00', null],
    ['2026-11-22 12:00:00Z', null],
    ['2026-11-22', null],
    ['+002026-11-22T12:00:00Z', null],
    ['2026-11-22T12:00Z', null],
    ['2026-11-22T12:00:00z', null],
    ['2026-11-22T12:00:00.Z', null],
    ['2026-11-22T12:00:00Z\n', null],
    [' 2026-11-22T12:00:00Z', null],
    ['1732276800000', null],
    ['', null],
  ])('%j reads as %s', (text, instant) => {
    expect(parseInstant(text)).toBe(instant);
  });
});
