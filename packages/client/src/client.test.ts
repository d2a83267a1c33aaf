/**
 * Guarantees, of faults that the API cannot be made to have on demand:
 * - 429 is sent again for any request, 503 and silence only for what does no harm twice, each with a bound
 * - chance is added to Retry-After, and one that is too long is handed to the caller
 * - an attempt has its time; whoever aborts gets their own reason
 * - the key stands in no error, and follows no redirection
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import { afterEach, expect, test } from 'vitest';
import { ApiError, ApiUnreachableError, createClient, itemsOf, type ClientOptions } from './index.ts';

const KEY = 'mh_0123456789abcdef_canarycanarycanarycanarycanarycanarycanaryc';
const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

type Answering = (response: ServerResponse, request: IncomingMessage, nth: number) => void;

/** An API that answers as it is told, and a client of it that does not really wait. */
async function faulty(answer: Answering, options: Partial<ClientOptions> = {}) {
  const seen: string[] = [];
  const waits: number[] = [];
  const server = createServer((request, response) => {
    seen.push(`${request.method} ${request.url}`);
    request.resume().on('end', () => answer(response, request, seen.length));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const client = createClient({
    url,
    key: KEY,
    random: () => 0.5,
    wait: (ms) => {
      waits.push(ms);
      return Promise.resolve();
    },
    ...options,
  });
  return { client, seen, waits, url };
}

function problem(response: ServerResponse, status: number, code: string, retryAfter?: string): void {
  response.writeHead(status, {
    'content-type': 'application/problem+json',
    ...(retryAfter === undefined ? {} : { 'retry-after': retryAfter }),
  });
  response.end(
    JSON.stringify({
      code,
      detail: 'no',
      correlationId: 'c-1',
      errors: [{ field: 'body.x', detail: 'bad' }],
    }),
  );
}

function json(response: ServerResponse, body: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

const caught = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => null,
    (error: unknown) => error,
  );
const listKeys = { params: { query: {} } } as const;
const newKey = { body: { role: 'ingest', name: 'x' } } as const;

test('429 is sent again for any request, after Retry-After and some chance', async () => {
  const { client, seen, waits } = await faulty((response, _request, nth) =>
    nth < 3 ? problem(response, 429, 'rate_limited', '2') : json(response, { apiKey: {}, key: 'k' }),
  );
  expect((await client.POST('/v1/keys', newKey)).data).toEqual({ apiKey: {}, key: 'k' });
  expect([seen.length, waits]).toEqual([3, [2_100, 2_200]]);
});

test('503 is sent again only for what does no harm twice', async () => {
  const { client, seen } = await faulty((response) => problem(response, 503, 'unavailable', '1'));
  const body = { metric: 'tokens' };
  const requests: readonly (readonly [number, () => Promise<unknown>])[] = [
    [4, () => client.GET('/v1/keys', listKeys)],
    [1, () => client.POST('/v1/keys', newKey)],
    [1, () => client.DELETE('/v1/keys/{id}', { params: { path: { id: '0123456789abcdef' } } })],
    [1, () => client.POST('/v1/events', { body })],
    [4, () => client.POST('/v1/events', { body, params: { header: { 'idempotency-key': 'once' } } })],
  ];
  for (const [sends, request] of requests) {
    seen.length = 0;
    expect(await caught(request())).toMatchObject({ code: 'unavailable', status: 503, retryAfterMs: 1_000 });
    expect([seen[0], seen.length]).toEqual([seen[0], sends]);
  }
});

test('without Retry-After, or with one that is too long, the caller decides', async () => {
  for (const retryAfter of [undefined, '31']) {
    const { client, seen } = await faulty((response) => problem(response, 503, 'overloaded', retryAfter));
    expect(await caught(client.GET('/v1/keys', listKeys))).toBeInstanceOf(ApiError);
    expect(seen).toHaveLength(1);
  }
});

test('silence: a look is repeated, a change is not, and each attempt has its time', async () => {
  // Counted here: an attempt can be over before the server has seen it.
  let sends = 0;
  const counting = (request: Request): Promise<Response> => {
    sends += 1;
    return fetch(request);
  };
  const { client } = await faulty(() => undefined, {
    ...{ timeoutMs: 50, retry: { attempts: 2 }, fetch: counting },
  });
  const error = await caught(client.GET('/v1/keys', listKeys));
  expect(error).toBeInstanceOf(ApiUnreachableError);
  expect(String(error)).toContain('does not answer within 50 ms');
  expect(sends).toBe(2);
  expect(await caught(client.POST('/v1/keys', newKey))).toBeInstanceOf(ApiUnreachableError);
  expect(sends).toBe(3);
});

test('an answer that stops in its middle is none', async () => {
  const { client } = await faulty(
    (response) => response.writeHead(200, { 'content-type': 'application/json' }).write('{"keys": ['),
    { timeoutMs: 50, retry: { attempts: 1 } },
  );
  expect(await caught(client.GET('/v1/keys', listKeys))).toBeInstanceOf(ApiUnreachableError);
});

test('whoever aborts gets their own reason, and nothing more is sent', async () => {
  const stopping = new AbortController();
  const { client, seen } = await faulty(
    (response) => {
      problem(response, 429, 'rate_limited', '1');
      stopping.abort(new Error('enough'));
    },
    // The real wait, which has to end at once.
    { wait: undefined } as unknown as Partial<ClientOptions>,
  );
  expect(await caught(client.GET('/v1/keys', { ...listKeys, signal: stopping.signal }))).toMatchObject({
    message: 'enough',
  });
  expect(seen).toHaveLength(1);
});

test('what is not the API is told from a problem', async () => {
  const { client } = await faulty((response) =>
    response.writeHead(502, { 'x-correlation-id': 'c-9' }).end('<html>'),
  );
  expect(await caught(client.GET('/v1/keys', listKeys))).toMatchObject({
    status: 502,
    code: 'unexpected_answer',
    field: null,
    correlationId: 'c-9',
    body: '<html>',
  });
});

test('the key stands in no error, and follows no redirection', async () => {
  const other = await faulty((response) => json(response, {}));
  const { client, seen } = await faulty(
    (response, request) =>
      request.url?.startsWith('/v1/keys') === true
        ? response.writeHead(307, { location: `${other.url}/v1/keys` }).end()
        : problem(response, 403, 'forbidden'),
    { retry: { attempts: 1 } },
  );
  const errors = [await caught(client.GET('/v1/keys', listKeys)), await caught(client.GET('/v1/audit'))];
  expect(errors[0]).toBeInstanceOf(ApiUnreachableError);
  expect(errors[1]).toMatchObject({ status: 403, field: 'body.x', correlationId: 'c-1' });
  expect(inspect(errors, { depth: 20 })).not.toContain('canary');
  expect([seen.length, other.seen.length]).toEqual([2, 0]);
  expect(() => createClient({ url: 'ftp://x', key: null })).toThrow('http://');
  expect(() => createClient({ url: 'http://u:canary@x', key: null })).toThrow(/^(?!.*canary)/);
});

test('a list is read to its end, and one whose cursor stands still is not read for ever', async () => {
  const pages: Record<string, { items: number[]; nextCursor: string | null }> = {
    first: { items: [1, 2], nextCursor: 'b' },
    b: { items: [], nextCursor: 'c' },
    c: { items: [3], nextCursor: null },
    same: { items: [4], nextCursor: 'same' },
  };
  const read = (start: string) => (cursor: string | undefined) => {
    const page = pages[cursor ?? start];
    if (page === undefined) throw new Error('no such page');
    return Promise.resolve(page);
  };
  const all = async (start: string) => {
    const found: number[] = [];
    for await (const item of itemsOf(read(start), ({ items }) => items)) found.push(item);
    return found;
  };
  expect(await all('first')).toEqual([1, 2, 3]);
  await expect(all('same')).rejects.toThrow('stands still');
});
