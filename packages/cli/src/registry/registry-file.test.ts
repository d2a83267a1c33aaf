/**
 * Guarantees:
 * - the file of the documentation is read as it stands, with its defaults
 * - every problem is listed, with its path; nothing unknown is passed over
 * - `aggregation: unique` is refused in words that say what to do
 */
import { expect, test } from 'vitest';
import { RegistryState } from '@meterhouse/quota';
import { ProblemsError } from '../problems.ts';
import { parseRegistryFile, wantedDocuments } from './registry-file.ts';

function problemsOf(source: string): readonly string[] {
  try {
    parseRegistryFile('registry.yaml', source);
  } catch (error) {
    if (error instanceof ProblemsError) return error.problems;
    throw error;
  }
  return [];
}

test('reads tenants and metrics', () => {
  const file = parseRegistryFile(
    'registry.yaml',
    `
tenants:
  - { id: acme-search, name: Search, parent: acme }
  - { id: acme }
metrics:
  - { name: llm.input_tokens, unit: token, aggregation: sum, scale: 0, family: token_request, groupBy: [model] }
`,
  );
  expect(file.tenants).toEqual([{ id: 'acme-search', name: 'Search', parent: 'acme' }, { id: 'acme' }]);
  expect(file.metrics).toEqual([
    {
      name: 'llm.input_tokens',
      unit: 'token',
      aggregation: 'sum',
      scale: 0,
      family: 'token_request',
      groupBy: ['model'],
    },
  ]);
});

test('lists every problem with its path', () => {
  const problems = problemsOf(`
tenants:
  - { id: '-acme' }
  - { id: beta, colour: red }
metrics:
  - { name: gpu.hours, unit: hour, aggregation: unique, scale: 12, family: compute }
  - { name: x, unit: '', aggregation: median, scale: 0.5, family: compute, groupBy: [a, a] }
`);
  expect(problems.map((problem) => problem.split(':')[0])).toEqual([
    'tenants[0].id',
    'tenants[1]',
    'metrics[0].aggregation',
    'metrics[0].scale',
    'metrics[1].unit',
    'metrics[1].aggregation',
    'metrics[1].scale',
    'metrics[1].groupBy',
  ]);
  expect(problems[1]).toContain('colour');
  expect(problems[2]).toContain('unique cannot be counted yet');
});

test('a limit that cannot be strict says why, by its field', () => {
  const limits = [
    "{ metric: m, period: day, value: '5', mode: soft, strict: true }",
    "{ metric: m, period: month, value: '5', strict: true }",
    "{ metric: m, period: day, value: '1000000000000000', strict: true }",
    "{ metric: m, period: day, value: '999999999999999.999999999', strict: true, whenUnavailable: snapshot }",
  ];
  expect(problemsOf(`plans: [{ id: p, name: P, limits: [${limits.join(', ')}] }]`)).toEqual([
    'plans[0].limits[0].strict: only a hard limit can be strict: a soft one may be passed',
    'plans[0].limits[1].strict: only a limit a day can be strict, not one a month: its counter is kept by UTC day',
    'plans[0].limits[2].value: must be below 10^15 where the limit is strict',
  ]);
});

test('refuses a second entry of the same name', () => {
  expect(problemsOf('tenants: [{ id: a }, { id: b }, { id: a }]')).toEqual([
    'tenants[2].id: a stands at tenants[0] already',
  ]);
});

test('a tenant of which a file says only where it hangs keeps class, plan and status', () => {
  const known = { id: 'a', name: 'A', parent: null, class: 'internal', plan: 'pro', status: 'suspended' };
  const now = RegistryState.of([{ kind: 'tenant', id: 'a', body: known }]);
  const bodies = (yaml: string) =>
    wantedDocuments(parseRegistryFile('r.yaml', yaml), now).map(({ body }) => body);
  expect(bodies('tenants: [{ id: a, name: A }]')).toEqual([known]);
  expect(bodies('tenants: [{ id: a, name: A, plan: null }]')).toEqual([{ ...known, plan: null }]);
  expect(bodies('tenants: [{ id: b }]')).toMatchObject([{ class: null, plan: null, status: 'active' }]);
});

test('refuses what is not YAML, and an empty file is an empty registry', () => {
  expect(problemsOf('tenants: [')).toHaveLength(1);
  expect(parseRegistryFile('registry.yaml', '')).toMatchObject({ tenants: [], metrics: [], plans: [] });
});

test('a calendar stays unless the file says otherwise, and is left out where nothing is said', () => {
  const known = {
    ...{ id: 'a', name: 'A', parent: null, class: null, plan: null, status: 'active' },
    billing: { timeZone: 'Europe/Berlin', anchorDay: 15 },
  };
  const now = RegistryState.of([{ kind: 'tenant', id: 'a', body: known }]);
  const body = (yaml: string) => wantedDocuments(parseRegistryFile('r.yaml', yaml), now)[0]?.body;
  expect(body('tenants: [{ id: a, name: A }]')).toEqual(known);
  expect(body('tenants: [{ id: a, billing: { anchorDay: 31 } }]')).toMatchObject({
    billing: { timeZone: 'UTC', anchorDay: 31 },
  });
  expect(body('tenants: [{ id: a, billing: null }]')).not.toHaveProperty('billing');
  expect(
    problemsOf('tenants: [{ id: a, billing: { timeZone: Mars/Base, anchorDay: 32 } }]').map(
      (problem) => problem.split(':')[0],
    ),
  ).toEqual(['tenants[0].billing.timeZone', 'tenants[0].billing.anchorDay']);
});

test('a limit a minute is told where to write it', () => {
  const yaml = (period: string) =>
    `plans: [{ id: p, name: P, limits: [{ metric: m, period: ${period}, value: '1' }] }]`;
  expect(problemsOf(yaml('minute'))).toEqual([
    'plans[0].limits[0].period: a minute is how fast, not how much: write it under rates of a plan, with periodMs: 60000',
  ]);
  expect(problemsOf(yaml('total'))).toEqual([]);
  expect(problemsOf(yaml('week'))).toHaveLength(1);
});
