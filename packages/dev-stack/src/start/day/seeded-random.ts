/** Chance that can be had again: the same seed text gives the same numbers on every machine. */
import { hash } from 'node:crypto';

export interface SeededRandom {
  /** In [0, 1). */
  next(): number;
  /** A whole number from `low` to `high`, both in. */
  between(low: number, high: number): number;
  /** One of the list, which must not be empty. */
  pick<T>(list: readonly T[]): T;
  /** Around `median`; one in six is more than `spread` times as large. Never below 1. */
  skewed(median: number, spread: number): number;
  /** With the given mean; most are smaller. */
  exponential(mean: number): number;
}

export function seededRandom(seed: string): SeededRandom {
  const next = sfc32(hash('sha256', seed, 'buffer'));
  return {
    next,
    between: (low, high) => low + Math.floor(next() * (high - low + 1)),
    pick: (list) => {
      const picked = list[Math.floor(next() * list.length)];
      if (picked === undefined) throw new RangeError('nothing to pick from');
      return picked;
    },
    skewed: (median, spread) => Math.max(1, Math.round(median * Math.exp(gaussian(next) * Math.log(spread)))),
    exponential: (mean) => -Math.log(1 - next()) * mean,
  };
}

/** Chris Doty-Humphrey's small fast counter: 32-bit integers only, so it is the same everywhere. */
function sfc32(seed: Buffer): () => number {
  let a = seed.readInt32LE(0);
  let b = seed.readInt32LE(4);
  let c = seed.readInt32LE(8);
  let counter = seed.readInt32LE(12);
  return () => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 4_294_967_296;
  };
}

/** Box and Muller's transform. */
function gaussian(next: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
}
