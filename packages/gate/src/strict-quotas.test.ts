/**
 * Guarantees of strict limits, over several gates that share nothing but snapshots and counters:
 * - never passed, between two snapshots either, at no scope of the lineage; decide() says whose counter refused
 * - what was not done is given back at once, and once; what was done is not
 * - a denial by something else gives back what was charged for it
 * - counters that are not known deny, or let the snapshot decide where the plan says so, and say which
 * - a softer class and a lifted ceiling are counted and never refused
 * - snapshots heal what the counters missed; the day to come begins open
 * - a decision by a counter is explained as such, and replays
 */
import { describe, expect, test } from 'vitest';
import {
  explain,
  parseDecisionRecord,
  recordDecision,
  replayDecision,
  type DecisionRequest,
  type Facts,
} from '@meterhouse/quota';
import { createRateLimiter, MemoryStore, openRedisStore, type RateLimiter } from '@meterhouse/rate-limit';
import { DAY_MS } from '@meterhouse/usage';
import type { CapacityPort } from './capacity.ts';
import type { Admission } from './gate.ts';
import { gateBed, REGISTRY, type BedClock, type GateBed } from './gate-bed.testing.ts';
import type { Question } from '@meterhouse/quota';

const METRIC = 'llm.input_tokens';
const SETTLE_MS = 1_000;
const actor = { type: 'user', id: 'ann', roles: ['member'], scopes: [] };
const call = (delta: number, tenantId = 'acme-team'): Question => ({
  actor,
  tenantId,
  product: 'inference',
  resourceType: 'model',
  action: 'call',
  usage: { metric: METRIC, unit: 'token', delta },
});
const strict = (value: string, more: object = {}) => ({
  limits: [{ metric: METRIC, period: 'day', value, strict: true, ...more }],
});
const [scale, small] = REGISTRY.plan;
const tenant = (id: string, parent: string | null, plan: string | null, more: object = {}) => ({
  ...{ id, name: id, parent, plan, class: null, status: 'active', ...more },
});

/** An organization of 100 a day over a team of 60 a day, both strict. */
const registry = (more: object = {}, tenants: object = {}) => ({
  ...REGISTRY,
  plan: [
    { ...scale, ...strict('100', more) },
    { ...small, ...strict('60', more) },
  ],
  tenant: [tenant('acme', null, 'scale', tenants), tenant('acme-team', 'acme', 'small')],
});

function bedOf(
  documents: Parameters<typeof gateBed>[0],
  more: Parameters<typeof gateBed>[2] = {},
  limiterOf = inMemory,
): GateBed & { limiter: RateLimiter } {
  const limiters: RateLimiter[] = [];
  const bed = gateBed(documents, {}, (clock) => {
    const made = limiterOf(clock);
    limiters.push(made);
    return { rates: made, ...(typeof more === 'function' ? more(clock) : more) };
  });
  const [limiter] = limiters;
  if (limiter === undefined) throw new Error('no limiter');
  return { ...bed, limiter };
}

function inMemory(clock: BedClock): RateLimiter {
  return createRateLimiter({ store: new MemoryStore({ clock }), clock, settleMs: SETTLE_MS });
}

/** As after a gate has run for the time to settle. */
async function based(bed: GateBed & { limiter: RateLimiter }): Promise<void> {
  await bed.tell(bed.limiter);
  bed.wait(SETTLE_MS + 1);
  bed.snapshot({});
  expect((await bed.tell(bed.limiter))['applied']).toBeGreaterThan(0);
}

const admitted = (answers: readonly Admission[]): number => answers.filter((each) => each.admitted).length;

test('four gates at once between two snapshots: never past the limit of any scope', async () => {
  const bed = bedOf(registry());
  await based(bed);
  const gates = [bed.gate, bed.another(), bed.another(), bed.another()];
  const ask = (tenantId: string): Promise<Admission[]> =>
    Promise.all(gates.flatMap((gate) => Array.from({ length: 20 }, () => gate.admit(call(3, tenantId)))));
  expect(admitted(await ask('acme-team'))).toBe(20);
  const rest = await ask('acme');
  expect(admitted(rest)).toBe(13);
  const refused = rest.find((each) => !each.admitted && each.decision.quota?.toldBy === 'counter');
  expect(refused?.decision).toMatchObject({
    outcome: 'deny',
    reason: 'quota_exhausted',
    quota: { ceiling: { scope: 'acme', strict: 'deny' }, used: 99_000_000_000n, remaining: 1_000_000_000n },
  });
});

