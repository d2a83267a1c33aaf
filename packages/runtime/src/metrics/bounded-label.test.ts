/** Guarantee: a label never has more values than its bound and `other`, and what falls there is counted. */
import { expect, test } from 'vitest';
import { BoundedLabel } from './bounded-label.ts';

test('the first keep their names, what comes later is other, each time that it comes', () => {
  let overflowed = 0;
  const label = new BoundedLabel(2, () => (overflowed += 1));
  expect(['a', 'b', 'c', 'a', 'c', 'd'].map((value) => label.of(value))).toEqual([
    'a',
    'b',
    'other',
    'a',
    'other',
    'other',
  ]);
  expect(overflowed).toBe(3);
});

test('a value that is called other takes no place', () => {
  const label = new BoundedLabel(1, () => undefined);
  expect(['other', 'a', 'b'].map((value) => label.of(value))).toEqual(['other', 'a', 'other']);
});
