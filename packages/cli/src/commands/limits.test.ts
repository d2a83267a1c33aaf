/**
 * Guarantees, on a real Postgres:
 * - limits set, override and end-override write through the planner: audited with who and why, refused
 *   in its words, nothing changed by a dry run, an unknown tenant never made
 * - raising needs a delegation or privilege; ending never does
 * - limits show shows the whole lineage: what caps, what is lifted and by what, what is not in force
 * - registry audit says what changed field by field, marks what was privileged; a document that is
 *   still named is not removed
 */
import { expect, test } from 'vitest';
import { commandBed, REGISTRY } from '../testing.ts';

const bed = await commandBed();

await bed.json([
  'apply',
  '-f',
  await bed.file(
    'registry.yaml',
    `${REGISTRY}
products:
  - id: ai
    name: AI
    dimensions: [{ metric: tokens, unit: token }]
    actions: [{ resourceType: job, action: launch, launchSensitive: true }]
plans:
  - id: pro
    name: Pro
    limits: [{ metric: tokens, period: day, value: '1000', warnAt: [80], strict: true }, { metric: seats, period: month, value: '5', mode: soft }]
    rates: [{ id: api, limit: 600, periodMs: 60000, burst: 50 }]
    concurrency: [{ id: launches, product: ai, action: launch, limit: 4 }]
    entitlements: [{ product: ai, resourceType: '*', action: '*', tier: standard }]
  - { id: basic, name: Basic }
`,
  ),
  '--by',
  'ann',
  '--why',
  'opening',
]);

interface Shown {
  class: string;
  lineage: { id: string; plan: string | null }[];
  ceilings: {
    metric: string;
    scope: string;
    value: string;
    period: string;
    mode: string;
    warnFrom: string[];
    source: string;
    liftedBy: string | null;
  }[];
  overrides: { id: string; standing: string; decides: boolean; reason: string; author: string }[];
  delegations: { id: string; standing: string }[];
  entitlements: { scope: string; source: string; standing: string }[];
  rates: { scope: string; id: string }[];
  concurrency: { scope: string; id: string }[];
}
interface Audit {
  changes: {
    version: string;
    by: string;
    why: string;
    kind: string;
    id: string;
    change: string;
    privileged: boolean;
    differences: string[];
  }[];
}

const limits = (...args: string[]) => bed.run('limits', ...args);
const show = async (...args: string[]): Promise<Shown> =>
  (await bed.json(['limits', 'show', ...args])) as Shown;
const ceilings = async (tenant: string): Promise<string[]> =>
  (await show('--tenant', tenant, '--metric', 'tokens')).ceilings.map(
    ({ scope, value, source, liftedBy }) =>
      `${scope} ${value} ${source}${liftedBy === null ? '' : ` lifted by ${liftedBy}`}`,
  );
const audit = async (...args: string[]): Promise<Audit['changes']> =>
  ((await bed.json(['registry', 'audit', ...args])) as Audit).changes;
const override = (value: string, ...more: string[]): string[] => [
  ...['override', '--tenant', 'acme-search', '--metric', 'tokens', '--period', 'day'],
  ...['--value', value, '--reason', 'launch week', '--by', 'ben', ...more],
];

test('a plan is attached, shown over the lineage, and audited', async () => {
  expect(await ceilings('acme-search')).toEqual([]);
  const answer = await limits('set', '--tenant', 'acme', '--plan', 'pro', '--by', 'ann', '--why', 'signed');
  expect(answer.stdout).toContain('plan: (none) → pro');
  const shown = await show('--tenant', 'acme-search');
  expect(shown.lineage.map(({ id, plan }) => [id, plan])).toEqual([
    ['acme-search', null],
    ['acme', 'pro'],
  ]);
  expect(shown.class).toBe('external');
  expect(shown.ceilings).toMatchObject([
    { metric: 'seats', scope: 'acme', value: '5', period: 'month', mode: 'soft', warnFrom: [] },
    {
      metric: 'tokens',
      scope: 'acme',
      value: '1000',
      period: 'day',
      mode: 'hard',
      strict: 'deny',
      warnFrom: ['800'],
    },
  ]);
  expect(shown.rates).toMatchObject([{ scope: 'acme', id: 'api' }]);
  expect(shown.concurrency).toMatchObject([{ scope: 'acme', id: 'launches', limit: 4, route: null }]);
  expect(shown.entitlements).toMatchObject([{ scope: 'acme', source: 'plan:pro', standing: 'in force' }]);
  const classed = async (...args: string[]): Promise<string> => {
    await bed.json(['limits', 'set', '--tenant', 'acme', ...args, '--why', 'trying']);
    return (await show('--tenant', 'acme-search')).class;
  };
  expect(await classed('--class', 'internal')).toBe('internal');
  expect(await classed('--no-class')).toBe('external');
  expect(await audit('--kind', 'tenant', '--id', 'acme', '--limit', '1')).toMatchObject([
    { why: 'trying', differences: ['class: internal → (none)'] },
  ]);
  expect((await audit('--kind', 'tenant', '--id', 'acme', '--limit', '3')).slice(2)).toMatchObject([
    { by: 'ann', why: 'signed', change: 'changed', privileged: false, differences: ['plan: (none) → pro'] },
  ]);
});

