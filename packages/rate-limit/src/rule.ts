/**
 * A rate rule as data. Everything that is counted is a whole number, and the bounds keep every
 * intermediate result below 2^53, which is as far as Lua and JavaScript count exactly.
 */
import { z } from 'zod';

/** How finely a sliding window is cut: what was charged counts for up to 1/20 of a period too long. */
export const WINDOW_SLOTS = 20;

const MAX_UNITS = 1_000_000_000;
const MAX_PERIOD_MS = 31 * 86_400_000;
/** A bucket's level is counted in 1/period of a unit, so that each millisecond refills a whole number. */
const MAX_LEVEL = 2 ** 52;

const units = z.int().min(1).max(MAX_UNITS);

const common = {
  /** Names the rule's state in the store: a new id is a new, unused limit. */
  id: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/),
  /** Units (requests, tokens, …) per period. */
  limit: units,
  periodMs: z.int().min(1_000).max(MAX_PERIOD_MS),
  /** What happens while Redis cannot answer: a bucket of this process, or a refusal. */
  whenUnavailable: z.enum(['local', 'deny']),
  /** Millionths of limit and burst that one process may admit by itself; below one unit it is a refusal. */
  localSharePpm: z.int().min(0).max(1_000_000),
};

const tokenBucket = z.strictObject({
  ...common,
  algorithm: z.literal('token_bucket'),
  /** Units that can be taken at once when nothing was taken for long. */
  burst: units,
});

const slidingWindow = z.strictObject({ ...common, algorithm: z.literal('sliding_window') });

export const rateRuleSchema = z
  .discriminatedUnion('algorithm', [tokenBucket, slidingWindow])
  .refine((rule) => rule.algorithm !== 'token_bucket' || rule.burst * rule.periodMs <= MAX_LEVEL, {
    path: ['burst'],
    message: 'burst × periodMs must not exceed 2^52',
  });

export type RateRule = Readonly<z.infer<typeof rateRuleSchema>>;

/** What one store enforces of a rule: all of it, one shard's part, or one process' share. */
export interface Allowance {
  readonly algorithm: RateRule['algorithm'];
  readonly limit: number;
  readonly periodMs: number;
  /** The most that one charge can take: the bucket's size, or the window's limit. */
  readonly capacity: number;
}

export function wholeAllowance(rule: RateRule): Allowance {
  const { algorithm, limit, periodMs } = rule;
  return { algorithm, limit, periodMs, capacity: rule.algorithm === 'token_bucket' ? rule.burst : limit };
}

/** Parts of all shards add up to the whole, neither more nor less. */
export function shardAllowance(rule: RateRule, shard: number, shards: number): Allowance {
  const part = (whole: number): number =>
    Math.floor((whole * (shard + 1)) / shards) - Math.floor((whole * shard) / shards);
  const whole = wholeAllowance(rule);
  return { ...whole, limit: part(whole.limit), capacity: part(whole.capacity) };
}

/** @returns null where the share is less than one unit: then nothing may be admitted locally. */
export function localAllowance(rule: RateRule): Allowance | null {
  const part = (whole: number): number => Math.floor((whole * rule.localSharePpm) / 1_000_000);
  const whole = wholeAllowance(rule);
  const limit = part(whole.limit);
  const capacity = part(whole.capacity);
  return limit === 0 || capacity === 0 ? null : { ...whole, limit, capacity };
}
