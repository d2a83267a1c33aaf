/**
 * Guarantees:
 * - I6: every answer says up to when it is complete, and how old that is.
 * - A message below the highest (epoch, sequence) seen changes nothing.
 * - Neither a wall clock that is behind or ahead nor a log read late makes an answer look younger than it is.
 * - A past period's usage never passes for the current one's; zero is said only where complete.
 * - What could not be read, or held, is unknown and never zero; a total that was not published neither.
 * - From when to when usage counts is what its message says, whatever the calendar.
 * - A key that remembers its place reads what the table it is asked in holds now.
 */
import { DAY_MS, HOUR_MS } from '@meterhouse/usage';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { keyOf, SnapshotTable, UsageKey, type SnapshotMessage } from './snapshot-table.ts';

const TEN = Date.UTC(2026, 2, 3, 10);

type Usage = Extract<SnapshotMessage, { kind: 'usage' }>;

function usage(sequence: number, used: string, more: Partial<Usage> = {}): Usage {
  return {
    kind: 'usage',
    epoch: 1,
    sequence,
    asOf: TEN + 1000,
    publishedAt: TEN + 1000,
    tenantId: 'acme',
    metric: 'calls',
    period: 'hour',
    periodStart: TEN,
    periodEnd: (more.periodStart ?? TEN) + HOUR_MS,
    used,
    ...more,
  };
}

function heartbeat(sequence: number, asOf: number, more: { epoch?: number; publishedAt?: number } = {}) {
  return { kind: 'heartbeat', epoch: 1, sequence, asOf, publishedAt: asOf, ...more } as const;
}

function filled(...messages: SnapshotMessage[]): SnapshotTable {
  const table = new SnapshotTable();
  for (const message of messages) table.apply(message, 0);
  return table;
}

const at = (wallMs: number, monotonicMs = 0) => ({ wallMs, monotonicMs });
const hourOf = (table: SnapshotTable, now: { wallMs: number; monotonicMs: number }) =>
  table.get('acme', 'calls', 'hour', now);

describe('order', () => {
  test('I6: a lower (epoch, sequence) never replaces a higher one', () => {
    const table = filled(usage(5, '10'));
    expect(table.apply(usage(5, '9'), 0)).toBe('older');
    expect(table.apply(usage(4, '8'), 0)).toBe('older');
    expect(table.apply(usage(9, '7', { epoch: 0 }), 0)).toBe('older');
    expect(hourOf(table, at(TEN + 1000))).toMatchObject({ used: '10' });
    expect(table.apply(usage(1, '11', { epoch: 2 }), 0)).toBe('applied');
    expect(hourOf(table, at(TEN + 1000))).toMatchObject({ used: '11' });
  });

  test('any order of arrival ends in the state of the highest stamp', () => {
    const stamps = fc.uniqueArray(fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 20 })), {
      minLength: 1,
      selector: ([epoch, sequence]) => epoch * 100 + sequence,
    });
    fc.assert(
      fc.property(stamps, (list) => {
        const table = filled(
          ...list.map(([epoch, sequence]) => usage(sequence, `${epoch * 100 + sequence}`, { epoch })),
        );
        const highest = Math.max(...list.map(([epoch, sequence]) => epoch * 100 + sequence));
        expect(hourOf(table, at(TEN + 1000))).toMatchObject({ used: `${highest}` });
      }),
    );
  });
});

