/**
 * Guarantees:
 * - the tree is checked as it will stand, whatever the order in the file: unknown parents, circles
 * - what gives counted numbers their meaning (unit, aggregation, scale) cannot change once counted
 * - what a document names must be there; what is named cannot be removed
 * - I9: nothing raises a ceiling without a delegation that covers it, or a privileged actor
 * - only a root has a calendar, in a time zone that hours can be cut by
 * - planning what is already so plans nothing
 */
import { describe, expect, test } from 'vitest';
import { planChanges, type ChangePlan, type PlanOptions, type WantedDocument } from './change-plan.ts';
import { DOCUMENTS, type DocumentKind } from './documents.ts';
import { RegistryState } from './registry-state.ts';

const LISTS = {
  tenant: 'tenants',
  metric: 'metrics',
  product: 'products',
  plan: 'plans',
  override: 'overrides',
  delegation: 'delegations',
  entitlement: 'entitlements',
  pool: 'pools',
  access_rule: 'accessRules',
};
type Bodies = Partial<Record<DocumentKind, readonly Record<string, unknown>[]>>;

function documents(bodies: Bodies): WantedDocument[] {
  return (Object.keys(bodies) as DocumentKind[]).flatMap((kind) =>
    (bodies[kind] ?? []).map((body, index) => {
      const parsed = DOCUMENTS[kind].parse(body);
      return {
        kind,
        id: 'id' in parsed ? parsed.id : parsed.name,
        body: parsed,
        path: `${LISTS[kind]}[${index}]`,
      };
    }),
  );
}

function plan(wanted: Bodies | readonly WantedDocument[], now: Bodies = {}, more: Partial<PlanOptions> = {}) {
  const list = Array.isArray(wanted) ? (wanted as readonly WantedDocument[]) : documents(wanted as Bodies);
  const options = {
    countedMetrics: new Set<string>(),
    privileged: false,
    now: Date.UTC(2026, 0, 1),
    ...more,
  };
  return planChanges(list, RegistryState.of(documents(now)), options);
}

function planned(result: ReturnType<typeof plan>): ChangePlan {
  if (result.kind === 'plan') return result;
  throw new Error(result.problems.join('\n'));
}

function problemsOf(result: ReturnType<typeof plan>): readonly string[] {
  return result.kind === 'refused' ? result.problems : [];
}

const tokens = {
  name: 'tokens',
  unit: 'token',
  aggregation: 'sum',
  scale: 0,
  family: 'token_request',
  groupBy: [],
};
const tenant = (id: string, parent: string | null = null, onPlan: string | null = null) => ({
  id,
  name: id,
  parent,
  class: 'external',
  plan: onPlan,
  status: 'active',
});
const counted = new Set(['tokens']);

test('children may stand before their parents', () => {
  const { entries } = planned(plan({ tenant: [tenant('b', 'a'), tenant('a', 'root'), tenant('root')] }));
  expect(entries.map(({ change }) => change)).toEqual(['created', 'created', 'created']);
});

test('refuses unknown parents and circles, also with what is registered', () => {
  expect(problemsOf(plan({ tenant: [tenant('a', 'nobody')] }))).toEqual([
    'tenants[0].parent: nobody is neither in the file nor registered',
  ]);
  expect(problemsOf(plan({ tenant: [tenant('a', 'a')] }))).toEqual([
    'tenants[0].parent: a → a goes in a circle',
  ]);
  // b hangs below a already; now a is to hang below b.
  const now = { tenant: [tenant('a'), tenant('b', 'a')] };
  expect(problemsOf(plan({ tenant: [tenant('a', 'b')] }, now))).toEqual([
    'tenants[0].parent: a → b → a goes in a circle',
  ]);
});

