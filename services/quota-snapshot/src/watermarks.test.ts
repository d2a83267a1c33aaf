/**
 * Guarantee I6: the as-of is an instant through which every partition of the topic is counted and held.
 */
import { expect, test } from 'vitest';
import { Watermarks } from './watermarks.ts';

const counted = (partition: number, nextOffset: bigint, processedThrough: number | null) => ({
  source: 'usage_events',
  partition,
  nextOffset,
  processedThrough,
});

test('I6: the least of the partitions', () => {
  const marks = new Watermarks('usage_events', () => 2);
  marks.held('usage_events', 0, 10n);
  marks.held('usage_events', 1, 5n);
  marks.counted(counted(0, 10n, 900));
  expect(marks.asOf()).toBe(0);
  marks.counted(counted(1, 5n, 700));
  expect(marks.asOf()).toBe(700);
});

test('I6: a watermark that speaks of more than is held does not count yet', () => {
  const marks = new Watermarks('usage_events', () => 1);
  marks.held('usage_events', 0, 10n);
  marks.counted(counted(0, 11n, 900));
  expect(marks.asOf()).toBe(0);
  marks.held('usage_events', 0, 11n);
  marks.counted(counted(0, 11n, 900));
  expect(marks.asOf()).toBe(900);
});

test('I6: a partition that nobody has counted yet keeps everything from being complete', () => {
  let partitions = 1;
  const marks = new Watermarks('usage_events', () => partitions);
  marks.held('usage_events', 0, 10n);
  marks.counted(counted(0, 10n, 900));
  expect(marks.asOf()).toBe(900);
  partitions = 2;
  expect(marks.asOf()).toBe(0);
  partitions = Infinity;
  expect(marks.asOf()).toBe(0);
});

test('other sources, such as the quarantine being replayed, do not count', () => {
  const marks = new Watermarks('usage_events', () => 1);
  marks.held('usage_events', 0, 10n);
  marks.held('quarantine', 0, 3n);
  marks.counted({ ...counted(0, 3n, 100), source: 'quarantine' });
  marks.counted(counted(0, 10n, 900));
  expect(marks.asOf()).toBe(900);
});

test('I6: direct lanes hold the as-of back until what they counted is held', () => {
  const marks = new Watermarks('usage_events', () => 1);
  const lane = (nextOffset: bigint, through: number) => ({
    ...counted(0, nextOffset, through),
    source: 'direct',
  });
  marks.held('usage_events', 0, 10n);
  marks.counted(counted(0, 10n, 900));
  // Seen for the first time, with events that are not held: nothing beyond what was complete before.
  marks.counted(lane(3n, 990));
  marks.counted(counted(0, 10n, 980));
  expect(marks.asOf()).toBe(900);
  marks.held('direct', 0, 3n);
  marks.counted(lane(3n, 995));
  expect(marks.asOf()).toBe(980);
  marks.counted(counted(0, 10n, 1_200));
  expect(marks.asOf()).toBe(995);
});

test('never goes back', () => {
  const marks = new Watermarks('usage_events', () => 1);
  marks.held('usage_events', 0, 10n);
  marks.counted(counted(0, 10n, 900));
  marks.counted(counted(0, 9n, 800));
  marks.held('usage_events', 0, 4n);
  expect(marks.asOf()).toBe(900);
  marks.counted(counted(0, 10n, 950));
  expect(marks.asOf()).toBe(950);
});
