/**
 * Guarantees:
 * - A partition of which the broker holds records, and nothing is fetched for too long, ends the process.
 * - Having nothing to fetch, and being given something, do not. Nor does time in which nothing more would be
 *   taken since Postgres is away: not then, and not in the moment in which it is back.
 */
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { startStallWatch } from './stall-watch.ts';

const TIMEOUT_MS = 60_000;
const bed = { end: 0n, expected: 0n, hasRoom: true, failures: [] as unknown[] };
let watch: ReturnType<typeof startStallWatch>;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
  onTestFinished(() => void vi.useRealTimers());
  Object.assign(bed, { end: 10n, expected: 5n, hasRoom: true, failures: [] });
  watch = startStallWatch({
    timeoutMs: TIMEOUT_MS,
    ends: { latestEnd: () => bed.end },
    assignment: {
      get lanes() {
        return new Map([[3, { expected: bed.expected }]]);
      },
      hasRoom: () => bed.hasRoom,
    },
    fail: (error) => bed.failures.push(error),
  });
  onTestFinished(() => watch.stop());
});

test('records that lie in the broker and are not fetched end the process', () => {
  vi.advanceTimersByTime(TIMEOUT_MS);
  expect(bed.failures).toEqual([]);
  vi.advanceTimersByTime(2_000);
  expect(String(bed.failures[0])).toContain('nothing was fetched of partition 3');
});

test('with nothing to fetch, or given something, it goes on', () => {
  vi.advanceTimersByTime(TIMEOUT_MS - 1_000);
  watch.fetched(3);
  vi.advanceTimersByTime(TIMEOUT_MS - 1_000);
  bed.expected = 10n;
  vi.advanceTimersByTime(10 * TIMEOUT_MS);
  expect(bed.failures).toEqual([]);
});

test('while nothing more would be taken it is not the broker that is waited for, nor just after', () => {
  vi.advanceTimersByTime(TIMEOUT_MS / 2);
  bed.hasRoom = false;
  vi.advanceTimersByTime(4 * TIMEOUT_MS);
  bed.hasRoom = true;
  vi.advanceTimersByTime(TIMEOUT_MS - 1_000);
  expect(bed.failures).toEqual([]);
  vi.advanceTimersByTime(3_000);
  expect(bed.failures).toHaveLength(1);
});
