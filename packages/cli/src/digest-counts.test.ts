/**
 * Guarantees:
 * - each digest is counted for itself, through any number of growths
 * - digests that differ in one word only, and that meet in one slot, are told apart
 * - the bound on different digests is an error, not a forgetting
 */
import { hash } from 'node:crypto';
import { expect, test } from 'vitest';
import { DigestCounts, TooManyDigestsError } from './digest-counts.ts';

const digest = (text: string): Buffer => hash('sha256', text, 'buffer');

test('counts each digest for itself, through growth', () => {
  const counts = new DigestCounts({ maxEntries: 100_000 });
  for (let i = 0; i < 20_000; i++) expect(counts.add(digest(`${i}`))).toBe(1);
  for (let i = 0; i < 20_000; i++) expect(counts.add(digest(`${i}`))).toBe(2);
  expect(counts.add(digest('7'))).toBe(3);
  expect(counts.size).toBe(20_000);
});

test('tells apart digests that meet in one slot', () => {
  const counts = new DigestCounts({ maxEntries: 10 });
  const zero = Buffer.alloc(16);
  expect(counts.add(zero)).toBe(1);
  for (let word = 1; word < 4; word++) {
    const other = Buffer.alloc(16);
    other.writeUInt32LE(1, word * 4);
    expect(counts.add(other)).toBe(1);
  }
  expect(counts.add(zero)).toBe(2);
  expect(counts.size).toBe(4);
});

test('refuses more different digests than its bound, and still counts known ones', () => {
  const counts = new DigestCounts({ maxEntries: 2 });
  counts.add(digest('a'));
  counts.add(digest('b'));
  expect(() => counts.add(digest('c'))).toThrow(TooManyDigestsError);
  expect(counts.add(digest('a'))).toBe(2);
});