test('what cannot be is refused, and changes nothing', async () => {
  const before = await audit();
  const why = ['--why', 'x'];
  for (const [args, exitCode, words] of [
    [['set', '--tenant', 'nobody', '--plan', 'pro', ...why], 1, 'there is no tenant nobody'],
    [['set', '--tenant', 'acme', '--plan', 'gold', ...why], 1, 'tenant acme.plan: there is no plan gold'],
    [['set', '--tenant', 'acme', ...why], 2, 'nothing to set'],
    [['set', '--tenant', 'acme', '--plan', 'basic'], 2, '--why'],
    [['set', '--tenant', 'acme', '--class', 'friend', ...why], 2, 'must be one of internal'],
    [['set', '--tenant', 'acme', '--plan', 'basic', '--dry-run', ...why], 0, ''],
    [override('1e3'), 1, 'value: must be a decimal'],
    [override('10', '--metric', 'nothing'), 1, 'there is no metric nothing'],
    [override('10', '--by', 'b'.repeat(257)), 2, 'at most 256 characters'],
    [override('10', '--start', 'tomorrow'), 2, '--start'],
    [override('10', '--start', '2026-01-02', '--expiry', '2026-01-02'), 2, '--expiry'],
    [override('10', '--raise', '--delegation', 'd'), 2, 'cannot be used with'],
    [['end-override', 'nothing', ...why], 1, 'there is no override nothing'],
    [['show', '--tenant', 'nobody'], 1, 'there is no tenant nobody'],
    [['show', '--tenant', 'acme', '--metric', 'nothing'], 1, 'there is no metric nothing'],
  ] as const) {
    const answer = await limits(...args);
    expect([args, answer.exitCode]).toEqual([args, exitCode]);
    expect(answer.stderr).toContain(words);
  }
  expect(await audit()).toEqual(before);
});

test('narrowing is ordinary; raising is refused without authority, and marked with privilege', async () => {
  const id = 'acme-search/tokens/day';
  await bed.json(['limits', ...override('200')]);
  expect(await ceilings('acme-search')).toEqual([`acme-search 200 override:${id}`, 'acme 1000 plan:pro']);
  expect((await limits(...override('2000'))).stderr).toContain(
    `override ${id}.value: 2000 is above the ceiling of acme (plan:pro) and would have no effect`,
  );
  expect((await limits(...override('2000', '--raise'))).stderr).toContain(
    `override ${id}: raising a ceiling is a privileged act`,
  );
  await bed.json(['limits', ...override('2000', '--raise', '--privileged')]);
  expect(await ceilings('acme-search')).toEqual([
    `acme-search 2000 override:${id}`,
    `acme 1000 plan:pro lifted by override:${id}`,
  ]);
  expect(await audit('--privileged')).toMatchObject([
    {
      kind: 'override',
      id,
      by: 'ben',
      why: 'launch week',
      differences: ['value: 200 → 2000', 'raises: (none) → {"by":"privileged"}'],
    },
  ]);
  const printed = await bed.run('registry', 'audit', '--privileged');
  expect(printed.stdout).toContain('PRIVILEGED');
  // The same id for another place is another limit's.
  expect((await limits(...override('1', '--period', 'hour', '--id', id))).stderr).toContain(
    `override ${id} is for acme-search, tokens a day`,
  );
});

test('ending needs no privilege, is shown as ended, and cannot be done twice', async () => {
  const end = ['end-override', 'acme-search/tokens/day', '--why', 'week is over', '--by', 'cleo'];
  const from = Date.now();
  await bed.json(['limits', ...end]);
  expect(await ceilings('acme-search')).toEqual(['acme 1000 plan:pro']);
  const { overrides } = await show('--tenant', 'acme-search');
  expect(overrides).toMatchObject([{ standing: 'ended', decides: false, author: 'ben' }]);
  const [ended] = await audit('--kind', 'override');
  expect(ended).toMatchObject({ by: 'cleo', why: 'week is over', change: 'changed', privileged: false });
  const [expiry = ''] = ended?.differences ?? [];
  expect(expiry).toMatch(/^expiry: \(none\) → /);
  expect(Date.parse(expiry.slice(expiry.indexOf('→') + 2))).toBeGreaterThanOrEqual(from);
  expect((await limits(...end)).stderr).toContain('already');
});

