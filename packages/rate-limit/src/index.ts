export type { ChargeState, DecidedBy, LeaseState, QuotaState, RateAnswer, RateState } from './answer.ts';
export {
  InvalidChargeError,
  MAX_STRICT_AMOUNT,
  type ChargePlace,
  type ChargeReceipt,
  type LeaseCharge,
  type Leases,
  type QuotaCharge,
  type RateCharge,
  type Rebase,
} from './charge.ts';
export type { CircuitState } from './circuit-breaker.ts';
export type { Clock } from './clock.ts';
export {
  createRateLimiter,
  GUARD_DEFAULTS,
  type LimiterStatus,
  type RateLimiter,
  type RateLimiterOptions,
} from './limiter.ts';
export { MemoryStore, type MemoryStoreOptions } from './memory/memory-store.ts';
export { openRedisStore, type RedisUrlOptions } from './redis/connect.ts';
export { RedisStore, type RedisStoreOptions } from './redis/redis-store.ts';
export type { RedisConnection } from './redis/scripts.ts';
export { rateRuleSchema, WINDOW_SLOTS, type RateRule } from './rule.ts';
export type { GuardBounds, NoAnswer } from './store-guard.ts';
export type { RateStore, RebaseOutcome, RefundOutcome, WhenUnbased } from './store.ts';
export { keepLeases, LeasesLostError, type KeepLeasesOptions, type KeptLeases } from './keep-leases.ts';
