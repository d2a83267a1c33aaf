/**
 * Guarantees of the pace:
 *  - What goes slower than it never waits; what goes faster waits until its share of time has passed.
 *  - Time that passed unused is not saved up for a burst.
 */
import { expect, test } from 'vitest';
import { Pace } from './pace.ts';

function paceAt(eventsPerSecond: number): { pace: Pace; pass: (ms: number) => void } {
  let now = 0;
  return { pace: new Pace(eventsPerSecond, () => now), pass: (ms) => (now += ms) };
}

test('who goes slower never waits', () => {
  const { pace, pass } = paceAt(1_000);
  for (let second = 0; second < 100; second++) {
    expect(pace.take(9)).toBe(0);
    pass(10);
  }
});

test('who goes faster waits, and over any time has no more than the pace and one burst', () => {
  const { pace, pass } = paceAt(1_000);
  let elapsed = 0;
  for (let taken = 0; taken < 50_000; taken += 500) {
    const waitMs = pace.take(500);
    pass(waitMs);
    elapsed += waitMs;
  }
  expect(elapsed).toBe(50_000 - 100);
});

test('unused time is not saved up', () => {
  const { pace, pass } = paceAt(1_000);
  pass(3_600_000);
  expect(pace.take(1_100)).toBe(1_000);
});
