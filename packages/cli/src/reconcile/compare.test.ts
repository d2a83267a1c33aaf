/**
 * Guarantees:
 * - a bucket that differs in any number, or stands on one side only, is found, to the last billionth
 * - of a bucket that was partly counted directly, an event too many or too few is found
 * - a metric that was regrouped meanwhile is compared undivided; a wrong split is still found
 * - where retention has cut the log, nothing is called different that may only be gone
 * - producers' and expected totals are compared in events and in sums
 */
import { expect, test } from 'vitest';
import { comparableHours } from './comparable-hours.ts';
import { compareBuckets, compareExpected, compareReports, type Comparable } from './compare.ts';
import { BucketLedger } from './ledger-of-buckets.ts';
import type { BucketSums } from './sums.ts';

const HOUR = 3_600_000;
const ALL: Comparable = { kind: 'all' };

const key = (hour = 0, attrsKey = '{}') => ({ tenantId: 'a', metric: 'm', hour, attrsKey });

function sums(values: readonly bigint[]): BucketSums {
  return {
    count: BigInt(values.length),
    sum: values.reduce((a, b) => a + b, 0n),
    min: values.reduce((a, b) => (a < b ? a : b)),
    max: values.reduce((a, b) => (a > b ? a : b)),
    latest: values.at(-1) ?? 0n,
    latestTs: values.length,
    latestId: `${values.length}`,
  };
}

function ledger(
  kafka: readonly [hour: number, attrsKey: string, values: readonly bigint[]][],
  postgres: readonly [hour: number, attrsKey: string, values: readonly bigint[]][],
): BucketLedger {
  const both = new BucketLedger({ maxBuckets: 100 });
  for (const [hour, attrsKey, values] of kafka)
    values.forEach((value, index) =>
      both.addKafka(key(hour, attrsKey), { value, ts: index + 1, id: `${index + 1}` }),
    );
  for (const [hour, attrsKey, values] of postgres) both.setPostgres(key(hour, attrsKey), sums(values));
  return both;
}

const compare = (both: BucketLedger, comparable: Comparable = ALL) =>
  compareBuckets(both, comparable, null, 10);

test('equal buckets are equal', () => {
  const result = compare(ledger([[0, '{}', [3n, 1n, 2n]]], [[0, '{}', [3n, 1n, 2n]]]));
  expect(result).toEqual({
    compared: 1,
    atLeast: 0,
    partlyDirect: 0,
    directEvents: 0n,
    different: 0,
    listed: [],
    regrouped: 0,
  });
});

test('of a bucket that was partly counted directly the events have to fit between all of them and none', () => {
  const fits = (kafka: number, postgres: number, direct: bigint): boolean => {
    const events = (count: number) => Array.from({ length: count }, () => 1n);
    const both = ledger([[0, '{}', events(kafka)]], [[0, '{}', events(postgres)]]);
    both.setDirect(key(), direct);
    const { partlyDirect, directEvents, compared, different } = compare(both);
    expect([partlyDirect, directEvents, compared]).toEqual([1, direct, 0]);
    return different === 0;
  };
  // Two came directly; of these none, one or both came through Kafka as well.
  expect([3, 4, 5].map((kafka) => fits(kafka, 5, 2n))).toEqual([true, true, true]);
  expect(fits(2, 5, 2n)).toBe(false);
  expect(fits(6, 5, 2n)).toBe(false);
});

test('a billionth too much, an event too few, and a bucket on one side only are found', () => {
  expect(compare(ledger([[0, '{}', [1n]]], [[0, '{}', [2n]]])).different).toBe(1);
  expect(compare(ledger([[0, '{}', [1n, 1n]]], [[0, '{}', [2n]]])).different).toBe(1);
  expect(compare(ledger([[0, '{}', [1n]]], [])).different).toBe(1);
  expect(compare(ledger([], [[0, '{}', [1n]]])).different).toBe(1);
  // Same count and sum, other order: latest and its time differ.
  expect(compare(ledger([[0, '{}', [1n, 2n]]], [[0, '{}', [2n, 1n]]])).different).toBe(1);
});

