/**
 * Guarantees, by example (the model test holds them at random):
 * - the walk stops at the first question that fails, and says which
 * - I9: a raise lifts what is below it in value, up to the scope that gave the right to it
 * - a document that begins or ends to be in force changes the next decision, with no other change
 * - explain() names every question, every ceiling, and what lifts one
 */
import { describe, expect, test } from 'vitest';
import type { DocumentKind } from '../registry/documents.ts';
import { PolicySet } from '../registry/policy-set.ts';
import { keyOf } from '../snapshot-table.ts';
import { decide, type Facts } from './decide.ts';
import { explain } from './explain.ts';
import { Policies } from './policies.ts';
import type { DecisionRequest } from './request.ts';

const NOW = Date.UTC(2026, 4, 14, 10, 40);
const ONE = 1_000_000_000n;
type Body = { readonly id?: string; readonly name?: string } & Readonly<Record<string, unknown>>;
type Bodies = Partial<Record<DocumentKind, readonly Body[]>>;

const tenant = (id: string, parent: string | null, more: object = {}) => ({
  id,
  name: id,
  parent,
  class: 'external',
  plan: null,
  status: 'active',
  ...more,
});
const limit = (value: string, more: object = {}) => ({ metric: 'tokens', period: 'day', value, ...more });
const signed = { reason: 'launch', author: 'ann' };
const BASE = {
  metric: [{ name: 'tokens', unit: 'token', aggregation: 'sum', scale: 0, family: 'token_request' }],
  product: [
    {
      id: 'ai',
      name: 'AI',
      dimensions: [{ metric: 'tokens', unit: 'token' }],
      actions: [{ resourceType: 'model', action: 'call', launchSensitive: false }],
    },
  ],
  plan: [
    {
      id: 'pro',
      name: 'Pro',
      limits: [limit('100')],
      entitlements: [{ product: 'ai', resourceType: '*', action: '*' }],
    },
  ],
  tenant: [tenant('org', null, { plan: 'pro' }), tenant('dept', 'org'), tenant('team', 'dept')],
} satisfies Bodies;

function policies(bodies: Bodies): Policies {
  const set = new PolicySet();
  for (const [kind, list] of Object.entries(bodies))
    for (const body of list as Body[]) set.stage({ kind, id: body.id ?? body.name ?? '', version: 1n, body });
  set.complete(1n);
  return new Policies(set);
}

function facts(
  bodies: Bodies,
  used: Readonly<Record<string, number>> = {},
  more: Partial<Facts> = {},
): Facts {
  return {
    policies: policies(bodies),
    verdict: { outcome: 'allow', engine: 'built_in', version: '1', rules: ['members'], problem: null },
    usage: {
      freshness: () => ({ asOf: NOW - 500, ageMs: 500, monotonicAgeMs: 500 }),
      read: (key) => {
        const amount = Object.entries(used).find(([id]) => key.text === keyOf(id, 'tokens', 'day'))?.[1] ?? 0;
        const known = { used: `${amount}`, amount: BigInt(amount) * ONE, perSecond: 0n };
        return { state: 'known', ...known, periodStart: 0, asOf: NOW - 500, ageMs: 500 };
      },
    },
    pending: { pending: () => 0n },
    strict: { outcome: 'not_needed' },
    rate: { outcome: 'none' },
    places: { outcome: 'none' },
    capacity: { outcome: 'not_needed' },
    now: { wallMs: NOW, monotonicMs: 0 },
    ...more,
  };
}

function request(tenantId: string, delta: number): DecisionRequest {
  return {
    correlationId: 'c-1',
    actor: { type: 'user', id: 'ann', roles: [], scopes: [] },
    tenantId,
    product: 'ai',
    resourceType: 'model',
    action: 'call',
    usage: { metric: 'tokens', unit: 'token', delta: BigInt(delta) * ONE },
    slots: 0,
  };
}

