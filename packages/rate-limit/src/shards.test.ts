/**
 * A hot root's shards: whatever the costs and however many processes deal,
 *
 * - all shards together never admit more than the limit
 * - the first refusal comes when at most shards × (processes × the largest cost + 1) units of it are left
 * - rules too small to be split, and strict quotas, are as exact as without shards
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createRateLimiter, MemoryStore, type RateLimiter, type RateRule } from './index.ts';

const clock = { wallMs: () => 0, monotonicMs: () => 0 };
const place = { rootId: 'hot' };
const LIMIT = 5_000;

function rule(algorithm: RateRule['algorithm'], limit: number): RateRule {
  const common = { id: 'r', limit, periodMs: 60_000, whenUnavailable: 'deny', localSharePpm: 0 } as const;
  return algorithm === 'token_bucket' ? { ...common, algorithm, burst: limit } : { ...common, algorithm };
}

function limiters(processes: number, shards: number, random: () => number): RateLimiter[] {
  const store = new MemoryStore({ clock, whenUnbased: 'zero' });
  return Array.from({ length: processes }, () =>
    createRateLimiter({ store, clock, shardsByRoot: { hot: shards }, random }),
  );
}

test('never above the limit, and below it by no more than the bound', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('token_bucket' as const, 'sliding_window' as const),
      fc.integer({ min: 1, max: 8 }),
      fc.integer({ min: 2, max: 16 }),
      fc.integer({ min: 1, max: 20 }),
      fc.infiniteStream(fc.nat(1_000_000)),
      async (algorithm, processes, shards, maxCost, numbers) => {
        const next = (below: number): number => (numbers.next().value ?? 0) % below;
        const all = limiters(processes, shards, () => next(1_000) / 1_000);
        const hot = rule(algorithm, LIMIT);
        let admitted = 0;
        let refusals = 0;
        let leftAtFirstRefusal = 0;
        while (refusals < 20 * shards) {
          const cost = 1 + next(maxCost);
          const limiter = all[next(processes)];
          const answer = await limiter?.charge([{ tenantId: 'hot', route: '*', rule: hot, cost }], place);
          if (answer?.outcome === 'admitted') admitted += cost;
          else if (refusals++ === 0) leftAtFirstRefusal = LIMIT - admitted;
        }
        expect(admitted).toBeLessThanOrEqual(LIMIT);
        expect(leftAtFirstRefusal).toBeLessThanOrEqual(shards * (processes * maxCost + 1));
      },
    ),
    { numRuns: 50 },
  );
});

test('a small rule and a strict quota of a hot root are exact', async () => {
  const [limiter] = limiters(1, 8, () => 0.5);
  const large = { tenantId: 'hot', route: '*', rule: rule('sliding_window', LIMIT), cost: 1 };
  const small = { tenantId: 'hot', route: '/exports', rule: rule('sliding_window', 7), cost: 1 };
  const quotas = [{ tenantId: 'hot', metric: 'exports', delta: '1', ceiling: '5' }];
  const outcomes = async (
    times: number,
    charges: (typeof large)[],
    withQuotas: typeof quotas,
  ): Promise<number> => {
    let admitted = 0;
    for (let i = 0; i < times; i++)
      if ((await limiter?.charge(charges, { ...place, quotas: withQuotas }))?.outcome === 'admitted')
        admitted++;
    return admitted;
  };
  expect(await outcomes(100, [large], [])).toBe(100);
  expect(await outcomes(7, [large, small], [])).toBe(7);
  expect(await outcomes(7, [large, small], [])).toBe(0);
  expect(await outcomes(20, [large], quotas)).toBe(5);
});

test('a number of shards that cannot be is refused by name', () => {
  const store = new MemoryStore();
  expect(() => createRateLimiter({ store, shardsByRoot: { hot: 1 } })).toThrow('shardsByRoot.hot');
  expect(() => createRateLimiter({ store, shardsByRoot: { hot: 65 } })).toThrow('shardsByRoot.hot');
});
