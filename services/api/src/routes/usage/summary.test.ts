/**
 * Guarantees of the summary:
 * - usage, limit and what remains are exact, of the key's own tenant and all below it
 * - a projection is linear, exact and rounded up, and there is none where it would be a guess
 * - of a limit of a scope above it is told that it is there, and no amount, as decisions have it
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { HOUR_MS } from '@meterhouse/usage';
import { usageApi, type UsageApi } from './testing.ts';

const ends: (() => Promise<void>)[] = [];
let world: UsageApi;
const NOON = Date.UTC(2026, 5, 16, 12);
const PATH = '/api/tenants/me/usage/summary';

beforeAll(async () => {
  world = await usageApi((end) => ends.unshift(end));
  world.now = NOON;
});
afterAll(async () => {
  for (const end of ends) await end();
});

it('is not given while the limits are not known', async () => {
  const answer = await world.api.call('dev', PATH);
  expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1']);
  await world.learnPolicy();
});

it('says usage, limits, what remains and what it will come to', async () => {
  const at = (metric: string, value: string, ts: number, tenantId = 'acme-dev') => ({
    tenantId,
    metric,
    value,
    ts,
  });
  await world.bed.count(
    [
      at('tokens', '100', Date.UTC(2026, 5, 2)),
      at('tokens', '20.01', NOON - 2 * HOUR_MS),
      at('seats', '3', NOON - HOUR_MS),
      at('seats', '7', NOON - 2 * HOUR_MS),
      at('tokens', '500', NOON - HOUR_MS, 'acme-ops'),
    ],
    { processedThrough: new Date(NOON) },
  );
  const { asOf, metrics } = await world.get(PATH, 'dev');
  expect(asOf).toMatchObject({ completeThrough: '2026-06-16T12:00:00.000Z', haltedPartitions: [] });
  const period = (
    name: string,
    start: string,
    end: string,
    used: string,
    projected: string | null,
    unknown: string | null,
  ) => ({
    period: name,
    start: `2026-${start}:00:00.000Z`,
    end: `2026-${end}:00:00.000Z`,
    used,
    projected,
    projectedUnknown: unknown,
  });
  expect(metrics).toEqual([
    {
      metric: 'seats',
      unit: 'unit',
      aggregation: 'max',
      periods: [
        period('hour', '06-16T12', '06-16T13', '0', null, 'not_cumulative'),
        period('day', '06-16T00', '06-17T00', '7', null, 'not_cumulative'),
        period('month', '06-01T00', '07-01T00', '7', null, 'not_cumulative'),
      ],
      limits: [{ scope: 'acme-dev', period: 'day', limit: '5', mode: 'soft', used: '7', remaining: '0' }],
    },
    {
      metric: 'tokens',
      unit: 'unit',
      aggregation: 'sum',
      periods: [
        period('hour', '06-16T12', '06-16T13', '0', null, 'too_early'),
        // Half of the day, and 15.5 of 30 days: 232.27741…, rounded up to two decimals.
        period('day', '06-16T00', '06-17T00', '20.01', '40.02', null),
        period('month', '06-01T00', '07-01T00', '120.01', '232.28', null),
      ],
      limits: [
        { scope: null, period: 'day', limit: null, mode: 'hard', used: null, remaining: null },
        {
          scope: 'acme-dev',
          period: 'month',
          limit: '1000',
          mode: 'hard',
          used: '120.01',
          remaining: '879.99',
        },
      ],
    },
  ]);
});

it('adds up what is below, as its own scope', async () => {
  const { metrics } = await world.get(PATH, 'acme');
  const tokens = metrics.find(({ metric }) => metric === 'tokens');
  expect(tokens?.limits).toEqual([
    { scope: 'acme', period: 'day', limit: '400', mode: 'hard', used: '520.01', remaining: '0' },
  ]);
});

it('says what was used in total, ever, of what is limited in total', async () => {
  const total = { metric: 'calls', period: 'total', value: '3', mode: 'hard', warnAt: [] };
  const plan = { id: 'ever', name: 'Ever', limits: [total] };
  const tenant = { id: 'acme-ever', name: 'E', parent: 'acme', class: null, plan: 'ever', status: 'active' };
  const below = { ...tenant, id: 'acme-ever-below', parent: 'acme-ever', plan: null };
  await world.bed.register([
    { kind: 'plan', body: plan },
    { kind: 'tenant', body: tenant },
    { kind: 'tenant', body: below },
  ]);
  await world.learnPolicy();
  const call = (tenantId: string, id: string, ts: number) => ({ tenantId, id, metric: 'calls', ts });
  await world.bed.count([
    call('acme-ever', 'years-ago', Date.UTC(2019, 0, 1)),
    call('acme-ever-below', 'now', NOON - HOUR_MS),
  ]);
  const { metrics } = await world.get(PATH, 'ever');
  expect(metrics.find(({ metric }) => metric === 'calls')?.limits).toEqual([
    { scope: 'acme-ever', period: 'total', limit: '3', mode: 'hard', used: '2', remaining: '1' },
  ]);
});

it('comes metric by metric, page by page', async () => {
  const first = await world.get(`${PATH}?limit=1`, 'dev');
  const second = await world.get(`${PATH}?limit=1&cursor=${first.nextCursor ?? ''}`, 'dev');
  expect([first, second].map(({ metrics }) => metrics.map(({ metric }) => metric))).toEqual([
    ['seats'],
    ['tokens'],
  ]);
  expect(second.nextCursor).toBeNull();
});

it('is 304 until usage, limits, period or as-of change', async () => {
  let tag = '';
  const changed = async () => {
    const answer = await world.api.call('dev', PATH, { headers: { 'if-none-match': tag } });
    await answer.arrayBuffer();
    tag = answer.headers.get('etag') ?? '';
    return answer.status === 200;
  };
  expect([await changed(), await changed()]).toEqual([true, false]);
  await world.bed.count([{ tenantId: 'acme-dev', metric: 'calls', value: '1', ts: NOON }]);
  expect([await changed(), await changed()]).toEqual([true, false]);
  world.now += HOUR_MS;
  expect([await changed(), await changed()]).toEqual([true, false]);
  await world.bed.register([
    {
      kind: 'plan',
      body: {
        id: 'whole',
        name: 'Whole',
        limits: [{ metric: 'tokens', period: 'day', value: '300', mode: 'hard', warnAt: [] }],
      } as { id: string },
    },
  ]);
  expect([await changed(), await changed()]).toEqual([true, false]);
  await world.learnPolicy();
  expect([await changed(), await changed()]).toEqual([true, false]);
});

it('is for a key that has a tenant', async () => {
  expect((await world.api.call('operator', PATH)).status).toBe(400);
});
