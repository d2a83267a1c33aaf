/** Where answers about usage are kept for a while. */
import { LRUCache } from 'lru-cache';
import type { UsageReading } from '../usage-question.ts';

export interface UsageCache {
  readonly kind: 'memory' | 'redis';
  /** Never rejects. */
  look(key: string): Promise<CacheLook>;
  /** Closes what it holds. */
  close(): Promise<void> | void;
}

export type CacheLook =
  /** `ageMs` since the origin was asked; never less than the truth. */
  | { readonly state: 'hit'; readonly reading: UsageReading; readonly ageMs: number }
  /** `keep` remembers what the origin says, as asked at the time of the look; it does not wait. */
  | { readonly state: 'miss'; readonly keep: (reading: UsageReading) => void }
  | { readonly state: 'unavailable' };

export interface CacheBounds {
  readonly maxAgeMs: number;
  readonly maxEntries: number;
}

interface Kept {
  readonly reading: UsageReading;
  readonly askedAt: number;
}

/** @param clock milliseconds that only go up */
export function createMemoryCache({ maxAgeMs, maxEntries }: CacheBounds, clock: () => number): UsageCache {
  const kept = new LRUCache<string, Kept>({ max: maxEntries });
  return {
    kind: 'memory',
    look: (key) => {
      const now = clock();
      const known = kept.get(key);
      if (known !== undefined && now - known.askedAt <= maxAgeMs)
        return Promise.resolve({ state: 'hit', reading: known.reading, ageMs: now - known.askedAt });
      const keep = (reading: UsageReading): void => {
        kept.set(key, { reading, askedAt: now });
      };
      return Promise.resolve({ state: 'miss', keep });
    },
    close: () => {
      kept.clear();
    },
  };
}