test('a parent caps the sum of its children', () => {
  const decision = decide(request('team', 2), facts(BASE, { org: 99, dept: 5, team: 1 }));
  expect(decision).toMatchObject({ outcome: 'deny', reason: 'quota_exhausted', retryAfterMs: 48_000_000 });
  expect(decision.quota).toMatchObject({ ceiling: { scope: 'org', source: 'plan:pro' }, remaining: ONE });
  expect(decide(request('team', 1), facts(BASE, { org: 99 })).outcome).toBe('allow');
});

test('what this process has let through since the snapshot counts', () => {
  const pending = { pending: (scope: string) => (scope === 'org' ? 10n * ONE : 0n) };
  expect(decide(request('team', 1), facts(BASE, { org: 90 }, { pending }))).toMatchObject({
    outcome: 'deny',
    quota: { pending: 10n * ONE },
  });
});

describe('I9: a raise', () => {
  const override = (more: object) => ({
    override: [
      { id: 'more', tenant: 'team', metric: 'tokens', period: 'day', value: '150', ...signed, ...more },
    ],
  });
  const delegation = (by: string) => ({
    delegation: [
      { id: 'd', tenant: by, to: 'team', metric: 'tokens', period: 'day', upTo: '150', ...signed },
    ],
  });
  const byDelegation = { raises: { by: 'delegation', delegation: 'd' } };
  const outcome = (bodies: Bodies, delta: number, used: Record<string, number> = {}) =>
    decide(request('team', delta), facts(bodies, used)).outcome;

  test('without authority does nothing', () => {
    expect(outcome({ ...BASE, ...override({ raises: null }) }, 101)).toBe('deny');
    expect(outcome({ ...BASE, ...override(byDelegation) }, 101)).toBe('deny');
  });

  test('by privilege lifts every lower ceiling above it, and is a ceiling itself', () => {
    const raised = { ...BASE, ...override({ raises: { by: 'privileged' } }) };
    expect(outcome(raised, 150, { org: 1_000 })).toBe('allow');
    expect(outcome(raised, 151)).toBe('deny');
  });

  test('by delegation reaches as far as the scope that gave it, and no further', () => {
    const narrowed = {
      ...BASE,
      tenant: [
        tenant('org', null, { plan: 'pro' }),
        tenant('dept', 'org', { plan: 'pro' }),
        tenant('team', 'dept'),
      ],
    };
    expect(outcome({ ...narrowed, ...override(byDelegation), ...delegation('org') }, 150)).toBe('allow');
    // dept's own ceiling is lifted, org's is not.
    expect(outcome({ ...narrowed, ...override(byDelegation), ...delegation('dept') }, 101)).toBe('deny');
    expect(outcome({ ...narrowed, ...override(byDelegation), ...delegation('dept') }, 100)).toBe('allow');
  });
});

test('an override ends to be in force with the clock alone', () => {
  const expiry = new Date(NOW + 60_000).toISOString();
  const raised = {
    id: 'more',
    tenant: 'org',
    metric: 'tokens',
    period: 'day',
    value: '150',
    ...signed,
    expiry,
  };
  const before = facts({ ...BASE, override: [{ ...raised, raises: { by: 'privileged' } }] });
  const at = (laterMs: number): Facts => ({
    ...before,
    now: { wallMs: NOW + laterMs, monotonicMs: laterMs },
    usage: {
      ...before.usage,
      freshness: () => ({ asOf: NOW + laterMs - 500, ageMs: 500, monotonicAgeMs: 500 }),
    },
  });
  expect(decide(request('team', 150), at(0)).outcome).toBe('allow');
  expect(decide(request('team', 150), at(60_000)).outcome).toBe('deny');
  expect(decide(request('team', 150), at(0)).outcome).toBe('allow');
});

test('an override that cannot be read takes its tenant out, not its limit', () => {
  const broken = { ...BASE, override: [{ id: 'newer', tenant: 'dept', colour: 'red' }] };
  expect(decide(request('team', 1), facts(broken))).toMatchObject({
    outcome: 'deny',
    reason: 'registry_incomplete',
  });
  expect(decide(request('org', 1), facts(broken)).outcome).toBe('allow');
});

