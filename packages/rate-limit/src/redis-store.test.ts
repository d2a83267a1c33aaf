/**
 * The scripts on a real server, which is a cluster of one node: it has all slots, and yet refuses a script
 * whose keys lie in several.
 *
 * - all keys of one call lie in one slot, whatever tenants and routes are called; shards lie in others
 * - keys have the documented names, and all of them expire
 * - a process whose clock is wrong gains nothing: the server's counts
 * - the documented privileges are enough
 * - a connection that was handed over stays its owner's
 */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitFor } from '@meterhouse/runtime';
import { DAY_MS } from '@meterhouse/usage';
import { createClient } from '@redis/client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createRateLimiter, openRedisStore, RedisStore, type RateCharge, type RateRule } from './index.ts';
import { NO_REDIS_SERVER, startRedisServer } from './redis-server.testing.ts';

const dir = await mkdtemp(join(tmpdir(), 'meterhouse-rate-limit-test-'));
const redis = await startRedisServer({ args: ['--cluster-enabled', 'yes', '--dir', dir] });
const client = createClient({ url: redis?.url ?? 'redis://127.0.0.1:0' });
client.on('error', () => undefined);

const guard = { deadlineMs: 30_000 };
const rule: RateRule = {
  id: 'rpm',
  algorithm: 'token_bucket',
  limit: 100,
  periodMs: 60_000,
  burst: 100,
  whenUnavailable: 'deny',
  localSharePpm: 0,
};
const spike: RateRule = {
  id: 'spike',
  algorithm: 'sliding_window',
  limit: 100,
  periodMs: 600_000,
  whenUnavailable: 'deny',
  localSharePpm: 0,
};

function scopes(cost = 1): RateCharge[] {
  return [
    { tenantId: 'acme/eu:bot@x', route: '/v1/{model}/chat', rule, cost },
    { tenantId: 'acme/eu', route: '*', rule, cost },
    { tenantId: 'acme', route: '}{', rule: spike, cost },
  ];
}
const quotas = ['acme/eu', 'acme'].map((tenantId) => ({
  tenantId,
  metric: 'llm.tokens',
  delta: '1',
  ceiling: '1000',
}));

