/**
 * Guarantees of the gate:
 * - of any number of requests at once no more are let through than fit, also between two snapshots
 * - what was not done counts for nothing; what was done counts until a snapshot has it, and not twice
 * - a denial takes nothing: no rate is charged and no capacity reserved for what was denied before
 * - without a limiter, or pools, that a plan or product needs, it denies; a limiter that cannot answer too
 * - never more at once than the tightest concurrency limit of the lineage; done or not, the place is free again
 * - of what was allowed as many are kept as are sampled, chosen by id; what was denied always
 * - where nothing outside the process has to be asked, it is decided once
 * - what is asked wrongly is an error that names the field
 */
import { describe, expect, test } from 'vitest';
import { createRateLimiter, MemoryStore, type RateCharge, type RateLimiter } from '@meterhouse/rate-limit';
import { SnapshotTable } from '@meterhouse/quota';
import type { CapacityPort } from './capacity.ts';
import { gateBed, policyOf, REGISTRY } from './gate-bed.testing.ts';
import type { Question } from '@meterhouse/quota';
import { isSampled } from './sampling.ts';
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

describe('places', () => {
  const [scale, small] = REGISTRY.plan;
  const jobs = { id: 'calls', product: 'inference', resourceType: 'model', action: 'call' };
  const registry = {
    ...REGISTRY,
    plan: [
      { ...scale, concurrency: [{ ...jobs, limit: 3 }] },
      { ...small, concurrency: [{ ...jobs, limit: 2, leaseMs: 20_000 }] },
    ],
    tenant: [
      ...REGISTRY.tenant,
      { id: 'acme-team', name: 'Team', parent: 'acme', class: null, plan: 'small', status: 'active' },
    ],
  };
  const ofTeam = { ...call(), tenantId: 'acme-team' };

  test('never more at once than the tightest limit, over several gates; done or not, a place is free', async () => {
    const limiter = createRateLimiter({ store: new MemoryStore() });
    const bed = gateBed(registry, {}, { rates: limiter });
    const gates = [bed.gate, bed.another(), bed.another()];
    const answers = await Promise.all(
      gates.flatMap((gate) => Array.from({ length: 5 }, () => gate.admit(ofTeam))),
    );
    const inside = answers.filter(({ admitted }) => admitted);
    expect(inside).toHaveLength(2);
    expect(inside[0]?.lost?.aborted).toBe(false);
    const refused = answers.find(({ admitted }) => !admitted);
    expect(refused?.decision).toMatchObject({ outcome: 'deny', reason: 'no_capacity' });
    expect(refused?.decision.retryAfterMs).toBeGreaterThan(19_000);
    // Above the team one more fits.
    expect((await bed.gate.admit(call())).admitted).toBe(true);
    expect((await bed.gate.admit(call())).decision.reason).toBe('no_capacity');
    inside[0]?.settle();
    await inside[1]?.release();
    expect((await bed.gate.admit(ofTeam)).admitted).toBe(true);
    expect((await bed.gate.admit(ofTeam)).admitted).toBe(true);
    expect((await bed.gate.admit(ofTeam)).admitted).toBe(false);
    await limiter.close();
  });

  test('what is denied for its rate takes no place; without a limiter they deny', async () => {
    const limiter = createRateLimiter({ store: new MemoryStore() });
    const rates = [{ id: 'rpm', limit: 1, periodMs: 60_000 }];
    const limited = { ...registry, plan: registry.plan.map((plan) => ({ ...plan, rates })) };
    const { gate } = gateBed(limited, {}, { rates: limiter });
    const first = await gate.admit(call());
    for (let i = 0; i < 5; i++) expect((await gate.admit(call())).decision.reason).toBe('rate_limited');
    const held = await limiter.charge([], {
      rootId: 'acme',
      leases: { id: 'probe', of: [{ tenantId: 'acme', id: 'calls', limit: 3, leaseMs: 60_000 }] },
    });
    expect(held).toMatchObject({ outcome: 'admitted', leases: [{ remaining: 1 }] });
    await first.release();
    expect((await gateBed(registry).gate.admit(call())).decision.reason).toBe('capacity_unavailable');
    await limiter.close();
  });
});

test('of what was allowed as many are kept as are sampled, by id; what was denied always', async () => {
  const kept = new Map<string, number>();
  const decisions = {
    took: (id: string, _request: unknown, _facts: unknown, ppm: number) => kept.set(id, ppm),
  };
  const { gate } = gateBed(REGISTRY, {}, { decisions, sampleAllowsPpm: 250_000 });
  const question = { ...call(0), correlationId: 'c' };
  for (let i = 0; i < 400; i++) await gate.admit(question);
  const expected = Array.from({ length: 400 }, (_, index) => `id-${index + 1}`).filter((id) =>
    isSampled(id, 250_000),
  );
  expect([...kept.keys()]).toEqual(expected);
  expect(expected.length).toBeGreaterThan(60);
  expect(expected.length).toBeLessThan(140);
  expect(new Set(kept.values())).toEqual(new Set([250_000]));
  await gate.admit({ ...question, tenantId: 'nobody' });
  expect(kept.get('id-401')).toBe(1_000_000);
  expect(() => gateBed(REGISTRY, {}, { sampleAllowsPpm: 0.5 })).toThrow('sampleAllowsPpm');
});

test('where nothing outside has to be asked, it is decided once', async () => {
  let reads = 0;
  const bed = gateBed(REGISTRY, { 'acme/llm.input_tokens': '90' }, ({ wallMs }) => {
    const table = new SnapshotTable();
    const stamp = { epoch: 1, asOf: wallMs(), publishedAt: wallMs() };
    table.apply({ kind: 'heartbeat', ...stamp, sequence: 1 }, 0);
    const policy = policyOf(REGISTRY);
    const read: SnapshotTable['read'] = (...args) => {
      reads += 1;
      return table.read(...args);
    };
    return { snapshots: { policy, usage: { freshness: (now) => table.freshness(now), read } } };
  });
  expect((await bed.gate.admit(call())).admitted).toBe(true);
  expect(reads).toBe(1);
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
