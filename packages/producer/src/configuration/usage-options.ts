/** Who answers questions, how many at once, and how old an answer may be. */
import * as z from 'zod';
import type { SecretFields } from './secret-fields.ts';

const whole = (min: number, max: number) => z.int().min(min).max(max);

const questionBounds = {
  deadlineMs: whole(1, 600_000).default(5_000).describe('How long an answer is waited for.'),
  concurrency: whole(1, 1_000).default(8).describe('Questions that are on their way at once.'),
  waiting: whole(0, 100_000)
    .default(256)
    .describe('Questions that may wait for their turn; more are refused.'),
};

export const usageOptions = (secret: SecretFields) =>
  z
    .strictObject({
      from: z.enum(['adapter', 'api', 'postgres']).default('adapter').describe('Who answers `getUsage`.'),
      ...questionBounds,
      cache: z
        .enum(['memory', 'redis', 'off'])
        .default('memory')
        .describe('Where answers are kept: in this process, or shared by several.'),
      maxAgeMs: whole(1, 86_400_000).default(2_000).describe('How old an answer may be. It says its age.'),
      maxEntries: whole(1, 10_000_000).default(10_000).describe('Answers in memory at most.'),
      redisUrl: secret.url.optional().describe('Redis of the shared cache.'),
      redisPrefix: z
        .string()
        .min(1)
        .max(128)
        .default('meterhouse:usage:')
        .describe('Begins its keys. Share one only among services that may see the same tenants.'),
      redisMs: whole(1, 60_000)
        .default(100)
        .describe('How long Redis is waited for before the origin is asked.'),
    })
    .refine(({ cache, redisUrl }) => cache !== 'redis' || redisUrl !== undefined, {
      path: ['redisUrl'],
      error: 'is needed with cache redis',
    });

export const checkOptions = z.strictObject({
  from: z
    .enum(['adapter', 'snapshots', 'api', 'postgres'])
    .default('adapter')
    .describe('Who answers `check`.'),
  ...questionBounds,
});

export type UsageOptions = z.output<ReturnType<typeof usageOptions>>;
export type CheckOptions = z.output<typeof checkOptions>;
