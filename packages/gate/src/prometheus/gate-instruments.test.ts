/**
 * Guarantees of a gate's metrics:
 * - every admission and denial is counted once, by outcome and reason, tenant and route
 * - usage and limit of what was asked are shown as the last decision saw them
 * - how the counters of strict limits are kept in step is shown by what they answered; a gate without a
 *   limiter shows none
 * - strangers and too many tenants fall under `other`, visibly
 */
import { createRateLimiter, MemoryStore } from '@meterhouse/rate-limit';
import { Metrics } from '@meterhouse/runtime/metrics';
import { expect, test } from 'vitest';
import { gateBed, REGISTRY } from '../gate-bed.testing.ts';
import type { Question } from '../question.ts';
import { gateInstruments, observeDecisionPublisher, observeStrictQuotas } from './gate-instruments.ts';

const question: Question = {
  actor: { type: 'user', id: 'ann', roles: ['member'], scopes: [] },
  tenantId: 'acme',
  product: 'inference',
  resourceType: 'model',
  action: 'call',
  route: 'POST /v1/chat',
  usage: { metric: 'llm.input_tokens', unit: 'token', delta: 10 },
};

async function samples(metrics: Metrics): Promise<readonly string[]> {
  return (await metrics.text()).split('\n').filter((line) => /^(tenant|quota|meterhouse_label)_/.test(line));
}

test('each answer is counted once, with usage and limit as it saw them', async () => {
  const metrics = new Metrics();
  const observer = gateInstruments(metrics);
  const { gate } = gateBed(REGISTRY, { 'acme/llm.input_tokens': '85' }, { observer });
  expect((await gate.admit(question)).admitted).toBe(true);
  expect((await gate.admit(question)).admitted).toBe(false);
  gate.look(question);
  await expect(gate.admit({ ...question, product: '' })).rejects.toThrow('product');
  expect(await samples(metrics)).toEqual([
    'tenant_api_requests_total{tenant="acme",route="POST /v1/chat"} 2',
    'quota_decisions_total{outcome="allow",reason="ok"} 1',
    'quota_decisions_total{outcome="deny",reason="quota_exhausted"} 1',
    'tenant_quota_consumed{tenant="acme",metric="llm.input_tokens"} 95',
    'tenant_quota_limit{tenant="acme",metric="llm.input_tokens"} 100',
  ]);
});

test('who comes too fast is counted as such', async () => {
  const metrics = new Metrics();
  const rate = { id: 'chat', route: null, algorithm: 'token_bucket', limit: 1, periodMs: 60_000, burst: 1 };
  const [plan, ...plans] = REGISTRY.plan;
  const { gate } = gateBed(
    { ...REGISTRY, plan: [{ ...plan, rates: [{ ...rate, whenUnavailable: 'deny' }] }, ...plans] },
    {},
    { observer: gateInstruments(metrics), rates: createRateLimiter({ store: new MemoryStore() }) },
  );
  for (let request = 0; request < 3; request++) await gate.admit(question);
  expect(await samples(metrics)).toContain(
    'tenant_rate_limited_total{tenant="acme",route="POST /v1/chat"} 2',
  );
});

test('strangers and too many tenants fall under other, and how often is visible', async () => {
  const metrics = new Metrics();
  const observer = gateInstruments(metrics, { maxTenants: 1, maxQuotas: 1 });
  const { gate } = gateBed(REGISTRY, {}, { observer });
  for (const tenantId of ['stranger', 'acme', 'lumen', 'lumen']) await gate.admit({ ...question, tenantId });
  const said = await samples(metrics);
  expect(said).toEqual(
    expect.arrayContaining([
      'tenant_api_requests_total{tenant="other",route="POST /v1/chat"} 3',
      'tenant_api_requests_total{tenant="acme",route="POST /v1/chat"} 1',
      'meterhouse_label_overflow_total{label="tenant"} 2',
      'meterhouse_label_overflow_total{label="tenant and metric"} 2',
    ]),
  );
  expect(said.filter((line) => line.startsWith('tenant_quota_consumed'))).toHaveLength(1);
});

test('what a publisher of decisions says of itself is exported', async () => {
  const metrics = new Metrics();
  let published = 3;
  observeDecisionPublisher(metrics, {
    status: () => ({ waiting: 1, published, overflowed: 2, refused: 0, error: null }),
  });
  expect(await samples(metrics)).toContain('quota_decision_records_published_total 3');
  published = 4;
  expect(await samples(metrics)).toEqual([
    'quota_decision_records_waiting 1',
    'quota_decision_records_published_total 4',
    'quota_decision_records_overflowed_total 2',
    'quota_decision_records_refused_total 0',
  ]);
});

test('how the counters of strict limits are kept in step is exported, by what they answered', async () => {
  const metrics = new Metrics();
  const strict = {
    counters: 3,
    overflowed: 1,
    answers: { applied: 7, unavailable: 2 },
    error: 'Redis is away',
  };
  observeStrictQuotas(metrics, { status: () => ({ strict, refunds: { refunded: 4 } }) });
  expect(await samples(metrics)).toEqual([
    'quota_strict_counters 3',
    'quota_strict_counters_overflowed 1',
    'quota_strict_failing 1',
    'quota_strict_told_total{answer="applied"} 7',
    'quota_strict_told_total{answer="unavailable"} 2',
    'quota_strict_refunds_total{answer="refunded"} 4',
  ]);
  const without = new Metrics();
  observeStrictQuotas(without, { status: () => ({ strict: null, refunds: {} }) });
  expect(await samples(without)).toEqual([]);
});
