/**
 * Guarantees:
 * - the tree is checked as it will stand, whatever the order in the file: unknown parents, circles
 * - what gives counted numbers their meaning (unit, aggregation, scale) cannot change once counted
 * - planning what is already so plans nothing
 */
import { expect, test } from 'vitest';
import type { Metric, Tenant } from '@meterhouse/usage';
import { planRegistry, type Registered, type RegistryPlan } from './registry-plan.ts';

const tokens: Metric = {
  name: 'tokens',
  unit: 'token',
  aggregation: 'sum',
  scale: 0,
  family: 'llm',
  groupBy: [],
};

const tenant = (id: string, parent: string | null = null): Tenant => ({ id, name: id, parent });

function registered(tenants: Tenant[], metrics: Metric[] = [], counted: string[] = []): Registered {
  return {
    tenants: new Map(tenants.map((one) => [one.id, one])),
    metrics: new Map(metrics.map((one) => [one.name, one])),
    countedMetrics: new Set(counted),
  };
}

function planned(result: ReturnType<typeof planRegistry>): RegistryPlan {
  if (result.kind === 'plan') return result;
  throw new Error(result.problems.join('\n'));
}

function problemsOf(result: ReturnType<typeof planRegistry>): readonly string[] {
  return result.kind === 'refused' ? result.problems : [];
}

test('children may stand before their parents', () => {
  const file = { tenants: [tenant('b', 'a'), tenant('a', 'root'), tenant('root')], metrics: [] };
  const plan = planned(planRegistry(file, registered([])));
  expect(plan.entries.map(({ change }) => change)).toEqual(['created', 'created', 'created']);
});

test('refuses unknown parents and circles, also with what is registered', () => {
  expect(problemsOf(planRegistry({ tenants: [tenant('a', 'nobody')], metrics: [] }, registered([])))).toEqual(
    ['tenants[0].parent: nobody is neither in the file nor registered'],
  );
  expect(problemsOf(planRegistry({ tenants: [tenant('a', 'a')], metrics: [] }, registered([])))).toEqual([
    'tenants[0].parent: a → a goes in a circle',
  ]);
  // b hangs below a already; now a is to hang below b.
  const now = registered([tenant('a'), tenant('b', 'a')]);
  expect(problemsOf(planRegistry({ tenants: [tenant('a', 'b')], metrics: [] }, now))).toEqual([
    'tenants[0].parent: a → b → a goes in a circle',
  ]);
});

test('refuses to change the meaning of what was counted, and says which field', () => {
  const file = { tenants: [], metrics: [{ ...tokens, unit: 'byte', scale: 2 }] };
  const problems = problemsOf(planRegistry(file, registered([], [tokens], ['tokens'])));
  expect(problems).toEqual([
    expect.stringContaining('metrics[0].unit: token → byte is refused'),
    expect.stringContaining('metrics[0].scale: 0 → 2 is refused'),
  ]);
  // Not counted yet: a mistake may still be mended.
  const plan = planned(planRegistry(file, registered([], [tokens])));
  expect(plan.entries[0]?.details).toEqual(['unit: token → byte', 'scale: 0 → 2']);
});

test('names, parents, families and grouping may change at any time', () => {
  const now = registered([tenant('a'), tenant('b')], [tokens], ['tokens']);
  const file = {
    tenants: [{ id: 'a', name: 'A', parent: 'b' }],
    metrics: [{ ...tokens, family: 'ai', groupBy: ['model'] }],
  };
  expect(planned(planRegistry(file, now)).entries.map(({ details }) => details)).toEqual([
    ['name: a → A', 'parent: (none) → b'],
    ['family: llm → ai', 'groupBy: [] → [model]'],
  ]);
});

test('plans nothing where everything is already so', () => {
  const now = registered([tenant('a'), tenant('b', 'a')], [tokens], ['tokens']);
  const plan = planned(planRegistry({ tenants: [tenant('b', 'a')], metrics: [tokens] }, now));
  expect(plan.tenants).toEqual([]);
  expect(plan.metrics).toEqual([]);
  expect(plan.entries.every(({ change }) => change === 'unchanged')).toBe(true);
});
