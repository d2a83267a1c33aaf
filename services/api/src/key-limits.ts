/** The limiter of keys, on Redis where several processes share it. */
import { createRateLimiter, MemoryStore, openRedisStore, type RateCharge } from '@meterhouse/rate-limit';
import type { Logger, Releases } from '@meterhouse/runtime';
import type { Metrics } from '@meterhouse/runtime/metrics';
import type { KeyLimits } from './http/key-limits.ts';
import { observeKeyLimits } from './observe/key-limit-instruments.ts';

const BURST_SECONDS = 5;
const MAX_COUNTERS = 100_000;

interface KeyLimitTools {
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly releases: Releases;
}

/** Charged to find out whether Redis answers: by the way that every request takes. */
const PROBE: RateCharge = {
  tenantId: 'readiness',
  route: 'readiness',
  rule: {
    id: 'readiness',
    algorithm: 'token_bucket',
    limit: 1_000,
    periodMs: 1_000,
    burst: 1_000,
    whenUnavailable: 'local',
    localSharePpm: 1_000_000,
  },
  cost: 1,
};

/** With `askRedis`, which resolves when Redis answers; null where rates are counted in memory. */
export function openKeyLimits(
  config: { readonly REDIS_URL?: string | undefined; readonly API_KEY_REQUESTS_PER_SECOND: number },
  { logger, metrics, releases }: KeyLimitTools,
): KeyLimits & { readonly askRedis: (() => Promise<void>) | null } {
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
  observeKeyLimits(metrics, limiter);
  const askRedis = async (): Promise<void> => {
    const { decidedBy } = await limiter.charge([PROBE], { rootId: PROBE.tenantId });
    if (decidedBy !== 'redis') throw new Error('rates are counted by each process for itself');
  };
  const limit = config.API_KEY_REQUESTS_PER_SECOND;
  return {
    limiter,
    askRedis: config.REDIS_URL === undefined ? null : askRedis,
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