test('refuses to change the meaning of what was counted, and says which field', () => {
  const changed = { metric: [{ ...tokens, unit: 'byte', scale: 2 }] };
  expect(problemsOf(plan(changed, { metric: [tokens] }, { countedMetrics: counted }))).toEqual([
    expect.stringContaining('metrics[0].unit: token → byte is refused'),
    expect.stringContaining('metrics[0].scale: 0 → 2 is refused'),
  ]);
  // Not counted yet: a mistake may still be mended.
  const { entries } = planned(plan(changed, { metric: [tokens] }));
  expect(entries[0]?.details).toEqual(['unit: token → byte', 'scale: 0 → 2']);
});

test('names, parents, families and grouping may change at any time', () => {
  const now = { tenant: [tenant('a'), tenant('b')], metric: [tokens] };
  const wanted = {
    tenant: [{ ...tenant('a', 'b'), name: 'A' }],
    metric: [{ ...tokens, family: 'compute', groupBy: ['model'] }],
  };
  const { entries } = planned(plan(wanted, now, { countedMetrics: counted }));
  expect(entries.map(({ details }) => details)).toEqual([
    ['name: a → A', 'parent: (none) → b'],
    ['family: token_request → compute', 'groupBy: [] → [model]'],
  ]);
});

test('a family is of the closed list; a metric from before the list stays readable', () => {
  const old = { ...tokens, family: 'llm' };
  expect(problemsOf(plan({ metric: [old] }))).toEqual([
    'metrics[0].family: llm is none of compute, app_runtime, token_request, storage, network, capacity_reservation',
  ]);
  const { entries } = planned(plan({ metric: [tokens] }, { metric: [old] }, { countedMetrics: counted }));
  expect(entries[0]?.details).toEqual(['family: llm → token_request']);
});

test('only what adds up can be limited strictly, and places are of products that are there', () => {
  const peak = { ...tokens, name: 'peak', aggregation: 'max' };
  const strict = (metric: string) => ({ metric, period: 'day', value: '5', strict: true });
  const wanted = {
    metric: [tokens, peak],
    plan: [
      {
        id: 'pro',
        name: 'Pro',
        limits: [strict('tokens'), strict('peak')],
        concurrency: [
          { id: 'jobs', product: 'gone', limit: 2 },
          { id: 'jobs', limit: 3 },
        ],
      },
    ],
  };
  expect(problemsOf(plan(wanted))).toEqual([
    'plans[0].concurrency[1]: jobs stands at plans[0].concurrency[0] already',
    'plans[0].concurrency[0].product: there is no product gone',
    'plans[0].limits[1].strict: peak is a max; only a sum or a count can be limited strictly',
  ]);
});

test('plans nothing where everything is already so', () => {
  const now = { tenant: [tenant('a'), tenant('b', 'a')], metric: [tokens] };
  const { entries, changes } = planned(plan({ tenant: [tenant('b', 'a')], metric: [tokens] }, now));
  expect(changes).toEqual([]);
  expect(entries.every(({ change }) => change === 'unchanged')).toBe(true);
});

test('what a document names must be there, and what is named cannot go', () => {
  const wanted = {
    tenant: [tenant('a', null, 'gold')],
    product: [{ id: 'ai', name: 'AI', dimensions: [{ metric: 'tokens', unit: 'byte' }] }],
    plan: [{ id: 'pro', name: 'Pro', limits: [{ metric: 'calls', period: 'day', value: '1' }] }],
  };
  expect(problemsOf(plan(wanted, { metric: [tokens] }))).toEqual([
    'tenants[0].plan: there is no plan gold',
    'products[0].dimensions[0].unit: tokens is in token, not in byte',
    'plans[0].limits[0].metric: there is no metric calls',
  ]);
  const pro = { id: 'pro', name: 'Pro' };
  const gone = [{ kind: 'plan', id: 'pro', body: null, path: 'plan pro' }] as const;
  expect(problemsOf(plan(gone, { plan: [pro], tenant: [tenant('a', null, 'pro')] }))).toEqual([
    'plan pro: plan pro is still named by tenant a',
  ]);
  expect(planned(plan(gone, { plan: [pro] })).changes).toMatchObject([{ id: 'pro', after: null }]);
});

