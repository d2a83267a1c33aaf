/**
 * Guarantees:
 * - stamps with a zone, epoch milliseconds, and local stamps in the zone given are read exactly
 * - a local time that did not exist, or came twice, is refused: no hour is guessed
 */
import { expect, test } from 'vitest';
import { UsageError } from '../exit.ts';
import { createStampReader } from './stamps.ts';

const at = (text: string): number => Date.parse(text);

test('reads a space, seven digits and no zone as the zone given', () => {
  expect(createStampReader('UTC')('2023-11-16 18:17:03.9799600')).toBe(at('2023-11-16T18:17:03.979Z'));
  expect(createStampReader('+02:00')('2023-11-16 18:17:03')).toBe(at('2023-11-16T16:17:03Z'));
  expect(createStampReader('-05:30')('2023-11-16T18:17')).toBe(at('2023-11-16T23:47:00Z'));
});

test('a zone in the stamp stands above the zone given', () => {
  const read = createStampReader('Europe/Paris');
  expect(read('2023-11-16T18:17:03Z')).toBe(at('2023-11-16T18:17:03Z'));
  expect(read('2023-11-16 18:17:03.5+05:30')).toBe(at('2023-11-16T12:47:03.500Z'));
  expect(read('1700158623979')).toBe(1_700_158_623_979);
});

test('knows summer and winter time, and refuses the two hours that are no one instant', () => {
  const read = createStampReader('Europe/Paris');
  expect(read('2026-07-01 12:00:00')).toBe(at('2026-07-01T10:00:00Z'));
  expect(read('2026-12-01 12:00:00')).toBe(at('2026-12-01T11:00:00Z'));
  expect(read('2026-03-29 01:59:59')).toBe(at('2026-03-29T00:59:59Z'));
  expect(read('2026-03-29 02:30:00')).toContain('there is no such time');
  expect(read('2026-03-29 03:00:00')).toBe(at('2026-03-29T01:00:00Z'));
  expect(read('2026-10-25 02:30:00')).toContain('came twice');
  expect(read('2026-10-25 03:00:00')).toBe(at('2026-10-25T02:00:00Z'));
});

test('refuses what is no time', () => {
  const read = createStampReader('UTC');
  for (const text of ['', '2023', '16/11/2023', '2023-02-30 00:00:00', '2023-11-16 25:00:00', 'now'])
    expect(read(text)).toContain('is not a time');
  expect(() => createStampReader('Europe/Nowhere')).toThrow(UsageError);
});
