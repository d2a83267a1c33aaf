/**
 * Guarantees:
 * - Work that waits for a part that does not move makes it stuck after the bound, and not before.
 * - Any move, having nothing to do, and being another's, end it.
 * - How often somebody looks does not matter.
 */
import { expect, test } from 'vitest';
import { ProgressWatch, type PartProgress } from './progress-watch.ts';

const AFTER_MS = 1_000;

function at(position: number, waiting = true): PartProgress {
  return { position: BigInt(position), waiting };
}

function looked(...looks: [atMs: number, parts: Record<string, PartProgress>][]): ProgressWatch {
  const watch = new ProgressWatch(AFTER_MS);
  for (const [atMs, parts] of looks) watch.look(new Map(Object.entries(parts)), atMs);
  return watch;
}

test('a part with work waiting that does not move is stuck after the bound, alone among others', () => {
  const watch = looked([0, { a: at(5), b: at(7) }], [600, { a: at(5), b: at(8) }]);
  expect(watch.stuck(1_000)).toEqual([]);
  expect(watch.stuck(1_001)).toEqual([{ part: 'a', forMs: 1_001, position: 5n }]);
});

test('nobody can look any more: what was seen last counts on', () => {
  expect(looked([0, { a: at(5) }]).stuck(5_000)).toMatchObject([{ part: 'a', forMs: 5_000 }]);
});

test('with nothing to do it is never stuck, and work that comes later waits from then on', () => {
  const idle = looked([0, { a: at(5, false) }], [9_000, { a: at(5, false) }]);
  expect(idle.stuck(60_000)).toEqual([]);
  const busy = looked([0, { a: at(5, false) }], [9_000, { a: at(5) }]);
  expect(busy.stuck(9_900)).toEqual([]);
  expect(busy.stuck(10_001)).toMatchObject([{ part: 'a', forMs: 1_001 }]);
});

test('a move heals it, also one back', () => {
  expect(looked([0, { a: at(5) }], [2_000, { a: at(6) }]).stuck(2_500)).toEqual([]);
  expect(looked([0, { a: at(5) }], [2_000, { a: at(0) }]).stuck(2_500)).toEqual([]);
});

test('a part that is another’s is forgotten, and new when it comes back', () => {
  const watch = looked([0, { a: at(5) }], [2_000, {}], [3_000, { a: at(5) }]);
  expect(watch.stuck(3_900)).toEqual([]);
});
