/**
 * The limiter on a store in memory, with a clock that the test sets:
 *
 * - several scopes are charged together or not at all, and the answer names the one that refuses longest
 * - what cannot be carried out as written is refused by the name of its field
 * - with all keys in use nothing is admitted for a new one, and nothing that is counted is dropped
 * - a clock that is set back, or a rule that is changed, gains nothing
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  createRateLimiter,
  InvalidChargeError,
  MemoryStore,
  rateRuleSchema,
  type QuotaCharge,
  type RateCharge,
  type RateLimiter,
  type RateRule,
} from './index.ts';

const DAY = Date.UTC(2026, 4, 9);
const clock = { nowMs: DAY, wallMs: () => clock.nowMs, monotonicMs: () => clock.nowMs };
const place = { rootId: 'acme' };

function bucket(id: string, limit: number, burst = limit): RateRule {
  return {
    id,
    algorithm: 'token_bucket',
    limit,
    periodMs: 60_000,
    burst,
    whenUnavailable: 'deny',
    localSharePpm: 0,
  };
}

function window(id: string, limit: number): RateRule {
  const { burst: _burst, ...rest } = { ...bucket(id, limit), burst: 0 };
  return { ...rest, algorithm: 'sliding_window' };
}

function charge(tenantId: string, rule: RateRule, cost = 1): RateCharge {
  return { tenantId, route: '/v1/chat', rule, cost };
}

function limiterInMemory(maxKeys = 100): RateLimiter {
  clock.nowMs = DAY;
  return createRateLimiter({ store: new MemoryStore({ clock, maxKeys }), clock });
}

describe('several scopes', () => {
  const charges = [
    charge('acme/eu/bot', bucket('rpm', 3)),
    charge('acme/eu', bucket('rpm', 5)),
    charge('acme', window('spike', 4)),
  ];

  test('all or none: what one of them refuses is charged to no other', async () => {
    const limiter = limiterInMemory();
    for (let i = 0; i < 3; i++)
      expect(await limiter.charge(charges, place)).toMatchObject({
        outcome: 'admitted',
        decidedBy: 'memory',
      });
    for (let i = 0; i < 5; i++)
      expect(await limiter.charge(charges, place)).toMatchObject({
        outcome: 'limited',
        tightest: { tenantId: 'acme/eu/bot', remaining: 0, retryAfterMs: 20_000 },
        rates: [{ remaining: 0 }, { remaining: 2, retryAfterMs: 0 }, { remaining: 1, retryAfterMs: 0 }],
      });
    expect(await limiter.charge(charges.slice(1), place)).toMatchObject({
      outcome: 'admitted',
      tightest: { tenantId: 'acme', limit: 4, remaining: 0 },
    });
    expect(limiter.status().answers).toEqual({ 'memory.admitted': 4, 'memory.limited': 5 });
  });

  test('of several that refuse it names the one that refuses longest; no wait helps a cost above the burst', async () => {
    const limiter = limiterInMemory();
    await limiter.charge(charges.slice(1), place);
    const both = [charge('acme/eu', bucket('rpm', 5), 5), charge('acme', window('spike', 4), 4)];
    expect(await limiter.charge(both, place)).toMatchObject({
      outcome: 'limited',
      rates: [{ retryAfterMs: 12_000 }, { retryAfterMs: 63_000 }],
      tightest: { tenantId: 'acme', resetMs: 63_000 },
    });
    expect(await limiter.charge([charge('acme', window('spike', 4), 5)], place)).toMatchObject({
      outcome: 'limited',
      tightest: { retryAfterMs: null },
    });
  });

  test('a strict quota of which nothing is known is unavailable, and then exact', async () => {
    const limiter = limiterInMemory();
    const quotas: QuotaCharge[] = [{ tenantId: 'acme', metric: 'tokens', delta: '0.1', ceiling: '0.3' }];
    const withQuota = { ...place, quotas };
    expect(await limiter.charge(charges, withQuota)).toMatchObject({
      outcome: 'unavailable',
      reason: 'not_based',
      deniedBy: { kind: 'quota', index: 0 },
    });
    clock.nowMs = DAY - 1;
    const dayToCome = {
      ...place,
      tenantId: 'acme',
      metric: 'tokens',
      dayStart: DAY,
      used: '0.05',
      asOf: DAY - 1,
    };
    expect(await limiter.rebase(dayToCome)).toBe('applied');
    clock.nowMs = DAY;
    await limiter.charge(charges, withQuota);
    expect(await limiter.charge(charges, withQuota)).toMatchObject({
      outcome: 'admitted',
      quotas: [{ used: '0.25', remaining: '0.05', ceiling: '0.3' }],
    });
    expect(await limiter.charge(charges, withQuota)).toMatchObject({
      outcome: 'limited',
      tightest: { kind: 'quota', metric: 'tokens', retryAfterMs: 86_400_000 },
      rates: [{ remaining: 1 }, { remaining: 3 }, { remaining: 2 }],
    });
  });
});

describe('names', () => {
  test('tenants and routes with colons in them have counters of their own', async () => {
    const name = fc.stringMatching(/^[ab:%]{1,4}$/);
    const tenant = fc.stringMatching(/^a[ab:]{0,3}$/);
    await fc.assert(
      fc.asyncProperty(tenant, name, tenant, name, async (tenantA, routeA, tenantB, routeB) => {
        fc.pre(tenantA !== tenantB || routeA !== routeB);
        const limiter = limiterInMemory();
        const once = (tenantId: string, route: string): RateCharge[] => [
          { tenantId, route, rule: bucket('r', 1), cost: 1 },
        ];
        expect((await limiter.charge(once(tenantA, routeA), place)).outcome).toBe('admitted');
        expect((await limiter.charge(once(tenantB, routeB), place)).outcome).toBe('admitted');
      }),
      {
        examples: [
          ['a', 'b:a', 'a:b', 'a'],
          ['a', 'b%3A', 'a', 'b:'],
        ],
      },
    );
  });
});

describe('what is not valid', () => {
  const rule = bucket('rpm', 3);
  const quota: QuotaCharge = { tenantId: 'acme', metric: 'tokens', delta: '1', ceiling: '2' };
  test.each([
    ['charges', [], []],
    ['charges[0].tenantId', [charge('', rule)], []],
    ['charges[0].cost', [charge('acme', rule, 0)], []],
    ['charges[0].cost', [charge('acme', rule, 1.5)], []],
    ['charges[0].route', [{ ...charge('acme', rule), route: 'x'.repeat(257) }], []],
    ['charges[1]', [charge('acme', rule), charge('acme', { ...rule })], []],
    ['charges[0].rule', [charge('acme', { ...rule, limit: 0.5 })], []],
    ['quotas[0].delta', [], [{ ...quota, delta: '-1' }]],
    ['quotas[0].delta', [], [{ ...quota, delta: '0.0000000001' }]],
    ['quotas[0].ceiling', [], [{ ...quota, ceiling: '1000000000000000' }]],
    ['quotas[1]', [], [quota, quota]],
  ] as [string, RateCharge[], QuotaCharge[]][])('%s', async (field, charges, quotas) => {
    const refused = limiterInMemory().charge(charges, { ...place, quotas });
    await expect(refused).rejects.toThrow(InvalidChargeError);
    await expect(refused).rejects.toThrow(`${field}:`);
  });

  test('a rule whose level could not be counted exactly', () => {
    const long = { ...bucket('r', 1, 1_000_000_000), periodMs: 31 * 86_400_000 };
    expect(rateRuleSchema.safeParse(long).error?.issues[0]?.path).toEqual(['burst']);
    expect(rateRuleSchema.safeParse({ ...long, burst: 1_000_000 }).success).toBe(true);
    expect(rateRuleSchema.safeParse({ ...window('w', 3), burst: 3 }).success).toBe(false);
  });

  test('a rule cannot be changed after it was checked', async () => {
    const limiter = limiterInMemory();
    const changing = { ...rule };
    await limiter.charge([charge('acme', changing)], place);
    expect(() => (changing.limit = Number.NaN)).toThrow(TypeError);
  });
});

describe('bounds', () => {
  test('with all keys in use a new one is unavailable, and those in use stay counted', async () => {
    const limiter = limiterInMemory(2);
    const rule = bucket('rpm', 2);
    for (const tenantId of ['a', 'b']) await limiter.charge([charge(tenantId, rule, 2)], place);
    expect(await limiter.charge([charge('c', rule)], place)).toMatchObject({
      outcome: 'unavailable',
      reason: 'store_full',
      decidedBy: 'memory',
    });
    expect((await limiter.charge([charge('a', rule)], place)).outcome).toBe('limited');
    expect(limiter.status().answers).toMatchObject({ 'memory.unavailable.store_full': 1 });
    clock.nowMs += 60_000;
    expect((await limiter.charge([charge('c', rule)], place)).outcome).toBe('admitted');
  });

  test('many tenants that come and go stay within the bound without a refusal', async () => {
    const store = new MemoryStore({ clock, maxKeys: 50 });
    const limiter = createRateLimiter({ store, clock });
    for (let i = 0; i < 2_000; i++) {
      clock.nowMs += 3_000;
      expect((await limiter.charge([charge(`t${i}`, bucket('rpm', 2))], place)).outcome).toBe('admitted');
    }
    expect(store.keys).toBeLessThanOrEqual(50);
  });
});

describe.each([bucket('r', 4), window('r', 4)])('$algorithm', (rule) => {
  test('a clock that is set back gains nothing', async () => {
    const limiter = limiterInMemory();
    await limiter.charge([charge('acme', rule, 4)], place);
    for (const backMs of [1, 60_000, 86_400_000]) {
      clock.nowMs = DAY - backMs;
      expect((await limiter.charge([charge('acme', rule)], place)).outcome).toBe('limited');
    }
    clock.nowMs = DAY + 14_999;
    expect((await limiter.charge([charge('acme', rule)], place)).outcome).toBe('limited');
  });

  test('a rule that is changed keeps what was counted', async () => {
    const limiter = limiterInMemory();
    await limiter.charge([charge('acme', rule, 3)], place);
    const changed = { ...rule, periodMs: 7_000 };
    const answer = await limiter.charge([charge('acme', changed)], place);
    expect(answer).toMatchObject({ outcome: 'admitted', tightest: { remaining: 0 } });
    expect((await limiter.charge([charge('acme', changed)], place)).outcome).toBe('limited');
  });
});