test('an hour that was split by other attributes is compared undivided', () => {
  const regrouped = ledger(
    [
      [0, '{"model":"x"}', [1n]],
      [0, '{"model":"y"}', [2n]],
    ],
    [[0, '{}', [1n, 2n]]],
  );
  // The two Kafka buckets were filled apart, so their times are equal: the latest is what the ids say.
  const result = compare(regrouped);
  expect([result.different, result.regrouped]).toEqual([3, 0]);
  const agreeing = ledger([[0, '{"model":"x"}', [1n, 2n]]], [[0, '{}', [1n, 2n]]]);
  expect(compare(agreeing)).toMatchObject({ different: 0, regrouped: 1 });
  // The same attributes on both sides, other values: no regrouping explains that.
  const wrong = ledger([[0, '{"model":"x"}', [1n]]], [[0, '{"model":"y"}', [1n]]]);
  expect(compare(wrong)).toMatchObject({ different: 2, regrouped: 0 });
});

test('what retention has deleted makes no difference, what Kafka holds too much does', () => {
  const partly: Comparable = { kind: 'from', hour: HOUR };
  const both = ledger(
    [
      [0, '{}', [1n]],
      [HOUR, '{}', [1n]],
    ],
    [
      [0, '{}', [1n, 5n]],
      [HOUR, '{}', [1n]],
    ],
  );
  expect(compare(both, partly)).toMatchObject({ compared: 1, atLeast: 1, different: 0 });
  expect(compare(ledger([[0, '{}', [1n, 1n]]], [[0, '{}', [1n]]]), partly).different).toBe(1);
  expect(compare(ledger([[HOUR, '{}', [1n]]], [[HOUR, '{}', [1n, 1n]]]), partly).different).toBe(1);
});

test('hours are comparable from where no deleted event can lie', () => {
  const at = (logStart: bigint, firstReceivedAt: number | null) => ({
    partition: 0,
    logStart,
    firstReceivedAt,
  });
  expect(comparableHours([at(0n, 5)], HOUR)).toEqual({ kind: 'all' });
  // Received before 10:20, at most an hour ahead: hours from 12:00 on are whole.
  expect(comparableHours([at(0n, 0), at(7n, 10 * HOUR + 20 * 60_000)], HOUR)).toEqual({
    kind: 'from',
    hour: 12 * HOUR,
  });
  expect(comparableHours([at(7n, null)], HOUR)).toEqual({ kind: 'none' });
});

test('only the metric asked for, only as many as asked for, all counted', () => {
  const both = ledger(
    Array.from({ length: 5 }, (_, hour): [number, string, bigint[]] => [hour * HOUR, '{}', [1n]]),
    [],
  );
  expect(compareBuckets(both, ALL, null, 2)).toMatchObject({ different: 5 });
  expect(compareBuckets(both, ALL, null, 2).listed).toHaveLength(2);
  expect(compareBuckets(both, ALL, 'other', 2)).toMatchObject({ compared: 0, different: 0 });
});

test('producers and expectations are compared in events and sums', () => {
  const total = (events: bigint, sum: bigint) => ({ events, sum });
  const reports = new Map([['import:1', new Map([['m', total(2n, 5n)]])]]);
  expect(compareReports(reports, new Map([['import:1', new Map([['m', total(2n, 5n)]])]]), null)).toEqual([]);
  expect(
    compareReports(reports, new Map([['import:1', new Map([['m', total(2n, 6n)]])]]), null),
  ).toHaveLength(1);
  expect(compareReports(reports, new Map(), null)[0]?.kafka).toEqual(total(0n, 0n));
  const expected = new Map([['m', total(1n, 1n)]]);
  expect(
    compareExpected(
      expected,
      new Map([
        ['m', total(1n, 1n)],
        ['(unreadable)', total(3n, 0n)],
      ]),
      null,
    ),
  ).toEqual([]);
  expect(
    compareExpected(
      expected,
      new Map([
        ['m', total(1n, 1n)],
        ['n', total(1n, 0n)],
      ]),
      null,
    ),
  ).toHaveLength(1);
});
