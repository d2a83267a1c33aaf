/**
 * Guarantees of the guards for Express and Fastify, over real HTTP:
 * - usage is recorded when the answer is out; not after a 5xx, nor when the client has gone; until then
 *   it is held
 * - a handler whose request loses its place among those that may run at once is told, and can stop
 */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import fastify from 'fastify';
import express from 'express';
import { pino } from 'pino';
import { afterAll, expect, test } from 'vitest';
import { createRateLimiter, MemoryStore } from '@meterhouse/rate-limit';
import { Releases } from '@meterhouse/runtime';
import { gateBed, REGISTRY } from '../gate-bed.testing.ts';
import type { Gate } from '../gate.ts';
import type { Question } from '@meterhouse/quota';
import { expressGuard } from './express.ts';
import { fastifyGuard } from './fastify.ts';
import { placeLost } from './guard.ts';

const logger = pino({ level: 'silent' });
const releases = new Releases();
afterAll(() => releases.releaseAll());

const question = (): Question => ({
  actor: { type: 'user', id: 'ann', roles: ['member'], scopes: [] },
  tenantId: 'acme',
  product: 'inference',
  resourceType: 'model',
  action: 'call',
  usage: { metric: 'llm.input_tokens', unit: 'token', delta: 60 },
});

/** A server that answers, fails, or never ends, behind each framework's guard. */
const FRAMEWORKS = {
  express: async (gate: Gate, record: () => void): Promise<string> => {
    const app = express();
    app.get('/:how', expressGuard(gate, { question, record }, logger), (request, response) => {
      if (request.params['how'] === 'hang') return;
      if (request.params['how'] === 'work') {
        placeLost(request)?.addEventListener('abort', () => response.status(503).send('stopped'));
        return;
      }
      response.status(request.params['how'] === 'fail' ? 500 : 200).send('answer');
    });
    const server = app.listen(0, '127.0.0.1');
    await once(server, 'listening');
    releases.add('a server', () => {
      server.closeAllConnections();
      server.close();
    });
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  },
  fastify: async (gate: Gate, record: () => void): Promise<string> => {
    const app = fastify({ forceCloseConnections: true });
    const preHandler = fastifyGuard(gate, { question, record }, logger);
    app.get<{ Params: { how: string } }>('/:how', { preHandler }, async (request, reply) => {
      if (request.params.how === 'hang') await new Promise(() => undefined);
      if (request.params.how === 'work') {
        const lost = placeLost(request);
        if (lost !== null) await once(lost, 'abort');
        return reply.code(503).send('stopped');
      }
      return reply.code(request.params.how === 'fail' ? 500 : 200).send('answer');
    });
    releases.add('a server', () => app.close());
    return app.listen({ port: 0, host: '127.0.0.1' });
  },
};

for (const [name, serve] of Object.entries(FRAMEWORKS))
  test(`${name}: usage counts once the answer is out, and only then`, async () => {
    const { gate } = gateBed(REGISTRY);
    let recorded = 0;
    const url = await serve(gate, () => (recorded += 1));
    const remaining = (): bigint | undefined => gate.look(question()).quota?.remaining;
    const untilFree = async (): Promise<void> => {
      while (remaining() !== 100_000_000_000n) await new Promise((resolve) => setImmediate(resolve));
    };

    expect((await fetch(`${url}/fail`)).status).toBe(500);
    await untilFree();
    const leaving = new AbortController();
    const hanging = fetch(`${url}/hang`, { signal: leaving.signal }).catch(() => 'gone');
    while (remaining() !== 40_000_000_000n) await new Promise((resolve) => setImmediate(resolve));
    leaving.abort();
    expect(await hanging).toBe('gone');
    await untilFree();
    expect(recorded).toBe(0);

    expect((await fetch(`${url}/answer`)).status).toBe(200);
    while (recorded === 0) await new Promise((resolve) => setImmediate(resolve));
    const denied = await fetch(`${url}/answer`);
    expect(denied.status).toBe(429);
    expect(await denied.json()).toMatchObject({ code: 'quota_exhausted' });
    expect(recorded).toBe(1);
  });

for (const [name, serve] of Object.entries(FRAMEWORKS))
  test(`${name}: a request that loses its place is told while it runs`, async () => {
    const [scale] = REGISTRY.plan;
    const of = { product: 'inference', resourceType: 'model', action: 'call' };
    const concurrency = [{ id: 'calls', ...of, limit: 1, leaseMs: 1_000 }];
    const limiter = createRateLimiter({ store: new MemoryStore() });
    releases.add('a limiter', () => limiter.close());
    // As when this process stood still for longer than a lease, and another took the place meanwhile.
    const rates = {
      charge: limiter.charge.bind(limiter),
      rebase: limiter.rebase.bind(limiter),
      refund: limiter.refund.bind(limiter),
      releaseLeases: limiter.releaseLeases.bind(limiter),
      renewLeases: () => Promise.resolve('lost' as const),
    };
    const { gate } = gateBed({ ...REGISTRY, plan: [{ ...scale, concurrency }] }, {}, { rates });
    const url = await serve(gate, () => undefined);
    const answer = await fetch(`${url}/work`);
    expect([answer.status, await answer.text()]).toEqual([503, 'stopped']);
  });
