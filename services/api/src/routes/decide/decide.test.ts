/**
 * - a question is answered as a gate answers it; a denial is a 200 and is kept
 * - nobody asks about a tenant outside of their scope, alone or in a batch
 * - of a ceiling above the caller's scope no amount is told; the platform sees all, and the walk
 * - asking takes nothing: the same question again gets the same answer
 * - what cannot be asked is refused with its field
 */
import { createGate } from '@meterhouse/gate';
import { PolicySet, SnapshotTable, type DocumentKind } from '@meterhouse/quota';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { z } from 'zod';
import type { Principal } from '../../access/roles.ts';
import { problemSchema } from '../../http/problem.ts';
import { known, startTestApi, treeOf, type TestApi } from '../../testing.ts';
import { decisionAnswer, decisionsAnswer } from './schemas.ts';

const NOW = Date.UTC(2026, 4, 14, 10, 40);
const MAY = { periodStart: Date.UTC(2026, 4, 1), periodEnd: Date.UTC(2026, 5, 1) };
const TENANT = { name: 'T', class: null, status: 'active' };
const REGISTRY: Partial<Record<DocumentKind, readonly (Record<string, unknown> & { id: string })[]>> = {
  metric: [
    { id: 'tokens', name: 'tokens', unit: 'token', aggregation: 'sum', scale: 0, family: 'token_request' },
  ],
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
      id: 'small',
      name: 'Small',
      limits: [{ metric: 'tokens', period: 'month', value: '100' }],
      entitlements: [{ product: 'ai', resourceType: '*', action: '*' }],
    },
  ],
  tenant: [
    { ...TENANT, id: 'acme', parent: null, plan: 'small' },
    { ...TENANT, id: 'acme-dev', parent: 'acme', plan: null },
    { ...TENANT, id: 'lumen', parent: null, plan: 'small' },
  ],
  access_rule: [{ id: 'members', effect: 'allow', actors: { roles: ['member'] } }],
};
const QUESTION = {
  actor: { type: 'user', id: 'ann', roles: ['member'] },
  tenantId: 'acme-dev',
  product: 'ai',
  resourceType: 'model',
  action: 'call',
  usage: { metric: 'tokens', unit: 'token', delta: '5' },
  correlationId: 'c-1',
};
const key = (id: string, role: Principal['role'], tenantId: string | null): Principal => ({
  type: 'api_key',
  id,
  role,
  tenantId,
});

let api: TestApi;
let kept: string[] = [];

beforeAll(async () => {
  const policy = new PolicySet();
  for (const [kind, documents] of Object.entries(REGISTRY))
    for (const { id, ...rest } of documents)
      policy.stage({ kind, id, version: 1n, body: kind === 'metric' ? rest : { id, ...rest } });
  policy.complete(1n);
  const usage = new SnapshotTable();
  const stamp = { epoch: 1, asOf: NOW, publishedAt: NOW };
  const month = { metric: 'tokens', period: 'month', ...MAY } as const;
  usage.apply({ kind: 'usage', ...stamp, sequence: 1, tenantId: 'acme', ...month, used: '97' }, 0);
  usage.apply({ kind: 'heartbeat', ...stamp, sequence: 2 }, 0);
  api = await startTestApi({
    authenticate: known({
      service: key('s', 'ingest', 'acme'),
      below: key('d', 'ingest', 'acme-dev'),
      finance: key('f', 'finance', 'acme'),
      operator: key('o', 'operator', null),
    }),
    tree: treeOf({ acme: ['acme'], 'acme-dev': ['acme-dev', 'acme'], lumen: ['lumen'] }),
    gate: createGate({
      snapshots: { usage, policy },
      clock: () => ({ wallMs: NOW, monotonicMs: 0 }),
    }),
    keepDecision: ({ correlationId }) => kept.push(correlationId),
  });
});
afterAll(() => api.close());
beforeEach(() => {
  kept = [];
});