test('what was not done is given back at once, and once; what was done is not', async () => {
  const bed = bedOf(registry());
  await based(bed);
  const other = bed.another();
  const [dropped, done] = [await bed.gate.admit(call(30)), await bed.gate.admit(call(30))];
  expect((await other.admit(call(1))).decision.reason).toBe('quota_exhausted');
  await dropped.release();
  await dropped.release();
  done.settle();
  await done.release();
  expect(bed.gate.status().refunds).toEqual({ refunded: 1, repeated: 1 });
  expect((await other.admit(call(31))).admitted).toBe(false);
  expect((await other.admit(call(30))).admitted).toBe(true);
});

test('denied for its capacity: the counters have it back', async () => {
  const full: CapacityPort = {
    reserve: () => Promise.resolve({ fact: { outcome: 'no_capacity', retryAfterMs: 1 }, reserved: null }),
    release: () => Promise.resolve(),
  };
  const jobs = { metric: 'gpu.hours', unit: 'hour' };
  const limits = [{ metric: 'gpu.hours', period: 'day', value: '8', strict: true }];
  const documents = {
    ...registry(),
    product: REGISTRY.product.map((product) => ({ ...product, dimensions: [jobs] })),
    plan: REGISTRY.plan.map((plan) => ({ ...plan, limits })),
    tenant: [tenant('acme', null, 'scale')],
  };
  const bed = bedOf(documents, { capacity: full });
  await based(bed);
  const launch = { actor, tenantId: 'acme', product: 'compute', resourceType: 'job', action: 'launch' };
  for (let i = 0; i < 3; i++) {
    const answer = await bed.gate.admit({ ...launch, usage: { ...jobs, delta: 8 } });
    expect(answer.decision.reason).toBe('no_capacity');
  }
  expect(bed.gate.status().refunds).toEqual({ refunded: 3 });
});

describe('counters that cannot be asked', () => {
  const away = (): RateLimiter =>
    createRateLimiter({ store: openRedisStore({ url: 'redis://127.0.0.1:1' }), guard: { deadlineMs: 20 } });

  test('not known yet: denied, then known by a snapshot and open', async () => {
    const bed = bedOf(registry());
    expect((await bed.gate.admit(call(1))).decision).toMatchObject({
      ...{ outcome: 'deny', reason: 'quota_unavailable', retryAfterMs: 1_000 },
    });
    await based(bed);
    expect((await bed.gate.admit(call(1))).admitted).toBe(true);
  });

  test.each([
    ['deny', { outcome: 'deny', reason: 'quota_unavailable' }, 'unavailable'],
    ['snapshot', { outcome: 'allow', reason: 'ok' }, 'skipped'],
  ])('Redis away, and the plan says %s', async (whenUnavailable, decision, fact) => {
    const kept: Facts[] = [];
    const decisions = { took: (_id: string, _request: unknown, facts: Facts) => kept.push(facts) };
    const bed = bedOf(registry({ whenUnavailable }), { decisions, sampleAllowsPpm: 1_000_000 }, away);
    expect((await bed.gate.admit(call(1))).decision).toMatchObject(decision);
    expect(kept[0]?.strict).toMatchObject({ outcome: fact, because: 'failed' });
    // The snapshot still decides.
    expect((await bed.gate.admit(call(61))).decision.reason).toBe('quota_exhausted');
    await bed.limiter.close();
  });

  test('without a limiter a strict limit denies', async () => {
    const { gate } = gateBed(registry());
    expect((await gate.admit(call(1))).decision.reason).toBe('quota_unavailable');
  });
});