describe('age', () => {
  test('I6: the answer carries the as-of of the last heartbeat that covers it', () => {
    const table = filled(usage(1, '3'), heartbeat(2, TEN + 5000));
    expect(hourOf(table, at(TEN + 5400, 300))).toEqual({
      state: 'known',
      used: '3',
      amount: 3_000_000_000n,
      perSecond: 0n,
      periodStart: TEN,
      asOf: TEN + 5000,
      ageMs: 400,
    });
  });

  test('a wall clock that is behind does not hide that the publisher is silent', () => {
    const table = filled(usage(1, '3'), heartbeat(2, TEN + 5000));
    expect(hourOf(table, at(TEN - DAY_MS, 60_000))).toMatchObject({ ageMs: 60_000 });
  });

  test('a wall clock that is ahead makes answers older, not younger', () => {
    const table = filled(usage(1, '3'), heartbeat(2, TEN + 5000));
    expect(hourOf(table, at(TEN + 65_000, 10))).toMatchObject({ ageMs: 60_000 });
  });

  test('heartbeats whose as-of stands still do not look fresh to a reader whose clock is behind', () => {
    const table = filled(usage(1, '3'), heartbeat(2, TEN + 5000, { publishedAt: TEN + 95_000 }));
    expect(hourOf(table, at(TEN, 0))).toMatchObject({ ageMs: 90_000 });
  });

  test('what was in the log before we looked is of unknown age', () => {
    const table = new SnapshotTable();
    table.apply(usage(1, '3'), -Infinity);
    table.apply(heartbeat(2, TEN + 1000), -Infinity);
    expect(hourOf(table, at(TEN + 1000, 0))).toMatchObject({ state: 'known', ageMs: Infinity });
    table.apply(heartbeat(3, TEN + 2000), 0);
    expect(hourOf(table, at(TEN + 2000, 0))).toMatchObject({ ageMs: 0 });
  });

  test('clock skew of any size never lowers the age below the true one', () => {
    const inputs = fc.record({
      wallSkewMs: fc.integer({ min: -DAY_MS, max: DAY_MS }),
      publisherSkewMs: fc.integer({ min: -DAY_MS, max: DAY_MS }),
      asOfAgeWhenPublishedMs: fc.integer({ min: 0, max: HOUR_MS }),
      sinceMs: fc.integer({ min: 0, max: HOUR_MS }),
    });
    fc.assert(
      fc.property(inputs, ({ wallSkewMs, publisherSkewMs, asOfAgeWhenPublishedMs, sinceMs }) => {
        const publishedAt = TEN + HOUR_MS;
        const asOf = publishedAt - asOfAgeWhenPublishedMs;
        const table = filled(heartbeat(1, asOf, { publishedAt: publishedAt + publisherSkewMs }));
        const { ageMs } = table.freshness(at(publishedAt + sinceMs + wallSkewMs, sinceMs));
        // The publisher's clock counts only for how old the as-of already was: never below zero.
        expect(ageMs).toBeGreaterThanOrEqual(sinceMs);
        if (publisherSkewMs >= 0) expect(ageMs).toBeGreaterThanOrEqual(sinceMs + asOfAgeWhenPublishedMs);
        if (wallSkewMs >= 0) expect(ageMs).toBeGreaterThanOrEqual(sinceMs + asOfAgeWhenPublishedMs);
      }),
    );
  });
});

describe('periods', () => {
  test("a past period's usage reads as 0 only once a heartbeat has reached the current one", () => {
    const table = filled(usage(1, '3'), heartbeat(2, TEN + HOUR_MS - 1));
    expect(hourOf(table, at(TEN + HOUR_MS))).toMatchObject({
      state: 'unknown',
      reason: 'period_not_reached',
    });
    table.apply(heartbeat(3, TEN + HOUR_MS), 0);
    expect(hourOf(table, at(TEN + HOUR_MS))).toMatchObject({
      state: 'known',
      used: '0',
      periodStart: TEN + HOUR_MS,
    });
  });

  test('a reader whose clock is behind an as-of asks for the period of the as-of', () => {
    const table = filled(usage(1, '3'), heartbeat(2, TEN + 2 * HOUR_MS));
    expect(hourOf(table, at(TEN + 1000))).toMatchObject({ used: '0', asOf: TEN + 2 * HOUR_MS });
  });

  test("a zero published early by a clock that is ahead does not pass for this period's usage", () => {
    const table = filled(
      usage(1, '3'),
      usage(2, '0', { periodStart: TEN + HOUR_MS }),
      heartbeat(3, TEN + 2000),
    );
    expect(hourOf(table, at(TEN + 2000))).toMatchObject({ state: 'unknown', reason: 'period_not_reached' });
  });

  test('the zero of a new period is known at once, as of before it began', () => {
    const table = filled(
      heartbeat(1, TEN + HOUR_MS - 500),
      usage(2, '0', { periodStart: TEN + HOUR_MS, asOf: TEN + HOUR_MS - 500 }),
    );
    expect(hourOf(table, at(TEN + HOUR_MS))).toMatchObject({ used: '0', asOf: TEN + HOUR_MS - 500 });
  });

  test('keys that a new publisher did not publish with its whole state are used up to 0', () => {
    const table = filled(usage(1, '3'), heartbeat(2, TEN + 2000));
    table.apply(usage(1, '8', { epoch: 2, tenantId: 'other' }), 0);
    expect(hourOf(table, at(TEN + 3000))).toMatchObject({ used: '3' });
    table.apply(heartbeat(2, TEN + 3000, { epoch: 2 }), 0);
    expect(hourOf(table, at(TEN + 3000))).toMatchObject({ state: 'known', used: '0' });
  });
});

describe('periods by other calendars', () => {
  const DAY = { period: 'day', periodStart: TEN - 2 * HOUR_MS, periodEnd: TEN + 21 * HOUR_MS } as const;
  const dayOf = (table: SnapshotTable, now: { wallMs: number; monotonicMs: number }) =>
    table.get('acme', 'calls', 'day', now);

  test('a day of 23 hours somewhere ends when its publisher says, whatever UTC says', () => {
    const table = filled(usage(1, '3', DAY), heartbeat(2, TEN + 15 * HOUR_MS));
    expect(dayOf(table, at(TEN + 15 * HOUR_MS))).toMatchObject({ used: '3', periodStart: DAY.periodStart });
    expect(dayOf(table, at(DAY.periodEnd))).toMatchObject({ state: 'unknown', reason: 'period_not_reached' });
    table.apply(heartbeat(3, DAY.periodEnd), 0);
    expect(dayOf(table, at(DAY.periodEnd))).toMatchObject({ used: '0' });
  });

  test('usage by another calendar takes the place of the old, without a 0 in between', () => {
    const table = filled(usage(1, '3', DAY), heartbeat(2, TEN + 2000));
    table.apply(usage(3, '2', { ...DAY, periodStart: TEN - 10 * HOUR_MS, periodEnd: TEN + 14 * HOUR_MS }), 0);
    expect(dayOf(table, at(TEN + 2000))).toMatchObject({ used: '2', periodStart: TEN - 10 * HOUR_MS });
  });
});

