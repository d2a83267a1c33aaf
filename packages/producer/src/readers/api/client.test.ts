/**
 * Guarantees of asking the API, over a server that answers on command (the real one is asked by the test of
 * the example):
 *  - What it refuses is `refused`, with the field of the question; what asking again can change is
 *    `unavailable`: too many, an error on its side, nobody there, an answer that is none or breaks off.
 *  - The key goes nowhere else: a redirect is not followed. No error holds it.
 *  - An answer is read up to a bound.
 */
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import * as z from 'zod';
import { ReaderError } from '../../adapter.ts';
import { createApiClient } from './client.ts';

const KEY = 'secret-key';
const answer = z.object({ ok: z.literal(true) });

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function errorOf(url: string): Promise<ReaderError> {
  const error: unknown = await createApiClient({ url, key: KEY })(
    '/v1/x',
    answer,
    AbortSignal.timeout(5_000),
  ).then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof ReaderError)) throw new Error(`expected a ReaderError, got ${String(error)}`);
  expect(`${error.message} ${JSON.stringify(error)}`).not.toContain(KEY);
  return error;
}

const problem = (errors?: object[]) => JSON.stringify({ detail: 'not so', ...(errors ? { errors } : {}) });

it('sends the key and gets the answer', async () => {
  const url = await serve((request, response) => {
    response.end(JSON.stringify({ ok: request.headers.authorization === `Bearer ${KEY}` }));
  });
  const ask = createApiClient({ url, key: KEY });
  expect(await ask('/v1/x', answer, AbortSignal.timeout(5_000))).toEqual({ ok: true });
});

it('keeps the path below which the API stands', async () => {
  const url = await serve((request, response) => {
    response.end(JSON.stringify({ ok: request.url === '/metering/v1/x' }));
  });
  const ask = createApiClient({ url: `${url}/metering/`, key: KEY });
  expect(await ask('/v1/x', answer, AbortSignal.timeout(5_000))).toEqual({ ok: true });
});

it.each([
  [400, problem([{ field: 'query.metric', detail: 'is none' }]), 'refused', 'metric'],
  [400, problem([{ field: 'body.usage.delta', detail: 'is none' }]), 'refused', 'usage.delta'],
  [404, problem(), 'refused', 'tenantId'],
  [403, problem(), 'refused', null],
  [429, problem(), 'unavailable', null],
  [503, 'no JSON', 'unavailable', null],
  [200, 'no JSON', 'unavailable', null],
  [200, '{"ok":false}', 'unavailable', null],
  [200, ' '.repeat(1_100_000), 'unavailable', null],
] as const)('%i is told apart', async (status, body, wanted, field) => {
  const url = await serve((_, response) => {
    response.writeHead(status).end(body);
  });
  expect(await errorOf(url)).toMatchObject({ problem: wanted, field });
});

it('does not follow a redirect', async () => {
  let followed = false;
  const other = await serve((_, response) => {
    followed = true;
    response.end('{"ok":true}');
  });
  const url = await serve((_, response) => {
    response.writeHead(302, { location: other }).end();
  });
  expect((await errorOf(url)).problem).toBe('unavailable');
  expect(followed).toBe(false);
});

it('tells a server that is not there, and an answer that breaks off', async () => {
  expect((await errorOf('http://127.0.0.1:9')).problem).toBe('unavailable');
  const url = await serve((_, response) => {
    response.writeHead(200, { 'content-length': '100' });
    response.write('{');
    response.destroy();
  });
  expect((await errorOf(url)).problem).toBe('unavailable');
});