describe.skipIf(redis === null)(`Redis ${redis === null ? NO_REDIS_SERVER : ''}`, () => {
  beforeAll(async () => {
    await client.connect();
    await client.sendCommand(['CLUSTER', 'ADDSLOTSRANGE', '0', '16383']);
    const ready = async (): Promise<true | undefined> =>
      (await client.clusterInfo()).includes('cluster_state:ok') ? true : undefined;
    await waitFor('the cluster', ready, { deadlineMs: 20_000 });
  });
  afterAll(async () => {
    client.destroy();
    await redis?.kill();
    await rm(dir, { recursive: true, force: true });
  });

  test('one call, one slot; names as documented; everything expires; the connection stays', async () => {
    const keyPrefix = `test:${randomUUID()}:`;
    const store = new RedisStore({ connection: client, whenUnbased: 'zero' });
    const limiter = createRateLimiter({ store, keyPrefix, guard, shardsByRoot: { acme: 4 } });
    for (let i = 0; i < 8; i++)
      expect(await limiter.charge(scopes(), { rootId: 'acme' })).toMatchObject({
        decidedBy: 'redis',
        outcome: 'admitted',
      });
    const leases = { id: 'lease', of: [{ tenantId: 'acme/eu', id: 'jobs', limit: 9, leaseMs: 600_000 }] };
    const charged = await limiter.charge(scopes(), { rootId: 'acme', quotas, leases });
    if (charged.outcome !== 'admitted' || charged.receipt === null) throw new Error(charged.outcome);
    const { refundId } = charged.receipt;
    expect(await limiter.refund(charged.receipt)).toBe('refunded');
    await limiter.close();

    const keys = (await client.keys(`${keyPrefix}*`)).map((key) => key.slice(keyPrefix.length)).sort();
    const day = new Date().toISOString().slice(0, 10).replaceAll('-', '');
    const shard = (name: string): string[] =>
      ['acme', 'acme#1', 'acme#2', 'acme#3'].map((tag) => name.replace('TAG', tag));
    expect(keys).toEqual(
      [
        ...shard('rate:{TAG}:acme/eu%3Abot@x:/v1/{model}/chat:rpm'),
        ...shard('rate:{TAG}:acme/eu:*:rpm'),
        ...shard('sw:{TAG}:acme:}{:spike'),
        `q:{acme}:acme/eu:llm.tokens:${day}`,
        `q:{acme}:acme:llm.tokens:${day}`,
        `qr:{acme}:${refundId}`,
        'cc:{acme}:acme/eu:jobs',
      ].sort(),
    );
    const slots = await Promise.all(keys.map((key) => client.clusterKeySlot(keyPrefix + key)));
    expect(new Set(slots).size).toBe(4);
    for (const key of keys) expect(await client.pTTL(keyPrefix + key)).toBeGreaterThan(0);
  });

  test('processes whose clocks are a day apart share one limit and one day', async () => {
    const keyPrefix = `test:${randomUUID()}:`;
    const limiters = [-DAY_MS, 0, DAY_MS].map((skewMs) => {
      const wallMs = (): number => Date.now() + skewMs;
      const store = new RedisStore({ connection: client, whenUnbased: 'zero', wallMs });
      const clock = { wallMs, monotonicMs: () => performance.now() + skewMs };
      return createRateLimiter({ store, keyPrefix, guard, clock });
    });
    const admitted = { rates: 0, quotas: 0 };
    const few = quotas.map((quota) => ({ ...quota, ceiling: '70' }));
    for (let i = 0; i < 70; i++)
      for (const limiter of limiters) {
        const spikeOnly = scopes().slice(2);
        if ((await limiter.charge(spikeOnly, { rootId: 'acme' })).outcome === 'admitted') admitted.rates++;
        if ((await limiter.charge([], { rootId: 'acme', quotas: few })).outcome === 'admitted')
          admitted.quotas++;
      }
    expect(admitted).toEqual({ rates: 100, quotas: 70 });
  });

  test('the documented privileges are enough', async () => {
    const keyPrefix = 'prod:';
    await client.sendCommand(
      'ACL SETUSER limiter on >secret ~prod:rate:* ~prod:sw:* ~prod:q:* ~prod:qr:* ~prod:cc:* -@all +eval +evalsha +ping +hello +time +get +set +exists +hget +hmget +hset +hdel +hgetall +pexpire +pttl +zadd +zcard +zscore +zrange +zrem +zremrangebyscore'.split(
        ' ',
      ),
    );
    const url = new URL(redis?.url ?? '');
    url.username = 'limiter';
    url.password = 'secret';
    const store = openRedisStore({ url: url.href, whenUnbased: 'zero' });
    const limiter = createRateLimiter({ store, keyPrefix, guard });
    const ask = async (): Promise<true | undefined> =>
      (await limiter.charge(scopes(), { rootId: 'acme', quotas })).outcome === 'admitted' ? true : undefined;
    await waitFor('an answer', ask, { deadlineMs: 20_000 });
    const now = Date.now();
    const rebase = { rootId: 'acme', tenantId: 'acme', metric: 'llm.tokens', used: '7', asOf: now - 1 };
    expect(await limiter.rebase({ ...rebase, dayStart: now - (now % DAY_MS) })).toBe('applied');
    const leases = { id: 'lease-1', of: [{ tenantId: 'acme', id: 'jobs', limit: 1, leaseMs: 10_000 }] };
    const charged = await limiter.charge([], { rootId: 'acme', quotas, leases });
    if (charged.outcome !== 'admitted' || charged.receipt === null) throw new Error(charged.outcome);
    expect(await limiter.refund(charged.receipt)).toBe('refunded');
    expect(await limiter.renewLeases('acme', leases)).toBe('renewed');
    const another = await limiter.charge([], { rootId: 'acme', leases: { ...leases, id: 'lease-2' } });
    expect(another).toMatchObject({ outcome: 'limited', tightest: { kind: 'lease', tenantId: 'acme' } });
    expect(await limiter.releaseLeases('acme', leases)).toBe('released');
    await limiter.close();
    await client.del(await client.keys('prod:*'));
  });
});