describe('totals', () => {
  const TOTAL = { period: 'total', periodStart: 0, periodEnd: null } as const;
  const totalOf = (table: SnapshotTable, now: { wallMs: number; monotonicMs: number }) =>
    table.get('acme', 'calls', 'total', now);

  test('never end', () => {
    const table = filled(usage(1, '3', TOTAL), heartbeat(2, TEN + 400 * DAY_MS));
    expect(totalOf(table, at(TEN + 400 * DAY_MS))).toMatchObject({ state: 'known', used: '3' });
  });

  test('are unknown, not 0, until they are published, and when a later publisher leaves them out', () => {
    const table = filled(heartbeat(1, TEN + 1000));
    const notPublished = { state: 'unknown', reason: 'not_published' };
    expect(totalOf(table, at(TEN + 1000))).toMatchObject(notPublished);
    table.apply(usage(2, '3', TOTAL), 0);
    expect(totalOf(table, at(TEN + 1000))).toMatchObject({ used: '3' });
    table.apply(heartbeat(1, TEN + 2000, { epoch: 2 }), 0);
    expect(totalOf(table, at(TEN + 2000))).toMatchObject(notPublished);
  });
});

describe('what is not known', () => {
  test('nothing is known before a heartbeat; then what was never published is absent', () => {
    const table = new SnapshotTable();
    expect(hourOf(table, at(TEN))).toEqual({
      state: 'unknown',
      reason: 'nothing_heard',
      asOf: null,
      ageMs: Infinity,
    });
    table.apply(heartbeat(1, TEN), 0);
    expect(hourOf(table, at(TEN + 5))).toEqual({ state: 'absent', asOf: TEN, ageMs: 5 });
  });

  test('an unreadable message makes its key unknown until a readable one comes', () => {
    const table = filled(usage(1, '3'), heartbeat(2, TEN + 2000));
    table.distrust(keyOf('acme', 'calls', 'hour'));
    expect(hourOf(table, at(TEN + 2000))).toMatchObject({ state: 'unknown', reason: 'unreadable' });
    table.apply(usage(3, '4'), 0);
    expect(hourOf(table, at(TEN + 2000))).toMatchObject({ used: '4' });
  });

  test('I10: beyond its bound the table keeps what it has and says that others are unknown', () => {
    const table = new SnapshotTable({ maxKeys: 1 });
    table.apply(usage(1, '3'), 0);
    table.apply(usage(2, '4', { tenantId: 'other' }), 0);
    table.apply(heartbeat(3, TEN + 2000), 0);
    table.apply(usage(4, '5'), 0);
    expect(table.keys).toBe(1);
    expect(hourOf(table, at(TEN + 2000))).toMatchObject({ used: '5' });
    expect(table.get('other', 'calls', 'hour', at(TEN + 2000))).toMatchObject({
      state: 'unknown',
      reason: 'table_full',
    });
  });
});

describe('a key that remembers its place', () => {
  const key = (): UsageKey => new UsageKey('acme', 'calls', 'hour');
  const now = at(TEN + 3000);

  test('finds what came after it was first asked, and every change of it', () => {
    const asked = key();
    const table = filled(heartbeat(1, TEN + 1000));
    expect(table.read(asked, 'hour', now)).toMatchObject({ state: 'absent' });
    table.apply(usage(2, '3'), 0);
    expect(table.read(asked, 'hour', now)).toMatchObject({ used: '3' });
    table.apply(usage(3, '4'), 0);
    expect(table.read(asked, 'hour', now)).toMatchObject({ used: '4' });
    table.distrust(asked.text);
    expect(table.read(asked, 'hour', now)).toMatchObject({ state: 'unknown', reason: 'unreadable' });
    table.apply(heartbeat(2, TEN + 3000, { epoch: 2 }), 0);
    table.apply(usage(3, '5', { epoch: 2 }), 0);
    expect(table.read(asked, 'hour', now)).toMatchObject({ used: '5' });
  });

  test('says nothing of one table in another', () => {
    const asked = key();
    const [one, other] = [filled(usage(1, '3')), filled(usage(1, '7'))];
    const empty = filled(heartbeat(1, TEN + 1000));
    for (const [table, wanted] of [
      [one, { used: '3' }],
      [other, { used: '7' }],
      [empty, { state: 'absent' }],
      [one, { used: '3' }],
    ] as const)
      expect(table.read(asked, 'hour', now)).toMatchObject(wanted);
  });
});
