/**
 * Guarantees of when a failed delivery is tried again:
 * - At any time up to the ceiling of its attempt, the whole of it, and never beyond.
 * - Not before the receiver asked for, and no later than the longest ceiling, whatever it asked for.
 * - One attempt more than there are ceilings, and none after it.
 */
import { expect, test } from 'vitest';
import { retryInMs } from './retry.ts';

const CEILINGS_MS = [1_000, 20_000, 5_000];
const [EARLIEST, LATEST] = [() => 0, () => 1 - Number.EPSILON];

test('any time up to the ceiling of the attempt', () => {
  for (const [nth, ceiling] of CEILINGS_MS.entries()) {
    expect(retryInMs(nth + 1, null, CEILINGS_MS, EARLIEST)).toBe(0);
    expect(retryInMs(nth + 1, null, CEILINGS_MS, LATEST)).toBe(ceiling - 1);
  }
});

test('not before the receiver asked for, within the longest ceiling', () => {
  expect(retryInMs(1, 3_000, CEILINGS_MS, LATEST)).toBe(3_000);
  expect(retryInMs(1, 300, CEILINGS_MS, LATEST)).toBe(999);
  expect(retryInMs(1, 24 * 3_600_000, CEILINGS_MS, EARLIEST)).toBe(20_000);
});

test('after the last attempt there is none, whatever the receiver asked for', () => {
  expect(retryInMs(4, null, CEILINGS_MS, EARLIEST)).toBeNull();
  expect(retryInMs(4, 1_000, CEILINGS_MS, EARLIEST)).toBeNull();
  expect(retryInMs(1, 1_000, [], EARLIEST)).toBeNull();
});