test('a softer class is counted and never refused by a counter', async () => {
  const documents = registry({}, { class: 'internal' });
  const outside = tenant('acme-out', 'acme', null, { class: 'external' });
  const bed = bedOf({ ...documents, tenant: [...documents.tenant, outside] });
  const early = await bed.gate.admit(call(5, 'acme'));
  expect(early.decision).toMatchObject({ outcome: 'allow', reason: 'ok' });
  await based(bed);
  expect(
    admitted([await bed.gate.admit(call(70, 'acme')), await bed.another().admit(call(70, 'acme'))]),
  ).toBe(2);
  // Whoever is external below meets what they used.
  expect((await bed.another().admit(call(1, 'acme-out'))).decision).toMatchObject({
    outcome: 'deny',
    quota: { toldBy: 'counter', used: 140_000_000_000n },
  });
});

test('a lifted ceiling is counted and does not refuse; those that are not lifted meet it', async () => {
  const override = {
    ...{ id: 'more', tenant: 'acme-team', metric: METRIC, period: 'day', value: '150' },
    ...{ raises: { by: 'privileged' }, reason: 'launch', author: 'ann' },
  };
  const bed = bedOf({ ...registry(), override: [override] });
  await based(bed);
  expect((await bed.gate.admit(call(95))).admitted).toBe(true);
  expect((await bed.another().admit(call(6, 'acme'))).decision.quota).toMatchObject({
    toldBy: 'counter',
    used: 95_000_000_000n,
  });
  expect((await bed.another().admit(call(55))).admitted).toBe(true);
  expect((await bed.another().admit(call(1))).admitted).toBe(false);
});

test('a snapshot heals what the counters missed, and what was charged for nothing', async () => {
  const bed = bedOf(registry());
  await based(bed);
  await bed.gate.admit(call(10));
  bed.wait(12_000);
  // The 10 never came; 58 came that nobody charged.
  bed.snapshot({ [`acme/${METRIC}`]: '58', [`acme-team/${METRIC}`]: '58' });
  await bed.tell(bed.limiter);
  const other = bed.another();
  expect((await other.admit(call(3))).decision.reason).toBe('quota_exhausted');
  const answer = await other.admit(call(2));
  expect(answer.rate).toMatchObject({ quotas: [{ used: '60' }, { used: '60' }] });
});

test('told before it begins, the next day is open from its first moment', async () => {
  const bed = bedOf(registry());
  await based(bed);
  await bed.gate.admit(call(60));
  const beforeMidnightMs = DAY_MS - (10 * 60 + 40) * 60_000 - 5_000;
  bed.wait(beforeMidnightMs);
  bed.snapshot({});
  expect(await bed.tell(bed.limiter)).toMatchObject({ day_to_come_applied: 2 });
  bed.wait(5_000);
  bed.snapshot({ [`acme/${METRIC}`]: '0', [`acme-team/${METRIC}`]: '0' });
  expect((await bed.another().admit(call(1))).admitted).toBe(true);
});

test('a refusal by a counter is explained as such, and replays', async () => {
  const taken: { readonly request: DecisionRequest; readonly facts: Facts }[] = [];
  const decisions = {
    took: (_id: string, request: DecisionRequest, facts: Facts) => taken.push({ request, facts }),
  };
  const bed = bedOf(registry(), { decisions });
  await based(bed);
  await bed.gate.admit(call(60));
  const denied = await bed.another().admit(call(1));
  const [{ request, facts } = { request: null, facts: null }] = taken;
  if (request === null) throw new Error('nothing was kept');
  const walk = explain(request, facts, denied.decision).filter(({ answer }) => answer === 'no');
  expect(walk[0]).toMatchObject({
    question: 'Is it left across all processes?',
    because: 'acme-team: 60 used, by the counter of all',
  });
  const stored = parseDecisionRecord(JSON.parse(JSON.stringify(recordDecision('id', request, facts))));
  const replay = replayDecision(stored, facts.policies);
  expect(replay).toMatchObject({ same: true, decision: { reason: 'quota_exhausted' } });
  expect(stored.ceiling).toMatchObject({ scope: 'acme-team', used: '60', remaining: '0' });
});