test('explain names every question and every ceiling', () => {
  const raised = { id: 'more', tenant: 'team', metric: 'tokens', period: 'day', value: '150', ...signed };
  const given = facts({ ...BASE, override: [{ ...raised, raises: { by: 'privileged' } }] }, { team: 149 });
  const asked = request('team', 2);
  const rows = explain(asked, given, decide(asked, given)).map(
    ({ question, answer }) => `${question} ${answer}`,
  );
  expect(rows).toEqual([
    'Is the account active? yes',
    'May user ann call model of ai? yes',
    'Is the account entitled to it? yes',
    'Does the product offer it? yes',
    'Is usage known well enough? yes',
    'Is quota left for 2? no',
    'Is it left across all processes? not asked',
    'Is it within the rate? not asked',
    'Is a place free? not asked',
    'Is there capacity? not asked',
    '  team 150 a day of tokens (override:more) no',
    '  org 100 a day of tokens (plan:pro) not asked',
  ]);
});

describe('periods', () => {
  const known =
    (period: string, amount: bigint): Facts['usage']['read'] =>
    (key) => {
      const used = key.text.endsWith(`|${period}`) ? amount : 0n;
      const about = { perSecond: 0n, periodStart: 0, asOf: NOW - 500, ageMs: 500 };
      return { state: 'known', used: `${used}`, amount: used * ONE, ...about };
    };
  const limitedBy = (period: string, org: object = {}): Bodies => ({
    ...BASE,
    plan: [{ ...BASE.plan[0], limits: [limit('100'), limit('100', { period })] }],
    tenant: [tenant('org', null, { plan: 'pro', ...org }), tenant('dept', 'org'), tenant('team', 'dept')],
  });
  const withUsage = (bodies: Bodies, read: Facts['usage']['read']): Facts => {
    const given = facts(bodies);
    return { ...given, usage: { ...given.usage, read } };
  };

  test('a total that is used up comes back by no waiting', () => {
    const given = withUsage(limitedBy('total'), known('total', 100n));
    expect(decide(request('team', 1), given)).toMatchObject({
      ...{ outcome: 'deny', reason: 'quota_exhausted', retryAfterMs: null },
      quota: { ceiling: { scope: 'org', period: 'total' } },
    });
    expect(explain(request('team', 1), given, decide(request('team', 1), given)).at(-1)?.question).toBe(
      '  org 100 in total of tokens (plan:pro)',
    );
  });

  test('a period is over when it turns by the calendar of the root', () => {
    const billing = { billing: { timeZone: 'Europe/Berlin', anchorDay: 15 } };
    const given = withUsage(limitedBy('month', billing), known('month', 100n));
    // The 15th of May begins at 22:00 UTC, 11 hours and 20 minutes from now.
    expect(decide(request('team', 1), given).retryAfterMs).toBe((11 * 60 + 20) * 60_000);
  });

  test('a ceiling whose usage is unknown opens nothing that another keeps shut', () => {
    const unknown: Facts['usage']['read'] = (key, period, now) =>
      period === 'total'
        ? { state: 'unknown', reason: 'not_published', asOf: NOW - 500, ageMs: 500 }
        : known('day', 100n)(key, period, now);
    const bodies = limitedBy('total');
    const lenient = { ...bodies.plan?.[0], stale: { maxAgeMs: 5_000, otherwise: 'allow' } };
    const given = withUsage({ ...bodies, plan: [lenient] }, unknown);
    expect(decide(request('team', 1), given)).toMatchObject({ outcome: 'deny', reason: 'quota_exhausted' });
    expect(decide(request('team', 0), given)).toMatchObject({ outcome: 'allow', reason: 'stale_snapshot' });
    expect(decide(request('team', 1), withUsage(bodies, unknown))).toMatchObject({
      ...{ outcome: 'deny', reason: 'stale_snapshot' },
    });
  });
});
