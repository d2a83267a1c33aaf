/**
 * Guarantees, on a real Postgres:
 * - a file's limits are tried on recorded hours: who, when first, how often, by how much; by class and mode
 * - a total goes on from what was used before; days and months are those of the tree's calendar
 * - a period that began before --since counts whole; attributes and siblings add up; amounts are exact
 * - usage is read in pages of any size, each row once, in order
 * - nothing is written; a file that could not be applied is refused in the planner's words
 */
import { expect, test } from 'vitest';
import { hourlyUsage, inTransaction } from '@meterhouse/postgres';
import type { HourUsage } from '@meterhouse/quota';
import { DAY_MS, formatDecimal, HOUR_MS, hourOf, periodStart } from '@meterhouse/usage';
import { commandBed } from '../testing.ts';

const bed = await commandBed();

await bed.json([
  'apply',
  '-f',
  await bed.file(
    'registry.yaml',
    `
tenants:
  - { id: acme }
  - { id: acme-search, parent: acme }
  - { id: acme-lab, parent: acme }
  - { id: own, class: internal }
  - { id: friend, class: arms_length }
metrics:
  - { name: tokens, unit: token, aggregation: sum, scale: 9, family: token_request, groupBy: [model] }
  - { name: disk, unit: byte, aggregation: latest, scale: 0, family: storage }
`,
  ),
]);

const PLAN = `
plans:
  - id: trial
    name: Trial
    limits:
      - { metric: tokens, period: month, value: '100', warnAt: [90] }
      - { metric: disk, period: hour, value: '7', mode: soft }
tenants:
  - { id: acme, plan: trial }
  - { id: own, plan: trial, class: internal }
  - { id: friend, plan: trial, class: arms_length }
`;

/** Two days back, in one month: the month began before. */
const now = Date.now();
const day = periodStart('day', now) - 2 * DAY_MS;
const month = periodStart('month', day);
const hour = (n: number): number => day + n * HOUR_MS;

async function record(tenant: string, metric: string, at: number, value: string, attrs = {}): Promise<void> {
  await bed.pool.query(
    `INSERT INTO meterhouse.usage_hourly VALUES ($1, $2, $3, $4, $5, 1, $5, $5, $5, $3, 'x', 1)`,
    [tenant, metric, new Date(at), attrs, value],
  );
}

interface Backtested {
  laidOver: number;
  verdicts: {
    tenantId: string;
    metric: string;
    effects: { effect: string; hours: number; firstHour: string }[];
    ceilings: { scope: string; effect: string; reason: string; worst: { used: string; over: string } }[];
  }[];
}

const backtest = async (yaml: string, ...args: string[]): Promise<Backtested> =>
  (await bed.json(['backtest', '-f', await bed.file('plan.yaml', yaml), ...args])) as Backtested;
const words = ({ verdicts }: Backtested): string[] =>
  verdicts.flatMap(({ tenantId, metric, effects }) =>
    effects.map(
      ({ effect, hours, firstHour }) =>
        `${tenantId} ${metric} ${effect} ${hours} from ${(Date.parse(firstHour) - day) / HOUR_MS}`,
    ),
  );
/** From an hour of that day, so that the month began before. */
const since = (n: number): string => `${Math.ceil((hourOf(now) - hour(n)) / HOUR_MS)}h`;

// Hours of even numbers only: a run that goes on into the next hour begins in an empty one.
await record('acme-lab', 'tokens', month, '60');
await record('acme-search', 'tokens', hour(2), '30', { model: 'a' });
await record('acme-search', 'tokens', hour(4), '10', { model: 'a' });
await record('acme-search', 'tokens', hour(4), '0.000000001', { model: 'b' });
await record('acme-search', 'tokens', hour(6), '1');
await record('own', 'tokens', hour(8), '500');
await record('friend', 'tokens', hour(10), '500');
await record('acme-search', 'disk', hour(2), '8');
await record('acme-search', 'disk', hour(4), '7');

test('who, when first, how often, by how much', async () => {
  const answer = await backtest(PLAN, '--since', since(1));
  expect(words(answer)).toEqual([
    'acme-search disk warned 1 from 2',
    'acme-search tokens denied 2 from 4',
    'acme-search tokens warned 1 from 2',
    'friend tokens warned 1 from 10',
    'own tokens recorded 1 from 8',
  ]);
  const found = answer.verdicts.find(
    ({ metric, tenantId }) => metric === 'tokens' && tenantId === 'acme-search',
  );
  expect(found?.ceilings).toMatchObject([
    { scope: 'acme', reason: 'quota_warning', worst: { used: '90', over: '-10' } },
    { scope: 'acme', reason: 'quota_exhausted', worst: { used: '101.000000001', over: '1.000000001' } },
  ]);
  expect(answer.laidOver).toBe(4);
});

