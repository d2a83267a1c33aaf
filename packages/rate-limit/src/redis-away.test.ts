/**
 * Redis away, in each way that it can be: refused, frozen, slow, gone and back, refusing to write. No call
 * waits for longer than the deadline; each rule's own word is kept, a capped local bucket or a refusal;
 * what waits is bounded; and when Redis is back it decides again.
 */
import { randomUUID } from 'node:crypto';
import { waitFor } from '@meterhouse/runtime';
import { createClient } from '@redis/client';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  createRateLimiter,
  openRedisStore,
  type ChargePlace,
  type RateAnswer,
  type RateCharge,
  type RateLimiter,
  type RateLimiterOptions,
  type RateRule,
} from './index.ts';
import { NO_REDIS_SERVER, startRedisServer, type OwnRedisServer } from './redis-server.testing.ts';

const started = await startRedisServer();
const place: ChargePlace = { rootId: 'acme' };

const local: RateRule = {
  id: 'local',
  algorithm: 'sliding_window',
  limit: 1_000,
  periodMs: 600_000,
  whenUnavailable: 'local',
  localSharePpm: 5_000,
};
const LOCAL_LIMIT = 5;
const deny: RateRule = { ...local, id: 'deny', whenUnavailable: 'deny' };
const noShare: RateRule = { ...local, id: 'no-share', localSharePpm: 999 };

function charge(rule: RateRule): RateCharge {
  return { tenantId: 'acme', route: '/v1/chat', rule, cost: 1 };
}

