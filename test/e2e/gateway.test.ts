/**
 * Guarantees of the example gateway, over real HTTP: each denial has its status, its code, and Retry-After
 * where waiting helps; nothing in it names scopes, rules or amounts of others; the rate's state stands in
 * RateLimit and RateLimit-Policy.
 */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import { afterAll, expect, test } from 'vitest';
import type { CapacityPort, Gate } from '@meterhouse/gate';
import type { Question } from '@meterhouse/quota';
import { createRateLimiter, MemoryStore } from '@meterhouse/rate-limit';
import { Releases } from '@meterhouse/runtime';
import { createGateway } from '../../examples/gateway/gateway.ts';
import { gateBed, REGISTRY } from '../../packages/gate/src/gate-bed.testing.ts';

const logger = pino({ level: 'silent' });
const releases = new Releases();
afterAll(() => releases.releaseAll());

const FULL: CapacityPort = {
  reserve: () => Promise.resolve({ fact: { outcome: 'no_capacity', retryAfterMs: 41_200 }, reserved: null }),
  release: () => Promise.resolve(),
};

async function gateway(gate: Gate, recorded: Question[] = []): Promise<string> {
  const app = createGateway(gate, (question) => recorded.push(question), logger);
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  releases.add('a gateway', () => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const member = { 'x-role': 'member', 'x-user': 'ann' };
const post = (url: string, headers: Record<string, string>): Promise<Response> =>
  fetch(url, { method: 'POST', headers });

test('the five denials, each with its status and code', async () => {
  const bed = gateBed(REGISTRY, { 'acme/llm.input_tokens': '100' }, { capacity: FULL });
  const url = await gateway(bed.gate);
  const ask = async (path: string, headers: Record<string, string>) => {
    const response = await post(`${url}${path}`, headers);
    const { code, detail } = (await response.json()) as { code: string; detail: string };
    const { status } = response;
    expect(response.headers.get('content-type')).toContain('application/problem+json');
    expect(detail).not.toMatch(/acme|lumen|scale|members|100/);
    return { status, code, retryAfter: response.headers.get('retry-after') };
  };
  const acme = { ...member, 'x-tenant': 'acme' };
  expect(await ask('/v1/chat', { 'x-tenant': 'acme' })).toEqual({
    status: 403,
    code: 'policy_denied',
    retryAfter: null,
  });
  expect(await ask('/v1/jobs', { ...member, 'x-tenant': 'lumen' })).toMatchObject({
    status: 403,
    code: 'missing_entitlement',
  });
  // The month ends in 17 days, 13 hours and 20 minutes.
  expect(await ask('/v1/chat', acme)).toEqual({
    status: 429,
    code: 'quota_exhausted',
    retryAfter: '1516800',
  });
  expect(await ask('/v1/jobs', acme)).toEqual({ status: 503, code: 'no_capacity', retryAfter: '42' });
  bed.wait(6_000);
  expect(await ask('/v1/jobs', acme)).toEqual({ status: 503, code: 'stale_snapshot', retryAfter: '1' });
});

test('the rate and the quota stand in the RateLimit fields', async () => {
  const rate = { id: 'chat-rpm', limit: 60, periodMs: 60_000, burst: 2 };
  const plan = REGISTRY.plan.map((each) => ({ ...each, rates: [rate] }));
  const limiter = createRateLimiter({ store: new MemoryStore() });
  releases.add('a limiter', () => limiter.close());
  const { gate } = gateBed({ ...REGISTRY, plan }, {}, { rates: limiter });
  const url = await gateway(gate);
  const acme = { ...member, 'x-tenant': 'acme' };
  const first = await post(`${url}/v1/chat`, acme);
  expect(first.status).toBe(200);
  expect(first.headers.get('ratelimit-policy')).toBe('"chat-rpm";q=60;w=60');
  expect(first.headers.get('ratelimit')).toMatch(/^"chat-rpm";r=1;t=\d+$/);
  await post(`${url}/v1/chat`, acme);
  const third = await post(`${url}/v1/chat`, acme);
  expect(third.status).toBe(429);
  expect(Number(third.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(await third.json()).toMatchObject({ code: 'rate_limited', status: 429 });
});

test('a question that cannot be asked is a bad request', async () => {
  const { gate } = gateBed(REGISTRY, {}, { capacity: FULL });
  const response = await post(`${await gateway(gate)}/v1/jobs?gpus=1.5`, { ...member, 'x-tenant': 'acme' });
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ detail: expect.stringContaining('slots') as string });
});