test('only one tenant is judged, everybody’s usage counts', async () => {
  expect(words(await backtest(PLAN, '--since', since(1), '--tenant', 'acme-lab'))).toEqual([]);
  expect(words(await backtest(PLAN, '--since', since(3), '--tenant', 'acme-search'))).toEqual([
    'acme-search tokens denied 2 from 4',
  ]);
  expect(words(await backtest(PLAN, '--since', since(3), '--tenant', 'acme'))).toEqual([
    'acme-search tokens denied 2 from 4',
  ]);
});

test('nothing is written, and the text says what an hour means', async () => {
  const versions = await bed.pool.query('SELECT version FROM meterhouse.registry_version');
  expect(versions.rows).toEqual([{ version: '2' }]);
  expect(words(await backtest(''))).toEqual([]);
  const file = await bed.file('plan.yaml', PLAN);
  const { stdout } = await bed.run('backtest', '-f', file, '--since', since(1));
  for (const part of [
    'nothing was written',
    'Per hour',
    'recorded, not blocked',
    '101.000000001',
    '(plan:trial)',
  ])
    expect(stdout).toContain(part);
  const short = await bed.run('backtest', '-f', file, '--since', since(1), '--limit', '1');
  expect(short.stdout).toContain('more lines: --limit');
});

test('a total goes on from what was used before, and a month is the tree’s own', async () => {
  const plan = (period: string): string =>
    `plans: [{ id: trial, name: Trial, limits: [{ metric: tokens, period: ${period}, value: '100' }] }]`;
  const trial = (billing: string): string => `tenants: [{ id: acme, plan: trial${billing} }]`;
  const acmeDenied = async (yaml: string): Promise<string[]> =>
    words(await backtest(yaml, '--since', since(1), '--tenant', 'acme')).filter((line) =>
      line.includes('tokens'),
    );
  // Of this month and of the year before: together the limit is passed by the first hour that is judged.
  await record('acme-lab', 'tokens', month - 300 * DAY_MS, '55');
  expect(await acmeDenied(`${plan('total')}\n${trial('')}`)).toEqual(['acme-search tokens denied 3 from 2']);
  expect(await acmeDenied(`${plan('month')}\n${trial('')}`)).toEqual(['acme-search tokens denied 2 from 4']);
  // A month that begins on that very day has nothing of what came before it; on a first it is the same month.
  const anchored = `, billing: { anchorDay: ${new Date(day).getUTCDate()} }`;
  expect(await acmeDenied(`${plan('month')}\n${trial(anchored)}`)).toEqual(
    day === month ? ['acme-search tokens denied 2 from 4'] : [],
  );
});

test('pages of any size hold the same rows, each once, in the order in which a backtest takes them', async () => {
  const filter = { metrics: ['disk', 'tokens'], tenantIds: null, from: month, to: now };
  const read = (pageRows: number) =>
    inTransaction(bed.pool, async (client) => {
      const rows: HourUsage[] = [];
      for await (const page of hourlyUsage(client, filter, pageRows)) {
        expect(page.length).toBeLessThanOrEqual(pageRows);
        rows.push(...page);
      }
      return rows;
    });
  const rows = await read(1_000);
  expect(rows.map(({ metric, tenantId, sum }) => `${metric} ${tenantId} ${formatDecimal(sum)}`)).toEqual([
    'disk acme-search 8',
    'disk acme-search 7',
    'tokens acme-lab 60',
    'tokens acme-search 30',
    'tokens acme-search 10.000000001',
    'tokens acme-search 1',
    'tokens own 500',
    'tokens friend 500',
  ]);
  for (const pageRows of [1, 3, 8]) expect(await read(pageRows)).toEqual(rows);
});

test('what cannot be meant is refused', async () => {
  const file = await bed.file('plan.yaml', PLAN);
  for (const [args, exitCode, part] of [
    [['-f', file, '--since', '400d'], 2, '--since: at most 366d'],
    [['-f', file, '--since', 'long'], 2, '--since'],
    [['-f', file, '--tenant', 'nobody'], 1, 'there is no tenant nobody'],
    [[], 2, '--file'],
    [
      ['-f', await bed.file('bad.yaml', 'tenants: [{ id: acme, plan: gold }]')],
      1,
      'tenants[0].plan: there is no plan gold',
    ],
    [
      [
        '-f',
        await bed.file(
          'unit.yaml',
          'metrics: [{ name: tokens, unit: byte, aggregation: sum, scale: 9, family: compute }]',
        ),
      ],
      1,
      'unit: token → byte is refused',
    ],
  ] as const) {
    const answer = await bed.run('backtest', ...args);
    expect([args, answer.exitCode]).toEqual([args, exitCode]);
    expect(answer.stderr).toContain(part);
  }
});
