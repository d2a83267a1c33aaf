/**
 * Guarantees of the gate:
 * - of any number of requests at once no more are let through than fit, also between two snapshots
 * - what was not done counts for nothing; what was done counts until a snapshot has it, and not twice
 * - a denial takes nothing: no rate is charged and no capacity reserved for what was denied before
 * - without a limiter, or pools, that a plan or product needs, it denies; a limiter that cannot answer too
 * - what is asked wrongly is an error that names the field
 */
import { describe, expect, test } from 'vitest';
import { createRateLimiter, MemoryStore, type RateCharge, type RateLimiter } from '@meterhouse/rate-limit';
import type { CapacityPort } from './capacity.ts';
import { gateBed, REGISTRY } from './gate-bed.testing.ts';
import type { Question } from './question.ts';
import type { RatePort } from './shared-limits.ts';
import { DeniedError, withQuota } from './with-quota.ts';

const actor = { type: 'user', id: 'ann', roles: ['member'], scopes: [] };
const call = (delta: string | number | bigint = 1): Question => ({
  actor,
  tenantId: 'acme',
  product: 'inference',
  resourceType: 'model',
  action: 'call',
  route: 'POST /v1/chat',
  usage: { metric: 'llm.input_tokens', unit: 'token', delta },
});
const launch: Question = {
  actor,
  tenantId: 'acme',
  product: 'compute',
  resourceType: 'job',
  action: 'launch',
};

/** The limiter, with another way to charge. */
function portOf(limiter: RateLimiter, charge: RatePort['charge']): RatePort {
  return {
    charge,
    rebase: (rebase) => limiter.rebase(rebase),
    refund: (receipt) => limiter.refund(receipt),
    renewLeases: (rootId, leases) => limiter.renewLeases(rootId, leases),
    releaseLeases: (rootId, leases) => limiter.releaseLeases(rootId, leases),
  };
}

test('of a burst between two snapshots only as many get through as fit', async () => {
  const { gate } = gateBed(REGISTRY, { 'acme/llm.input_tokens': '90' });
  const answers = await Promise.all(Array.from({ length: 1_000 }, () => gate.admit(call(3))));
  expect(answers.filter(({ admitted }) => admitted)).toHaveLength(3);
});

test('what was not done counts for nothing, what was done until a snapshot has it', async () => {
  const bed = gateBed(REGISTRY, { 'acme/llm.input_tokens': '90' });
  const dropped = await bed.gate.admit(call(10));
  expect((await bed.gate.admit(call())).admitted).toBe(false);
  await dropped.release();
  const done = await bed.gate.admit(call(10));
  expect(done.admitted).toBe(true);
  done.settle();
  bed.wait(500);
  expect(bed.gate.look(call()).quota).toMatchObject({ used: 90_000_000_000n, pending: 10_000_000_000n });
  bed.wait(1_000);
  bed.snapshot({ 'acme/llm.input_tokens': '100' });
  expect(bed.gate.look(call()).quota).toMatchObject({ used: 100_000_000_000n, pending: 0n });
});

test('withQuota gives back what its work did not do, and records what it did', async () => {
  const { gate } = gateBed(REGISTRY, { 'acme/llm.input_tokens': '90' });
  const events: unknown[] = [];
  const meter = { add: (event: unknown) => events.push(event) > 0 };
  const failing = withQuota(gate, meter, call(10), () => Promise.reject(new Error('no model')));
  await expect(failing).rejects.toThrow('no model');
  expect(events).toEqual([]);
  expect(await withQuota(gate, meter, call(10), () => Promise.resolve('done'))).toBe('done');
  expect(events).toMatchObject([{ tenantId: 'acme', metric: 'llm.input_tokens', value: '10' }]);
  await expect(withQuota(gate, meter, call(), () => Promise.resolve())).rejects.toBeInstanceOf(DeniedError);
});

describe('rates and capacity', () => {
  const withRate = {
    ...REGISTRY,
    plan: REGISTRY.plan.map((plan) => ({
      ...plan,
      rates: [{ id: 'chat-rpm', route: 'POST /v1/chat', limit: 2, periodMs: 60_000 }],
    })),
  };

  test('every plan of the lineage is charged for its route, and only for what was let through so far', async () => {
    const limiter = createRateLimiter({ store: new MemoryStore() });
    const charged: RateCharge[] = [];
    const rates: typeof limiter.charge = (charges, place) => {
      charged.push(...charges);
      return limiter.charge(charges, place);
    };
    const { gate } = gateBed(withRate, { 'acme/llm.input_tokens': '90' }, { rates: portOf(limiter, rates) });
    expect((await gate.admit(call(11))).decision.reason).toBe('quota_exhausted');
    expect(charged).toEqual([]);
    expect((await gate.admit({ ...call(), route: 'GET /v1/models' })).admitted).toBe(true);
    expect(charged).toEqual([]);
    const outcomes = [await gate.admit(call()), await gate.admit(call()), await gate.admit(call())];
    expect(outcomes.map(({ decision }) => decision.reason)).toEqual(['ok', 'ok', 'rate_limited']);
    // What the rate denied is not pending: 90 + 1 + 2 leave 7.
    expect((await gate.admit({ ...call(7), route: 'GET /v1/models' })).admitted).toBe(true);
    await limiter.close();
  });

  test('a limiter that fails leaves nothing held', async () => {
    const limiter = createRateLimiter({ store: new MemoryStore() });
    const failing = portOf(limiter, () => Promise.reject(new Error('a rule that it cannot take')));
    const { gate } = gateBed(withRate, { 'acme/llm.input_tokens': '90' }, { rates: failing });
    await expect(gate.admit(call(10))).rejects.toThrow('a rule that it cannot take');
    expect(gate.look(call()).quota).toMatchObject({ pending: 0n });
  });

  test('a plan with rates denies where there is no limiter', async () => {
    const { gate } = gateBed(withRate);
    expect((await gate.admit(call())).decision).toMatchObject({
      outcome: 'deny',
      reason: 'rate_unavailable',
    });
  });

  test('an action with a pool denies where there are no pools, and where they do not answer', async () => {
    expect((await gateBed(REGISTRY).gate.admit(launch)).decision.reason).toBe('capacity_unavailable');
    const away: CapacityPort = {
      reserve: () => Promise.resolve({ fact: { outcome: 'unavailable', retryAfterMs: 1 }, reserved: null }),
      release: () => Promise.resolve(),
    };
    const { gate } = gateBed(REGISTRY, {}, { capacity: away });
    expect((await gate.admit(launch)).decision.reason).toBe('capacity_unavailable');
  });
});

test('what is asked wrongly names its field', async () => {
  const { gate } = gateBed(REGISTRY);
  await expect(gate.admit(call('1e3'))).rejects.toThrow('usage.delta: 1e3 is not an exact decimal');
  // Which of the decimals that round to it was meant?
  await expect(gate.admit(call(2 ** 53))).rejects.toThrow('usage.delta');
  await expect(gate.admit(call(1_234_567_890.123_456_7))).rejects.toThrow('usage.delta');
  await expect(gate.admit(call(-1))).rejects.toThrow('must not be negative');
  await expect(gate.admit({ ...launch, slots: 1.5 })).rejects.toThrow('slots');
  await expect(gate.admit({ ...call(), cost: 0 })).rejects.toThrow('cost');
  await expect(gate.admit({ ...call(), route: '' })).rejects.toThrow('route');
  await expect(gate.admit({ ...launch, tenantId: '' })).rejects.toThrow('tenantId');
});
