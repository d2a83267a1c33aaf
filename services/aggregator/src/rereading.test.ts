/**
 * Guarantees:
 * - Missing records are asked for again at once, the first time.
 * - Where they are still missing, the partition rests between two attempts, however often it is asked.
 * - Other records, and another partition, do not wait. One that is halted, or another's, is left as it is.
 */
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { Rereading } from './rereading.ts';

const REST_MS = 1_000;
let calls: string[];
let rereading: Rereading;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  onTestFinished(() => void vi.useRealTimers());
  calls = [];
  const consumer = {
    seek: (partition: number, offset: bigint) => void calls.push(`seek ${partition} ${offset}`),
    pause: (partition: number) => void calls.push(`pause ${partition}`),
    resume: (partition: number) => void calls.push(`resume ${partition}`),
  };
  rereading = new Rereading(consumer, REST_MS);
});

test('at once the first time; then the partition rests, however often it is asked', () => {
  rereading.seek(0, 5n);
  expect(calls).toEqual(['seek 0 5']);
  vi.advanceTimersByTime(400);
  for (let n = 0; n < 100; n++) rereading.seek(0, 5n);
  expect(calls).toEqual(['seek 0 5', 'pause 0']);
  vi.advanceTimersByTime(599);
  expect(calls).toHaveLength(2);
  vi.advanceTimersByTime(1);
  expect(calls).toEqual(['seek 0 5', 'pause 0', 'resume 0', 'seek 0 5']);
  rereading.seek(0, 5n);
  vi.advanceTimersByTime(REST_MS);
  expect(calls.slice(4)).toEqual(['pause 0', 'resume 0', 'seek 0 5']);
});

test('other records and another partition do not wait', () => {
  rereading.seek(0, 5n);
  rereading.seek(0, 5n);
  rereading.seek(1, 5n);
  rereading.seek(0, 9n);
  expect(calls).toEqual(['seek 0 5', 'pause 0', 'seek 1 5', 'resume 0', 'seek 0 9']);
  vi.advanceTimersByTime(10 * REST_MS);
  expect(calls).toHaveLength(5);
});

test('what is halted or another’s is not asked for again', () => {
  rereading.seek(0, 5n);
  rereading.seek(0, 5n);
  rereading.leave(0);
  rereading.seek(1, 5n);
  rereading.seek(1, 5n);
  rereading.leaveAll();
  const before = [...calls];
  vi.advanceTimersByTime(10 * REST_MS);
  expect(calls).toEqual(before);
});
