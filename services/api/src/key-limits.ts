/** The limiter of keys, on Redis where several processes share it. */
import { createRateLimiter, MemoryStore, openRedisStore } from '@meterhouse/rate-limit';
import type { Logger, Releases } from '@meterhouse/runtime';
import type { KeyLimits } from './http/key-limits.ts';

const BURST_SECONDS = 5;
const MAX_COUNTERS = 100_000;

export function openKeyLimits(
  config: { readonly REDIS_URL?: string | undefined; readonly API_KEY_REQUESTS_PER_SECOND: number },
  logger: Logger,
  releases: Releases,
): KeyLimits {
  const store =
    config.REDIS_URL === undefined
      ? new MemoryStore({ maxKeys: MAX_COUNTERS })
      : openRedisStore({ url: config.REDIS_URL });
  const limiter = createRateLimiter({
    store,
    keyPrefix: 'api:',
    onCircuitChange: (circuit, cause) => logger.warn({ circuit, err: cause }, 'rates are counted otherwise'),
  });
  releases.add('the rate limiter', () => limiter.close());
  const limit = config.API_KEY_REQUESTS_PER_SECOND;
  return {
    limiter,
    rule: {
      id: 'requests',
      algorithm: 'token_bucket',
      limit,
      periodMs: 1_000,
      burst: limit * BURST_SECONDS,
      // A limiter that is away must not stop everybody: each process goes on with a tenth.
      whenUnavailable: 'local',
      localSharePpm: 100_000,
    },
  };
}