describe('I9: raising a ceiling', () => {
  const now = {
    metric: [tokens],
    plan: [{ id: 'pro', name: 'Pro', limits: [{ metric: 'tokens', period: 'day', value: '100' }] }],
    tenant: [tenant('org', null, 'pro'), tenant('dept', 'org'), tenant('team', 'dept')],
  };
  const signed = { reason: 'launch', author: 'ann' };
  const override = (value: string, more: object = {}) => ({
    id: 'o',
    tenant: 'dept',
    metric: 'tokens',
    period: 'day',
    value,
    ...signed,
    ...more,
  });
  const delegation = {
    id: 'd',
    tenant: 'org',
    to: 'dept',
    metric: 'tokens',
    period: 'day',
    upTo: '200',
    ...signed,
  };

  test('narrowing is ordinary', () => {
    expect(planned(plan({ override: [override('50')] }, now)).changes).toMatchObject([{ privileged: false }]);
  });

  test('without authority it is refused, with the scope whose ceiling it meets', () => {
    expect(problemsOf(plan({ override: [override('101')] }, now))).toEqual([
      expect.stringContaining('overrides[0].value: 101 is above the ceiling of org (plan:pro)'),
    ]);
  });

  test('beside a narrower override of the same scope it may stand, above the plan it may not', () => {
    const narrower = { ...now, override: [{ ...override('20'), id: 'narrower' }] };
    expect(planned(plan({ override: [override('50')] }, narrower)).changes).toHaveLength(1);
    expect(problemsOf(plan({ override: [override('101')] }, narrower))).toEqual([
      expect.stringContaining('is above the ceiling of org (plan:pro)'),
    ]);
    expect(problemsOf(plan({ override: [override('101', { tenant: 'org' })] }, narrower))).toEqual([
      expect.stringContaining('is above the ceiling of org (plan:pro)'),
    ]);
    // One further up does narrow what lies below it.
    const above = { ...now, override: [{ ...override('20', { tenant: 'org' }), id: 'above' }] };
    expect(problemsOf(plan({ override: [override('50')] }, above))).toEqual([
      expect.stringContaining('is above the ceiling of org (override:above)'),
    ]);
  });

  test('by privilege it is written down as such, and only by whoever has it', () => {
    const raise = { override: [override('101', { raises: { by: 'privileged' } })] };
    expect(problemsOf(plan(raise, now))).toEqual(['overrides[0]: raising a ceiling is a privileged act']);
    expect(planned(plan(raise, now, { privileged: true })).changes).toMatchObject([{ privileged: true }]);
  });

  test('by delegation it needs one that covers it', () => {
    const raise = (value: string, more: object = {}) => ({
      override: [override(value, { raises: { by: 'delegation', delegation: 'd' }, ...more })],
    });
    const delegated = { ...now, delegation: [delegation] };
    expect(planned(plan(raise('200'), delegated)).changes).toMatchObject([{ privileged: false }]);
    expect(problemsOf(plan(raise('201'), delegated))).toEqual([
      'overrides[0].value: 201 is above the 200 that d gives',
    ]);
    expect(problemsOf(plan(raise('150', { tenant: 'org' }), delegated))).toEqual([
      'overrides[0].raises.delegation: d is for dept and what is below',
    ]);
    expect(problemsOf(plan(raise('150'), now))).toEqual([
      'overrides[0].raises.delegation: there is no delegation d',
    ]);
    expect(problemsOf(plan({ delegation: [delegation] }, now))).toEqual([
      'delegations[0]: delegating the right to raise a ceiling is a privileged act',
    ]);
  });

  test('what is already so, or only ends sooner, needs no authority; what lasts longer does', () => {
    const raise = (more: object = {}) => ({
      override: [override('500', { raises: { by: 'privileged' }, expiry: '2026-06-01T00:00:00Z', ...more })],
    });
    const given = (more: object = {}) => ({ delegation: [{ ...delegation, ...more }] });
    const before = { ...now, ...raise(), ...given() };
    expect(planned(plan({ ...raise(), ...given() }, before)).changes).toEqual([]);
    const sooner = { expiry: '2026-01-01T00:00:00Z', reason: 'over', author: 'ben' };
    expect(planned(plan({ ...raise(sooner), ...given(sooner) }, before)).changes).toMatchObject([
      { id: 'o', privileged: false },
      { id: 'd', privileged: false },
    ]);
    for (const more of [
      { expiry: null },
      { expiry: '2026-06-01T00:00:01Z' },
      { ...sooner, value: '501' },
      { ...sooner, tenant: 'org' },
      { ...sooner, start: '2025-01-01T00:00:00Z' },
    ])
      expect([more, problemsOf(plan(raise(more), before))]).toEqual([
        more,
        ['overrides[0]: raising a ceiling is a privileged act'],
      ]);
    // One that narrowed until the ceiling above it fell: ending it must not be refused.
    const narrowing = { override: [override('80')] };
    const lowered = {
      ...now,
      ...narrowing,
      plan: [{ id: 'pro', name: 'Pro', limits: [{ metric: 'tokens', period: 'day', value: '50' }] }],
    };
    expect(
      planned(plan({ override: [override('80', { expiry: sooner.expiry })] }, lowered)).changes,
    ).toMatchObject([{ privileged: false }]);
  });
});

