import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Health } from '@meterhouse/runtime/service';
import { fastify } from 'fastify';
import { z } from 'zod';
import type { Principal } from '../access/roles.ts';
import { known, startTestApi, treeOf, type TestApi } from '../testing.ts';
import { parseJson } from './json-limits.ts';
import { ApiProblem, problemSchema } from './problem.ts';
import { addRoute, checkAccess } from './route.ts';

const PLATFORM: Principal = { type: 'api_key', id: 'p', role: 'operator', tenantId: null };

describe('the server', () => {
  let api: TestApi;
  beforeAll(async () => {
    const health = new Health();
    health.part('Postgres', () => null);
    health.part('Kafka', () => 'no broker answers');
    api = await startTestApi({ authenticate: known({ operator: PLATFORM }), tree: treeOf({}), health });
  });
  afterAll(() => api.close());

  it('says which part is not ready', async () => {
    const answer = await api.call(null, '/readyz');
    expect(answer.status).toBe(503);
    expect(await answer.json()).toEqual({
      ready: false,
      parts: [
        { part: 'Postgres', ready: true, required: true, reason: null },
        { part: 'Kafka', ready: false, required: true, reason: 'no broker answers' },
      ],
    });
  });

  it('answers errors as problems with a code and the caller’s correlation id', async () => {
    const answer = await api.call(null, '/nowhere', { headers: { 'x-correlation-id': 'abc-1' } });
    expect(answer.status).toBe(404);
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    expect(answer.headers.get('x-correlation-id')).toBe('abc-1');
    expect(problemSchema.parse(await answer.json())).toMatchObject({
      code: 'not_found',
      correlationId: 'abc-1',
    });
  });

  it('takes no correlation id that could end a header or a log line', async () => {
    const answer = await api.call(null, '/healthz', { headers: { 'x-correlation-id': 'a b"' } });
    expect(answer.headers.get('x-correlation-id')).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('forbids everything to a browser that opens an answer as a page', async () => {
    const { headers } = await api.call(null, '/healthz');
    expect(headers.get('content-security-policy')).toBe("default-src 'none';frame-ancestors 'none'");
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('cache-control')).toBe('no-store');
  });

  it('documents itself as OpenAPI 3.1, and shows it', async () => {
    const document = z
      .object({ openapi: z.literal('3.1.0'), paths: z.record(z.string(), z.unknown()) })
      .parse(await (await api.call(null, '/openapi.json')).json());
    expect(Object.keys(document.paths)).toContain('/readyz');
    expect((await api.call(null, '/docs/')).status).toBe(200);
  });
});

describe('a route', () => {
  it('that does not say who may use it cannot be registered', async () => {
    const app = fastify();
    checkAccess(app, { authenticate: known({}), tree: treeOf({}) });
    expect(() => app.get('/open', () => 'secret')).toThrow('GET /open does not say who may use it');
    await app.close();
  });

  it('is not reached without a principal, with another role, or for a tenant elsewhere', async () => {
    const app = fastify();
    const reader: Principal = { type: 'api_key', id: 'r', role: 'tenant_reader', tenantId: 'acme' };
    const ingest: Principal = { ...reader, id: 'i', role: 'ingest' };
    checkAccess(app, {
      authenticate: known({ reader, ingest, operator: PLATFORM }),
      tree: treeOf({ acme: ['acme'], 'acme-dev': ['acme-dev', 'acme'], other: ['other'] }),
    });
    const reached: string[] = [];
    app.setErrorHandler((error, _request, reply) =>
      reply
        .code(error instanceof ApiProblem ? error.status : 500)
        .send({ code: error instanceof ApiProblem ? error.code : String(error) }),
    );
    app.setValidatorCompiler(() => () => true);
    app.setSerializerCompiler(() => JSON.stringify);
    addRoute(app, {
      method: 'GET',
      url: '/t/:id',
      operationId: 'read',
      tag: 'usage',
      summary: 'Reads',
      access: {
        kind: 'tenant',
        roles: ['tenant_reader', 'operator'],
        tenant: ({ params }) => z.object({ id: z.string() }).parse(params).id,
      },
      answer: { status: 200, schema: z.object({ ok: z.literal(true) }) },
      handle: (_input, caller) => {
        reached.push(`${caller.principal.id} ${caller.tenantId}`);
        return Promise.resolve({ ok: true as const });
      },
    });
    const ask = async (id: string, bearer: string): Promise<unknown> =>
      (await app.inject({ url: `/t/${id}`, headers: { authorization: `Bearer ${bearer}` } })).json();
    expect(await ask('acme', 'nobody')).toEqual({ code: 'unauthenticated' });
    expect(await ask('acme', 'ingest')).toEqual({ code: 'forbidden' });
    expect(await ask('other', 'reader')).toEqual({ code: 'unknown_tenant' });
    expect(await ask('missing', 'reader')).toEqual({ code: 'unknown_tenant' });
    expect(await ask('missing', 'operator')).toEqual({ code: 'unknown_tenant' });
    expect(reached).toEqual([]);
    expect(await ask('acme-dev', 'reader')).toEqual({ ok: true });
    expect(await ask('other', 'operator')).toEqual({ ok: true });
    expect(reached).toEqual(['r acme-dev', 'p other']);
    await app.close();
  });
});

describe('JSON from outside', () => {
  const code = (text: string): string => {
    try {
      parseJson(text, { maxDepth: 3, maxValues: 5 });
      return 'ok';
    } catch (error) {
      return error instanceof ApiProblem ? error.code : String(error);
    }
  };

  it('is bounded in depth and in values before it is parsed', () => {
    expect(code('[[[1]]]')).toBe('ok');
    expect(code('['.repeat(1_000_000))).toBe('too_large');
    expect(code('[1,2,3,4,5,6]')).toBe('too_large');
  });

  it('counts no brackets or commas inside of strings', () => {
    expect(code(String.raw`"[[[[,,,,,,,,\"[[[["`)).toBe('ok');
  });

  it('may not name a prototype', () => {
    expect(code('{"__proto__":{}}')).toBe('invalid_json');
    expect(code('{"a":1')).toBe('invalid_json');
  });
});