const post = (bearer: string, path: string, body: unknown): Promise<Response> =>
  api.call(bearer, path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
async function decided(bearer: string, change: object = {}, path = '/v1/decide') {
  const response = await post(bearer, path, { ...QUESTION, ...change });
  expect(response.status).toBe(200);
  return decisionAnswer.parse(await response.json());
}
async function refused(response: Response): Promise<[number, string, unknown]> {
  const { code, errors } = problemSchema.parse(await response.json());
  return [response.status, code, errors?.map(({ field }) => field)];
}

it('a denial is a decision: it answers 200 with reason, ceiling and as-of, and is kept', async () => {
  expect(await decided('service')).toMatchObject({
    outcome: 'deny',
    reason: 'quota_exhausted',
    tenantId: 'acme-dev',
    ceiling: { scope: 'acme', metric: 'tokens', period: 'month', value: '100', used: '97', remaining: '3' },
    asOf: new Date(NOW).toISOString(),
    ageMs: 0,
    registryVersion: '1',
    correlationId: 'c-1',
  });
  expect(kept).toEqual(['c-1']);
});

it('asking takes nothing: what is allowed once is allowed as often as it is asked', async () => {
  const usage = { ...QUESTION.usage, delta: '2' };
  for (let asked = 0; asked < 5; asked++)
    expect(await decided('service', { usage })).toMatchObject({
      outcome: 'allow',
      reason: 'ok',
      ceiling: { remaining: '3' },
    });
  expect(kept).toEqual([]);
});

it('of a ceiling above the caller’s scope no amount is told', async () => {
  const answer = await decided('below');
  expect(answer).toMatchObject({ reason: 'quota_exhausted' });
  expect(answer.ceiling).toEqual({
    ...{ scope: null, metric: 'tokens', period: 'month', mode: 'hard' },
    ...{ value: null, used: null, remaining: null, source: null },
  });
});

it('the walk is for the platform: a tenant’s key gets none', async () => {
  const { steps } = await decided('operator', {}, '/v1/decide?explain=true');
  expect(steps?.find(({ answer }) => answer === 'no')?.question).toBe('Is quota left for 5?');
  expect(await refused(await post('service', '/v1/decide?explain=true', QUESTION))).toEqual([
    403,
    'forbidden',
    undefined,
  ]);
});

it('nobody asks about a tenant outside of their scope, and finance not at all', async () => {
  const about = (tenantId: string) => ({ ...QUESTION, tenantId });
  expect(await refused(await post('service', '/v1/decide', about('lumen')))).toEqual([
    404,
    'unknown_tenant',
    undefined,
  ]);
  expect(await refused(await post('below', '/v1/decide', about('acme')))).toEqual([
    404,
    'unknown_tenant',
    undefined,
  ]);
  const batch = { questions: [about('acme'), about('lumen'), about('nobody')] };
  expect(await refused(await post('service', '/v1/decide/batch', batch))).toEqual([
    404,
    'unknown_tenant',
    ['body.questions.1.tenantId', 'body.questions.2.tenantId'],
  ]);
  expect(await refused(await post('finance', '/v1/decide', QUESTION))).toEqual([403, 'forbidden', undefined]);
  expect(kept).toEqual([]);
});

it('a batch is answered in order, each question by itself, and is bounded', async () => {
  const small = { ...QUESTION, usage: { ...QUESTION.usage, delta: '3' }, correlationId: 'c-small' };
  const response = await post('service', '/v1/decide/batch', { questions: [small, QUESTION, small] });
  const { decisions } = decisionsAnswer.parse(await response.json());
  expect(decisions.map(({ outcome, correlationId }) => [outcome, correlationId])).toEqual([
    ['allow', 'c-small'],
    ['deny', 'c-1'],
    ['allow', 'c-small'],
  ]);
  const many = { questions: Array.from({ length: 101 }, () => small) };
  expect(await refused(await post('service', '/v1/decide/batch', many))).toEqual([
    400,
    'invalid_request',
    ['body.questions'],
  ]);
});

it('what cannot be asked is refused with its field', async () => {
  const usage = { ...QUESTION.usage, delta: '-1' };
  expect(await refused(await post('service', '/v1/decide', { ...QUESTION, usage }))).toEqual([
    400,
    'invalid_request',
    ['body.usage.delta'],
  ]);
  expect(await refused(await post('service', '/v1/decide', { ...QUESTION, slots: 1.5 }))).toEqual([
    400,
    'invalid_request',
    ['body.slots'],
  ]);
});

it('both routes are documented with their question and answer', async () => {
  const document = z
    .object({
      paths: z.record(z.string(), z.unknown()),
      components: z.object({ schemas: z.looseObject({}) }),
    })
    .parse(await (await api.call(null, '/openapi.json')).json());
  expect(Object.keys(document.paths)).toEqual(expect.arrayContaining(['/v1/decide', '/v1/decide/batch']));
  expect(Object.keys(document.components.schemas)).toEqual(
    expect.arrayContaining(['Decision', 'DecisionCeiling', 'DecisionStep']),
  );
});
