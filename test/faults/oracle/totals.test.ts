/**
 * Guarantees:
 *  - the oracle's decimals are exact to the last of nine places, and refuse what they cannot hold
 *  - `latest` is the event with the highest time, ties by the bytes of the id
 *  - two books that differ in any column, or in a bucket that only one has, do not compare as equal,
 *    and the events too many and too few are told apart
 */
import { expect, test } from 'vitest';
import { billionths, decimalText } from './decimal.ts';
import { addTo, compareBooks, type Book, type Totals } from './totals.ts';

test.each([
  ['0', 0n],
  ['-0.000000001', -1n],
  ['1.5', 1_500_000_000n],
  ['1.500000000000', 1_500_000_000n],
  ['99999999999999999999999999999.999999999', 10n ** 38n - 1n],
])('%s is %s billionths, and back', (text, amount) => {
  expect(billionths(text)).toBe(amount);
  expect(billionths(decimalText(amount))).toBe(amount);
});

test.each(['', 'NaN', '1e3', '0.0000000001', '+1', '1,5'])('%s is no decimal', (text) => {
  expect(() => billionths(text)).toThrow(TypeError);
});

test('latest goes by time, then by the bytes of the id', () => {
  const book: Book = new Map();
  addTo(book, 'b', { value: '1', ts: 2, id: '\uffee' });
  // Lower in UTF-16, higher in UTF-8.
  addTo(book, 'b', { value: '2', ts: 2, id: '𝔘' });
  addTo(book, 'b', { value: '3', ts: 1, id: 'zzz' });
  expect(book.get('b')).toMatchObject({ latest: 2_000_000_000n, latestId: '𝔘', count: 3n });
});

const TOTALS: Totals = { sum: 6n, count: 3n, min: 1n, max: 3n, latest: 2n, latestTs: 5, latestId: 'i' };

test.each(Object.keys(TOTALS) as (keyof Totals)[])('a difference in %s is a mismatch', (column) => {
  const other = { ...TOTALS, [column]: column === 'latestId' ? 'j' : column === 'latestTs' ? 6 : 9n };
  const [a, b]: [Book, Book] = [new Map([['b', TOTALS]]), new Map([['b', other]])];
  expect(compareBooks('test', a, b, true, 1).mismatched).toBe(1);
  expect(compareBooks('test', a, new Map(a), true, 1)).toEqual({
    mismatched: 0,
    excess: 0,
    shortage: 0,
    findings: [],
  });
});

test('what is too many and what is too few do not cancel out', () => {
  const expected: Book = new Map([
    ['missing', TOTALS],
    ['more', TOTALS],
  ]);
  const actual: Book = new Map([
    ['more', { ...TOTALS, count: 5n }],
    ['stranger', TOTALS],
  ]);
  expect(compareBooks('test', expected, actual, true, 10)).toMatchObject({
    mismatched: 3,
    excess: 5,
    shortage: 3,
  });
});
