import type { Tools } from '../adapter.ts';
import type { UsageOptions } from '../configuration/usage-options.ts';
import { needing } from '../installed.ts';
import { createMemoryCache, type UsageCache } from './usage-cache.ts';

/** Null where answers are not kept. Redis' client is imported only where it is wanted. */
export function openUsageCache(options: UsageOptions, { clock, logger }: Tools): UsageCache | null {
  const { cache, maxAgeMs, maxEntries, redisUrl: url, redisPrefix: prefix, redisMs: patienceMs } = options;
  if (cache === 'off') return null;
  if (cache === 'memory' || url === undefined) return createMemoryCache({ maxAgeMs, maxEntries }, clock);
  const opening = needing(
    "usage.cache = 'redis'",
    ['@redis/client'],
    () => import('./redis-usage-cache.ts'),
  ).then(({ openRedisCache }) => openRedisCache({ url, prefix, maxAgeMs, patienceMs }, { clock, logger }));
  opening.catch((error: unknown) => {
    logger.error({ err: error }, 'the shared cache of usage cannot be loaded: usage is read without it');
  });
  return {
    kind: 'redis',
    look: async (key) => {
      const loaded = await opening.catch(() => null);
      return loaded === null ? { state: 'unavailable' } : loaded.look(key);
    },
    close: async () => {
      const loaded = await opening.catch(() => null);
      await loaded?.close();
    },
  };
}
