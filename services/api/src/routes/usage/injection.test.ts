/**
 * Guarantee: whatever stands in any text of a request, it is taken as a value. Nothing fails inside, no
 * row of the canary is in an answer, and no table changes.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { usageApi, type UsageApi } from './testing.ts';

const ends: (() => Promise<void>)[] = [];
let world: UsageApi;
const HOUR = Date.UTC(2026, 5, 15, 10);
/** A value that stands nowhere else. */
const CANARY = '777177.77';

beforeAll(async () => {
  world = await usageApi((end) => ends.unshift(end));
  const event = (tenantId: string, value: string) => ({
    tenantId,
    metric: 'tokens',
    value,
    ts: HOUR,
    attrs: { region: 'eu' },
  });
  await world.bed.count([event('acme', '1'), event('canary', CANARY)]);
  await world.learnPolicy();
});
afterAll(async () => {
  for (const end of ends) await end();
});

const CORPUS = [
  `'`,
  `"`,
  `\\`,
  `';--`,
  `' OR '1'='1`,
  `' OR 1=1--`,
  `x' UNION SELECT tenant_id, metric, hour, attrs FROM meterhouse.usage_hourly--`,
  `'; UPDATE meterhouse.usage_hourly SET sum = 0; --`,
  `'; SET LOCAL meterhouse.tenant_scope = 'canary'; --`,
  `$1`,
  `$1::text) OR true--`,
  `{canary}`,
  `{"a":1}`,
  `acme','canary`,
  `acme%' --`,
  `canary`,
  `region' || (SELECT sum::text FROM meterhouse.usage_hourly LIMIT 1) || '`,
  `region:eu' OR 'a'='a`,
  `region:' OR tenant_id = 'canary`,
  `region:{eu,us}`,
  `\0`,
  `region:\0`,
  `a\0b`,
  `%00`,
  `\uD800`,
  `../../canary/usage`,
  `\r\nx-injected: 1`,
  `${'9'.repeat(400)}`,
  `-1`,
  `1e309`,
  `NaN`,
  `__proto__`,
  `constructor`,
  `2026-06-15'; --`,
  `0000-01-01`,
  `9999-12-31T23:00:00Z`,
  `+275760-09-13T00:00:00Z`,
  `Europe/Berlin'; --`,
  `UTC\0`,
  Buffer.from(
    `{"of":"' OR 1=1","from":0,"to":1,"tenantId":"canary","metric":"tokens","start":0,"attrs":""}`,
  ).toString('base64url'),
];
const PARAMETERS = {
  '/v1/usage': [
    'tenantId',
    'descendants',
    'together',
    'metric',
    'from',
    'to',
    'granularity',
    'timeZone',
    'groupBy',
    'filter',
    'limit',
    'cursor',
    'more',
  ],
  '/api/admin/tenants/acme/usage': ['from', 'to', 'granularity', 'limit', 'cursor', 'more'],
  '/api/tenants/me/usage/summary': ['limit', 'cursor', 'more'],
};
/** So that a text in one of them is reached with all else in order. */
const IN_ORDER: Readonly<Record<string, string>> = { from: '2026-06-15', to: '2026-06-16', metric: 'tokens' };

const contents = async (): Promise<unknown> => {
  const { rows } = await world.bed.owner.query(
    `SELECT tenant_id, metric, attrs, sum::text, revision, tableoid::text FROM meterhouse.usage_hourly ORDER BY tenant_id`,
  );
  return rows;
};

it('takes every text of a request as a value, and shows no canary', async () => {
  const before = await contents();
  const statuses = new Map<number, number>();
  const ask = async (path: string): Promise<void> => {
    const answer = await world.api.call('acme', path);
    const text = await answer.text();
    expect([path, answer.status >= 500 ? text : '', text.includes(CANARY)]).toEqual([path, '', false]);
    expect(answer.headers.get('x-injected')).toBeNull();
    statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
  };
  for (const [path, names] of Object.entries(PARAMETERS))
    for (const name of names)
      for (const text of CORPUS) {
        const query = new URLSearchParams(path === '/v1/usage' ? IN_ORDER : {});
        query.set(name, name === 'filter' ? `region:${text.toWellFormed()}` : text.toWellFormed());
        await ask(`${path}?${query.toString()}`);
      }
  for (const text of CORPUS) await ask(`/api/admin/tenants/${encodeURIComponent(text.toWellFormed())}/usage`);
  expect(await contents()).toEqual(before);
  // Both kinds came: those that are refused, and those that are looked for and not found.
  expect(statuses.get(200)).toBeGreaterThan(30);
  expect(statuses.get(400)).toBeGreaterThan(200);
});

it('would show the canary if its tenant could be reached', async () => {
  const answer = await world.api.call('operator', '/v1/usage?tenantId=canary&from=2026-06-15&to=2026-06-16');
  expect(await answer.text()).toContain(CANARY);
});