describe.skipIf(started === null)(`Redis away ${started === null ? NO_REDIS_SERVER : ''}`, () => {
  let redis: OwnRedisServer;
  const limiters: RateLimiter[] = [];

  beforeAll(() => {
    if (started !== null) redis = started;
  });
  afterEach(async () => {
    redis.thaw();
    for (const limiter of limiters.splice(0)) await limiter.close();
  });
  afterAll(() => redis.kill());

  function limiterOf(
    options: Partial<RateLimiterOptions> & { readonly silenceMs?: number } = {},
  ): RateLimiter {
    const { silenceMs, ...rest } = options;
    const store = openRedisStore({
      url: redis.url,
      whenUnbased: 'zero',
      ...(silenceMs === undefined ? {} : { silenceMs }),
    });
    const limiter = createRateLimiter({
      store,
      keyPrefix: `test:${randomUUID()}:`,
      ...rest,
      guard: { deadlineMs: 100, openMs: 50, ...rest.guard },
    });
    limiters.push(limiter);
    return limiter;
  }

  function decidedByRedis(limiter: RateLimiter): Promise<RateAnswer> {
    const ask = async (): Promise<RateAnswer | undefined> => {
      const answer = await limiter.charge([charge(deny)], place);
      return answer.outcome === 'unavailable' ? undefined : answer;
    };
    return waitFor('an answer of Redis', ask, { deadlineMs: 20_000 });
  }

  /** What every way of being away comes to. */
  async function keepsItsWord(limiter: RateLimiter): Promise<void> {
    const outcomes: string[] = [];
    for (let i = 0; i < LOCAL_LIMIT * 3; i++) {
      const answer = await limiter.charge([charge(local)], place);
      outcomes.push(`${answer.decidedBy} ${answer.outcome}`);
    }
    expect(outcomes.filter((outcome) => outcome === 'local_fallback admitted')).toHaveLength(LOCAL_LIMIT);
    expect(outcomes.filter((outcome) => outcome === 'local_fallback limited')).toHaveLength(LOCAL_LIMIT * 2);
    const refused = { outcome: 'unavailable', decidedBy: 'local_fallback' };
    expect(await limiter.charge([charge(deny)], place)).toMatchObject({
      ...refused,
      deniedBy: { kind: 'rate', index: 0 },
    });
    expect(await limiter.charge([charge(local), charge(deny)], place)).toMatchObject({
      ...refused,
      deniedBy: { kind: 'rate', index: 1 },
    });
    expect(await limiter.charge([charge(noShare)], place)).toMatchObject(refused);
    const quotas = [{ tenantId: 'acme', metric: 'tokens', delta: '1', ceiling: '100' }];
    expect(await limiter.charge([charge(local)], { ...place, quotas })).toMatchObject({
      ...refused,
      deniedBy: { kind: 'quota', index: 0 },
    });
    const rebase = { ...place, tenantId: 'acme', metric: 'tokens', dayStart: 0, used: '1', asOf: 0 };
    expect(await limiter.rebase(rebase)).toBe('unavailable');
    const charged = [{ tenantId: 'acme', metric: 'tokens', deltaUnits: 1n, atMs: 0, dayStart: 0 }];
    expect(await limiter.refund({ ...place, refundId: 'one', charged })).toBe('unavailable');
    const leases = { id: 'lease', of: [{ tenantId: 'acme', id: 'jobs', limit: 9, leaseMs: 10_000 }] };
    expect(await limiter.charge([charge(local)], { ...place, leases })).toMatchObject({
      ...refused,
      deniedBy: { kind: 'lease', index: 0 },
    });
    expect(await limiter.renewLeases('acme', leases)).toBe('unavailable');
  }

  test('frozen', async () => {
    const changes: string[] = [];
    const limiter = limiterOf({ onCircuitChange: (state) => changes.push(state) });
    await decidedByRedis(limiter);
    redis.freeze();
    await keepsItsWord(limiter);
    redis.thaw();
    expect(await decidedByRedis(limiter)).toMatchObject({ decidedBy: 'redis', outcome: 'admitted' });
    expect(changes).toContain('open');
    expect(changes.at(-1)).toBe('closed');
    expect(limiter.status().circuit).toBe('closed');
  });

  test('slow: what comes after the deadline is not waited for', async () => {
    const limiter = limiterOf();
    await decidedByRedis(limiter);
    const operator = await createClient({ url: redis.url }).connect();
    await operator.sendCommand(['CLIENT', 'PAUSE', '600000', 'WRITE']);
    await keepsItsWord(limiter);
    await operator.sendCommand(['CLIENT', 'UNPAUSE']);
    expect(await decidedByRedis(limiter)).toMatchObject({ decidedBy: 'redis' });
    operator.destroy();
  });

  test('what waits for a frozen Redis is bounded, and comes back', async () => {
    const limiter = limiterOf({ guard: { maxPending: 20, failuresToOpen: 1_000 } });
    await decidedByRedis(limiter);
    redis.freeze();
    const answers = Array.from({ length: 200 }, () => limiter.charge([charge(local)], place));
    expect(limiter.status().pending).toBe(20);
    const reasons = (await Promise.all(answers)).map((answer) =>
      answer.outcome === 'unavailable' ? null : answer.fallbackReason,
    );
    expect(reasons.filter((reason) => reason === 'timeout')).toHaveLength(20);
    expect(reasons.filter((reason) => reason === 'overloaded')).toHaveLength(180);
    expect(limiter.status().pending).toBe(20);
    redis.thaw();
    const none = (): true | undefined => (limiter.status().pending === 0 ? true : undefined);
    await waitFor('the calls that were given up', none, { deadlineMs: 20_000 });
  });

  test('a connection over which nothing is answered is made anew', async () => {
    const limiter = limiterOf({ silenceMs: 200, guard: { maxPending: 5 } });
    await decidedByRedis(limiter);
    redis.freeze();
    await Promise.all(Array.from({ length: 5 }, () => limiter.charge([charge(local)], place)));
    // With the old connection go the calls that waited on it: they would hold their places for ever.
    const none = (): true | undefined => (limiter.status().pending === 0 ? true : undefined);
    await waitFor('a new connection', none, { deadlineMs: 20_000 });
    redis.thaw();
    expect(await decidedByRedis(limiter)).toMatchObject({ decidedBy: 'redis' });
  });

  test('out of memory: a server that refuses to write does not admit', async () => {
    const limiter = limiterOf();
    await decidedByRedis(limiter);
    const operator = await createClient({ url: redis.url }).connect();
    await operator.sendCommand(['CONFIG', 'SET', 'maxmemory', '1']);
    await keepsItsWord(limiter);
    await operator.sendCommand(['CONFIG', 'SET', 'maxmemory', '0']);
    expect(await decidedByRedis(limiter)).toMatchObject({ decidedBy: 'redis' });
    operator.destroy();
  });

  test('refused from the start, then there, then killed, then there again without its scripts', async () => {
    await redis.kill();
    const limiter = limiterOf();
    await keepsItsWord(limiter);
    const startAgain = async (): Promise<void> => {
      const again = await startRedisServer({ port: redis.port });
      if (again === null) throw new Error('redis-server is gone');
      redis = again;
    };
    await startAgain();
    expect(await decidedByRedis(limiter)).toMatchObject({ decidedBy: 'redis' });
    await redis.kill();
    expect(await limiter.charge([charge(deny)], place)).toMatchObject({ outcome: 'unavailable' });
    await startAgain();
    expect(await decidedByRedis(limiter)).toMatchObject({ decidedBy: 'redis' });
  });
});
