/** Guarantees: a projection is the exact quotient, rounded up to the metric's scale and no further. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { projectLinear } from './projection.ts';

const span = { start: 0, end: 720 * 3_600_000 };

test('it is the least amount of the scale that is no less than the exact quotient', () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n }),
      fc.integer({ min: 0, max: 9 }),
      fc.integer({ min: 36 * 3_600_000, max: span.end * 2 }),
      (used, scale, through) => {
        const { value } = projectLinear(used, { aggregation: 'sum', scale }, span, through);
        if (value === null) throw new Error('no projection');
        const step = 10n ** BigInt(9 - scale);
        const elapsed = BigInt(Math.min(through, span.end));
        expect(value % step).toBe(0n);
        expect(value * elapsed >= used * BigInt(span.end)).toBe(true);
        expect((value - step) * elapsed < used * BigInt(span.end)).toBe(true);
      },
    ),
  );
});

test('there is none where it would be a guess', () => {
  const sum = { aggregation: 'sum', scale: 0 } as const;
  expect(projectLinear(1n, { aggregation: 'latest', scale: 0 }, span, span.end).unknown).toBe(
    'not_cumulative',
  );
  expect(projectLinear(1n, sum, span, null).unknown).toBe('not_complete');
  expect(projectLinear(1n, sum, span, span.start - 1).unknown).toBe('too_early');
  expect(projectLinear(1n, sum, span, span.end / 20 - 1).unknown).toBe('too_early');
  expect(projectLinear(1n, sum, span, span.end / 20).unknown).toBeNull();
});