test('what is not in force yet, and what does not decide, is shown as such; so are delegations', async () => {
  await bed.json([
    'apply',
    '--privileged',
    '-f',
    await bed.file(
      'delegation.yaml',
      `delegations: [{ id: search-raise, tenant: acme, to: acme-search, metric: tokens, period: day, upTo: '3000', reason: agreed, author: ann }]`,
    ),
  ]);
  await bed.json(['limits', ...override('3000', '--id', 'raised', '--delegation', 'search-raise')]);
  await bed.json(['limits', ...override('50', '--id', 'later', '--start', '2999-01-01')]);
  await bed.json(['limits', ...override('300', '--id', 'narrow')]);
  await bed.json(['limits', ...override('400', '--id', 'wide')]);
  const shown = await show('--tenant', 'acme-search', '--metric', 'tokens');
  expect(shown.overrides.map(({ id, standing, decides }) => [id, standing, decides])).toEqual([
    ['acme-search/tokens/day', 'ended', false],
    ['later', 'not yet', false],
    ['narrow', 'in force', true],
    ['raised', 'in force', false],
    ['wide', 'in force', false],
  ]);
  expect(shown.delegations).toMatchObject([{ id: 'search-raise', standing: 'in force' }]);
  expect((await show('--tenant', 'acme')).delegations).toEqual([]);
  const { stdout } = await bed.run('limits', 'show', '--tenant', 'acme-search');
  for (const words of ['not yet', 'in force, does not decide', 'Rights to raise', 'launch week', '600'])
    expect(stdout).toContain(words);
});

test('what is still named is not removed; what is removed stays in the audit', async () => {
  const remove = (...args: string[]) =>
    bed.run('registry', 'remove', ...args, '--why', 'tidy', '--by', 'ann');
  expect((await remove('plan', 'pro')).stderr).toContain('plan pro is still named by tenant acme');
  expect((await remove('delegation', 'search-raise')).stderr).toContain('still named by override raised');
  expect((await remove('tenant', 'acme')).stderr).toContain('a tenant is never removed');
  expect((await remove('plan', 'gold')).stderr).toContain('there is no plan gold');
  expect((await remove('plan', 'basic', '--dry-run')).exitCode).toBe(0);
  expect((await remove('plan', 'basic')).stdout).toContain('removed');
  expect(await audit('--kind', 'plan', '--id', 'basic')).toMatchObject([
    {
      change: 'removed',
      why: 'tidy',
      differences: expect.arrayContaining(['name: Basic → (none)']) as unknown,
    },
    { change: 'created', why: 'opening' },
  ]);
  const { stdout } = await bed.run('registry', 'audit', '--kind', 'plan', '--id', 'basic');
  expect(stdout).toContain('removed plan basic');
  expect(stdout.match(/name: Basic\s/g)).toHaveLength(2);
  const versions = (await audit()).map(({ version }) => Number(version));
  expect(versions).toEqual(versions.toSorted((a, b) => b - a));
});

test('a limit in total is set and shown, and so is the calendar by which the others turn', async () => {
  const { stderr } = await limits(
    ...['override', '--tenant', 'acme-search', '--metric', 'tokens', '--period', 'total'],
    ...['--value', '500', '--reason', 'a trial', '--by', 'ben'],
  );
  expect(stderr).toBe('');
  const again = [
    'override',
    '--id',
    'acme-search/tokens/total',
    '--tenant',
    'acme-search',
    '--metric',
    'tokens',
  ];
  const other = await limits(...again, '--period', 'day', '--value', '5', '--reason', 'a trial');
  expect(other.stderr).toContain('is for acme-search, tokens in total');
  const tenants = 'tenants: [{ id: acme, billing: { timeZone: America/New_York, anchorDay: 31 } }]';
  await bed.json(['apply', '-f', await bed.file('calendar.yaml', tenants)]);
  const shown = (await bed.json(['limits', 'show', '--tenant', 'acme-search'])) as Shown & {
    calendar: { timeZone: string; anchorDay: number; month: { start: string; end: string } };
  };
  expect(shown.ceilings).toContainEqual(expect.objectContaining({ period: 'total', value: '500' }));
  expect(shown.calendar).toMatchObject({ timeZone: 'America/New_York', anchorDay: 31 });
  expect(shown.calendar.month.start).toMatch(/T0[45]:00:00.000Z$/);
  const text = (await bed.run('limits', 'show', '--tenant', 'acme-search')).stdout;
  expect(text).toContain('Days and months by America/New_York, months from day 31');
  const refused = await bed.run(
    ...['apply', '-f'],
    await bed.file('odd.yaml', 'tenants: [{ id: acme, billing: { timeZone: Asia/Kathmandu } }]'),
  );
  expect(refused.stderr).toContain('Asia/Kathmandu is +05:45 from UTC');
});