test('a calendar is a root’s alone, in a zone of whole hours', () => {
  const by = (timeZone: string) => ({ billing: { timeZone, anchorDay: 15 } });
  const under = { ...tenant('dept', 'org'), ...by('Europe/Berlin') };
  expect(problemsOf(plan({ tenant: [{ ...tenant('org'), ...by('Europe/Berlin') }] }))).toEqual([]);
  expect(problemsOf(plan({ tenant: [tenant('org'), under] }))).toEqual([
    'tenants[1].billing: only a root has a calendar, and what is below goes by it; say billing: null of dept',
  ]);
  const odd = { ...tenant('org'), ...by('Asia/Kolkata') };
  expect(problemsOf(plan({ tenant: [odd] }))).toEqual([
    'tenants[0].billing.timeZone: Asia/Kolkata is +05:30 from UTC, and usage is counted by whole UTC hours; take a zone that is whole hours from UTC',
  ]);
  // It was right when it was written: the same file is no problem later.
  expect(problemsOf(plan({ tenant: [odd] }, { tenant: [odd] }))).toEqual([]);
});

test('a strict limit and days that turn elsewhere than UTC’s do not come together, from whichever side', () => {
  const limits = [{ metric: 'tokens', period: 'day', value: '50', strict: true }];
  const strict = [{ id: 'pro', name: 'Pro', limits }];
  const berlin = { ...tenant('org'), billing: { timeZone: 'Europe/Berlin', anchorDay: 1 } };
  const team = { ...tenant('team', 'org'), plan: 'pro' };
  const words =
    'plan pro of team has a strict limit, which is kept by UTC day, and the days of org turn in Europe/Berlin';
  const loose = [{ id: 'pro', name: 'Pro', limits: [{ ...limits[0], strict: false }] }];
  const metric = [{ name: 'tokens', unit: 'token', aggregation: 'sum', scale: 0, family: 'token_request' }];
  const there = { metric, plan: loose, tenant: [berlin, team] };
  expect(problemsOf(plan({ plan: strict }, there))).toEqual([`plans[0]: ${words}`]);
  expect(
    problemsOf(plan({ tenant: [berlin] }, { metric, plan: strict, tenant: [tenant('org'), team] })),
  ).toEqual([`tenants[0]: ${words}`]);
  // A calendar of UTC days with another first of the month is none of its business.
  const fifteenth = { ...tenant('org'), billing: { timeZone: 'UTC', anchorDay: 15 } };
  expect(problemsOf(plan({ plan: strict, tenant: [fifteenth] }, { metric, tenant: [team] }))).toEqual([]);
});
