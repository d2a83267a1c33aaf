/**
 * On real servers and raw sockets:
 *  - exactly one set of events for an exchange, whatever becomes of it: answered, streamed, aborted, pipelined
 *  - bytes are those of this exchange, to the byte, also with keep-alive, pipelining, HEAD and 304
 *  - routes are templates, never paths; mounted routers included; no more of them than the bound
 *  - a function of the caller's that throws changes no response, and is counted
 */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import http2 from 'node:http2';
import tls from 'node:tls';
import { createServer, type RequestListener, type Server } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import express5, { type NextFunction, type Request, type Response } from 'express';
import express4 from 'express4';
import { fastify } from 'fastify';
import { waitFor } from '@meterhouse/runtime';
import { expect, onTestFinished, test } from 'vitest';
import type { UsageEventInput } from '../../event-input.ts';
import { currentTenant } from '../../tenant-context.ts';
import { expressUsage } from '../express/index.ts';
import { fastifyUsage } from '../fastify/index.ts';
import { meterListener } from '../node-http/index.ts';
import type { WrapperProblem } from '../port.ts';

interface Usage {
  readonly tenant: string;
  readonly attrs: string;
  readonly in: string;
  readonly out: string;
}

/** A meter that keeps what it gets, and reads it as one row an exchange. */
function collector(): {
  meter: { add: (event: UsageEventInput) => boolean };
  problems: WrapperProblem[];
  exchanges: () => Usage[];
  awaited: (count: number) => Promise<Usage[]>;
} {
  const events: UsageEventInput[] = [];
  const exchanges = (): Usage[] => {
    expect(events.length % 4).toBe(0);
    const sets = Array.from({ length: events.length / 4 }, (_, index) =>
      events.slice(index * 4, index * 4 + 4),
    );
    return sets.map(([requests, bytesIn, bytesOut, seconds]) => {
      expect([requests?.metric, requests?.value]).toEqual(['http.requests', '1']);
      expect(seconds?.metric).toBe('http.seconds');
      expect(String(seconds?.value)).toMatch(/^\d+(\.\d{1,9})?$/);
      expect([bytesIn?.metric, bytesOut?.metric]).toEqual(['http.bytes_in', 'http.bytes_out']);
      const { method, route, status, outcome } = requests?.attrs ?? {};
      return {
        tenant: requests?.tenantId ?? '',
        attrs: [method, route, status, outcome].join(' '),
        in: String(bytesIn?.value),
        out: String(bytesOut?.value),
      };
    });
  };
  return {
    meter: { add: (event) => events.push(event) > 0 },
    problems: [],
    exchanges,
    awaited: (count) =>
      waitFor(`${count} exchanges`, () => (events.length >= count * 4 ? exchanges() : undefined), {
        deadlineMs: 10_000,
      }),
  };
}

async function listening(listener: RequestListener): Promise<{ server: Server; port: number; url: string }> {
  const server = createServer(listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { server, port, url: `http://127.0.0.1:${port}` };
}

/** Sends bytes and reads until `until` holds for all that came back. */
async function talk(
  port: number,
  text: string,
  until: (answer: Buffer) => boolean,
): Promise<[Buffer, Socket]> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  let answer = Buffer.alloc(0);
  const done = new Promise<void>((resolve, reject) => {
    socket.on('data', (chunk: Buffer) => {
      answer = Buffer.concat([answer, chunk]);
      if (until(answer)) resolve();
    });
    socket.on('error', reject);
    socket.on('close', () => resolve());
  });
  socket.write(text);
  await done;
  return [answer, socket];
}

const tenantOf = (request: { headers: Record<string, unknown> }): string | undefined =>
  typeof request.headers['x-tenant'] === 'string' ? request.headers['x-tenant'] : undefined;

const GET = (path: string, tenant = 'acme', more = ''): string =>
  `GET ${path} HTTP/1.1\r\nHost: h\r\nX-Tenant: ${tenant}\r\n${more}\r\n`;

/** Both are in use, and note their way through routers differently. */
const EXPRESSES = [
  { version: 5, express: express5 },
  { version: 4, express: express4 },
];

test('pipelined requests of two tenants on one connection are told apart to the byte', async () => {
  const seen = collector();
  const held: (() => void)[] = [];
  const { port } = await listening(
    meterListener(
      (request, response) => {
        // The first answers last: Node keeps the other two back until then.
        if (request.url === '/slow') held.push(() => response.end('s'.repeat(10)));
        else response.end('f'.repeat(1_000));
        if (request.url === '/last') held[0]?.();
      },
      { meter: seen.meter, tenant: tenantOf, route: (request) => request.url ?? null },
    ),
  );
  const requests = [GET('/slow', 'a'), GET('/fast', 'b', 'X-Long: 12345\r\n'), GET('/last', 'c')];
  const [answer, socket] = await talk(
    port,
    requests.join(''),
    (all) => all.toString().split('f'.repeat(1_000)).length === 3,
  );
  socket.destroy();
  const parts = answer.toString().split(/(?=HTTP\/1\.1 200)/);
  expect(await seen.awaited(3)).toEqual(
    ['a /slow', 'b /fast', 'c /last'].map((name, index) => ({
      tenant: name.slice(0, 1),
      attrs: `GET ${name.slice(2)} 2xx complete`,
      in: String(requests[index]?.length),
      out: String(parts[index]?.length),
    })),
  );
});

test('keep-alive, HEAD, 304, chunks, interim responses and unmetered neighbours: what was on the wire', async () => {
  const seen = collector();
  const answers: RequestListener = (request, response) => {
    if (request.url === '/304') response.writeHead(304, { etag: '"x"' }).end();
    else if (request.url === '/chunks') {
      response.writeEarlyHints({ link: '</a.css>; rel=preload' });
      response.write('one');
      response.write('two');
      response.addTrailers({ 'x-sum': '6' });
      response.end();
    } else if (request.url === '/echo') request.pipe(response);
    else response.writeHead(200, { 'content-length': 5 }).end('hello');
  };
  const metered = meterListener(answers, {
    meter: seen.meter,
    tenant: tenantOf,
    route: (r) => r.url ?? null,
  });
  const { port } = await listening((request, response) =>
    request.url === '/unmetered' ? answers(request, response) : metered(request, response),
  );
  const body = '5\r\nabcde\r\n3\r\nfgh\r\n0\r\n\r\n';
  const steps = [
    { text: GET('/unmetered'), in: 0, metered: false },
    { text: GET('/304'), metered: true },
    { text: GET('/hello').replace('GET', 'HEAD'), metered: true },
    { text: GET('/chunks', 'acme', 'TE: trailers\r\n'), metered: true },
    // The framing of chunks is not counted coming in: 8 of its 23 bytes are the body.
    {
      text: GET('/echo', 'acme', 'Transfer-Encoding: chunked\r\n').replace('GET', 'POST') + body,
      less: body.length - 8,
      metered: true,
    },
  ];
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  let received = 0;
  socket.on('data', (chunk: Buffer) => (received += chunk.length));
  const expected: [number, number][] = [];
  for (const step of steps) {
    const before = received;
    socket.write(step.text);
    if (step.metered) await seen.awaited(expected.length + 1);
    const out = await quiet(() => received, before);
    if (step.metered) expected.push([step.text.length - (step.less ?? 0), out - before]);
  }
  socket.destroy();
  expect(seen.exchanges().map((one) => [Number(one.in), Number(one.out)])).toEqual(expected);
  expect(seen.exchanges().map((one) => one.attrs)).toEqual([
    'GET /304 3xx complete',
    'HEAD /hello 2xx complete',
    'GET /chunks 2xx complete',
    'POST /echo 2xx complete',
  ]);
});

/** The count once it has grown and no longer does. */
async function quiet(count: () => number, before: number): Promise<number> {
  let last = before;
  return waitFor(
    'the answer',
    () => {
      const now = count();
      const still = now > before && now === last;
      last = now;
      return still ? now : undefined;
    },
    { deadlineMs: 10_000 },
  );
}

test('an aborted upload, an aborted stream and one that never began are counted once, for what passed', async () => {
  const seen = collector();
  let streamed: () => void = () => undefined;
  const { port } = await listening(
    meterListener(
      (request, response) => {
        if (request.url !== '/stream') return; // never answers
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write('data: 1\n\n');
        streamed = () => response.write('data: 2\n\n');
      },
      { meter: seen.meter, tenant: tenantOf, route: (request) => request.url ?? null },
    ),
  );
  const [first, stream] = await talk(port, GET('/stream'), (all) => all.includes('data: 1'));
  streamed();
  let more = 0;
  stream.on('data', (chunk: Buffer) => (more += chunk.length));
  await waitFor('the second item', () => (more > 0 ? true : undefined), { deadlineMs: 5_000 });
  stream.destroy();
  await seen.awaited(1);
  const head = GET('/upload', 'acme', 'Content-Length: 1000\r\n').replace('GET', 'POST');
  const upload = connect(port, '127.0.0.1');
  upload.write(`${head}${'u'.repeat(400)}`, () => setImmediate(() => upload.resetAndDestroy()));
  await seen.awaited(2);
  const waiting = connect(port, '127.0.0.1');
  waiting.write(GET('/never', 'a') + GET('/behind', 'b'), () => setImmediate(() => waiting.destroy()));
  const all = await seen.awaited(4);
  expect(all.map(({ tenant, attrs }) => `${tenant} ${attrs}`).sort()).toEqual([
    'a GET /never none aborted',
    'acme GET /stream 2xx aborted',
    'acme POST /upload none aborted',
    'b GET /behind none aborted',
  ]);
  expect(Number(all[0]?.out)).toBe(first.length + more);
  expect([Number(all[1]?.in), all[1]?.out]).toEqual([head.length + 400, '0']);
});

test.each(EXPRESSES)(
  'Express $version: templates with those of mounted routers, also for errors and what no route matched',
  async ({ express }) => {
    const seen = collector();
    const app = express();
    app.use(
      expressUsage({
        meter: seen.meter,
        tenant: tenantOf,
        onProblem: (problem) => seen.problems.push(problem),
      }),
    );
    const users = express.Router();
    users.get('/', (_request, response) => void response.send('all'));
    users.get('/:user', (_request, response) => void response.send('one'));
    users.get('/:user/fails', () => {
      throw new Error('on purpose');
    });
    const tenants = express.Router({ mergeParams: true });
    tenants.use('/users', users);
    app.use('/tenants/:tenant', tenants);
    app.use('/files', express.static(import.meta.dirname));
    app.get(/^\/re.*x$/, (_request, response) => void response.send('regexp'));
    app.get('/range/:from-:to', (_request, response) => void response.send('range'));
    app.use((_error: Error, _request: Request, response: Response, _next: NextFunction) => {
      response.status(500).send('failed');
    });
    const { url } = await listening(app);
    const paths = [
      '/tenants/users/users',
      '/tenants/%C3%A9/users/7',
      '/tenants/42/users/7/fails',
      '/files/exchange.ts',
    ];
    for (const path of [...paths, '/reflex', '/range/1-2', '/wp-admin/1', '/tenants/42/nothing'])
      await fetch(url + path, { headers: { 'x-tenant': 'acme' } }).then((answer) => answer.text());
    expect((await seen.awaited(8)).map((one) => one.attrs)).toEqual([
      'GET /tenants/:tenant/users 2xx complete',
      'GET /tenants/:tenant/users/:user 2xx complete',
      'GET /tenants/:tenant/users/:user/fails 5xx complete',
      'GET /files/* 2xx complete',
      'GET //^\\/re.*x$/ 2xx complete',
      'GET /range/:from-:to 2xx complete',
      'GET (unmatched) 4xx complete',
      'GET (unmatched) 4xx complete',
    ]);
    expect(seen.problems).toEqual([]);
  },
);

test.each(EXPRESSES)(
  'Express $version: templates of routers that are called by hand or come later',
  async ({ express }) => {
    const seen = collector();
    const app = express();
    app.use(expressUsage({ meter: seen.meter, tenant: () => 'acme' }));
    const byHand = express.Router();
    const below = express.Router();
    below.get('/x', (_request, response) => void response.send('x'));
    byHand.use('/:secret/below', below);
    app.use((request, response, next) => {
      byHand(request, response, next);
    });
    app.get('/users/:user', (_request, response) => void response.send('one'));
    const { url } = await listening(app);
    const ask = (path: string): Promise<string> => fetch(url + path).then((answer) => answer.text());
    await ask('/users/7');
    await ask('/nothing');
    await ask('/secret/below/x');
    const late = express.Router();
    late.get('/y', (_request, response) => void response.send('y'));
    app.use('/late/:secret', late);
    await ask('/late/secret/y');
    expect((await seen.awaited(4)).map((one) => one.attrs)).toEqual([
      'GET /users/:user 2xx complete',
      'GET (unmatched) 4xx complete',
      'GET /:secret/below/x 2xx complete',
      'GET /late/:secret/y 2xx complete',
    ]);
  },
);

test.each(EXPRESSES)(
  'Express $version: templates of mounted apps, of routes that pass on, and of two mounts that fit the same path',
  async ({ express, version }) => {
    const seen = collector();
    const app = express();
    app.use(expressUsage({ meter: seen.meter, tenant: () => 'acme' }));
    const admin = express();
    const users = express.Router();
    users.get('/:user', (_request, response) => void response.send('user'));
    admin.use('/users', users);
    app.use('/admin', admin);
    const checks = express.Router();
    checks.all(version === 4 ? '*' : '/*all', (_request, _response, next) => next());
    app.use('/tenants/:tenant', checks);
    const items = express.Router();
    items.get('/:item', (request, response) => {
      // What a handler does to its parameters says nothing of its route.
      request.params['item'] = 'changed';
      void Promise.resolve().then(() => response.send('item'));
    });
    app.use('/:kind/:id', items);
    const { url } = await listening(app);
    // Twice: Express's own prototype is listened on from the first request on.
    for (const path of ['/tenants/7/x', '/admin/users/7', '/tenants/7/x', '/admin/users/7', '/boats/7/x'])
      await fetch(url + path).then((answer) => answer.text());
    expect((await seen.awaited(5)).map((one) => one.attrs)).toEqual([
      'GET /:kind/:id/:item 2xx complete',
      'GET /admin/users/:user 2xx complete',
      'GET /:kind/:id/:item 2xx complete',
      'GET /admin/users/:user 2xx complete',
      'GET /:kind/:id/:item 2xx complete',
    ]);
  },
);

test.each(EXPRESSES)(
  'Express $version: a middleware within a router never tells the path that it is mounted on',
  async ({ express }) => {
    const seen = collector();
    const app = express();
    const inner = express.Router();
    inner.use(expressUsage({ meter: seen.meter, tenant: () => 'acme' }));
    inner.get('/x', (_request, response) => void response.send('x'));
    const placed = express.Router();
    placed.use(expressUsage({ meter: seen.meter, tenant: () => 'acme', mountPath: '/v2/:id' }));
    placed.get('/x', (_request, response) => void response.send('x'));
    app.use('/v1/:id', inner);
    app.use('/v2/:id', placed);
    const { url } = await listening(app);
    for (const path of ['/v1/secret/x', '/v2/secret/x'])
      await fetch(url + path).then((answer) => answer.text());
    expect((await seen.awaited(2)).map((one) => one.attrs)).toEqual([
      'GET /(mounted)/x 2xx complete',
      'GET /v2/:id/x 2xx complete',
    ]);
  },
);

test('Fastify: templates with prefixes, streams, hijacked replies, inject, and what no route matched', async () => {
  const seen = collector();
  const app = fastify();
  await app.register(fastifyUsage({ meter: seen.meter, tenant: tenantOf }));
  await app.register(
    (scope, _options, done) => {
      scope.get('/users/:id', () => ({ ok: true }));
      scope.get('/raw', (_request, reply) => {
        reply.hijack();
        reply.raw.end('raw');
      });
      scope.post('/echo', (request) => request.body);
      done();
    },
    { prefix: '/v1/:region' },
  );
  onTestFinished(() => app.close());
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  const headers = { 'x-tenant': 'acme' };
  for (const path of ['/v1/eu/users/7', '/v1/eu/raw', '/nothing/here'])
    await fetch(url + path, { headers }).then((answer) => answer.text());
  await app.inject({ method: 'POST', url: '/v1/eu/echo', headers, payload: { a: 'é' } });
  const all = await seen.awaited(4);
  expect(all.map((one) => one.attrs)).toEqual([
    'GET /v1/:region/users/:id 2xx complete',
    'GET /v1/:region/raw 2xx complete',
    'GET (unmatched) 4xx complete',
    'POST /v1/:region/echo 2xx complete',
  ]);
  // There is no socket behind `inject`: what is handed to it is the body.
  expect(all[3]?.out).toBe(String(Buffer.byteLength('{"a":"é"}')));
});

test.each(EXPRESSES)(
  'Express $version: a tenant function that throws, and a meter that does, break no request and are counted',
  async ({ express }) => {
    const seen = collector();
    const app = express();
    const usage = expressUsage({
      meter: {
        add: (event) => {
          if (event.tenantId === 'broken') throw new Error('meter');
          return seen.meter.add(event);
        },
      },
      tenant: (request) => {
        if (request.query['who'] === 'throws') throw new Error('on purpose');
        return request.query['who'] as string | undefined;
      },
      maxRoutes: 1,
      onProblem: (problem) => {
        seen.problems.push(problem);
        throw new Error('a listener that throws');
      },
    });
    // Mounted twice by mistake: still one set of events.
    app.use(usage, usage);
    app.get('/a', (_request, response) => void response.send('a'));
    app.get('/b', (_request, response) => void response.send('b'));
    const { url } = await listening(app);
    for (const path of ['/a?who=throws', '/a', '/a?who=broken', '/a?who=acme', '/b?who=acme'])
      expect((await fetch(url + path)).status).toBe(200);
    expect((await seen.awaited(2)).map((one) => one.attrs)).toEqual([
      'GET /a 2xx complete',
      'GET (other) 2xx complete',
    ]);
    expect(seen.problems.map((problem) => problem.kind)).toEqual([
      ...['function_failed', 'no_tenant', 'no_tenant', 'not_taken', 'not_taken', 'not_taken', 'not_taken'],
      'too_many_routes',
    ]);
    expect(usage.problems()).toMatchObject({
      no_tenant: 2,
      not_taken: 4,
      too_many_routes: 1,
      function_failed: 9,
    });
  },
);

/** A key and its certificate, for this run only. */
function selfSigned(): { key: string; cert: string } {
  const options =
    '-x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout - -days 2 -subj /CN=localhost';
  const pem = execFileSync('openssl', ['req', ...options.split(' ')], { encoding: 'utf8', stdio: 'pipe' });
  return { key: pem, cert: pem };
}

test('TLS and HTTP/2: bytes inside of TLS; of an HTTP/2 stream the bodies', async () => {
  const seen = collector();
  const { key, cert } = selfSigned();
  const usage = fastifyUsage({ meter: seen.meter, tenant: tenantOf });
  const app = fastify({ http2: true, https: { key, cert, allowHTTP1: true } });
  await app.register(usage);
  app.post('/echo', (request) => request.body);
  onTestFinished(() => app.close());
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  const body = JSON.stringify({ a: 'é'.repeat(100) });
  const client = http2.connect(url, { rejectUnauthorized: false });
  const stream = client.request({
    ':method': 'POST',
    ':path': '/echo',
    'x-tenant': 'acme',
    'content-type': 'application/json',
  });
  stream.end(body);
  await once(stream.resume(), 'end');
  client.close();
  await seen.awaited(1);
  const socket = tls.connect({
    port: Number(new URL(url).port),
    rejectUnauthorized: false,
    ALPNProtocols: ['http/1.1'],
  });
  const text = `POST /echo HTTP/1.1\r\nHost: h\r\nX-Tenant: acme\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`;
  socket.write(text);
  let received = 0;
  socket.on('data', (chunk: Buffer) => (received += chunk.length));
  await once(socket, 'close');
  const [second, first] = (await seen.awaited(2)).toReversed();
  expect([first?.in, first?.out]).toEqual([String(Buffer.byteLength(body)), String(Buffer.byteLength(body))]);
  expect([second?.in, second?.out]).toEqual([String(Buffer.byteLength(text)), String(received)]);
});

test.each(EXPRESSES)(
  'Express $version: the handler runs in the tenant’s context, with a correlation id that was checked; late tenants count too',
  async ({ express }) => {
    const seen = collector();
    const contexts: string[] = [];
    const note = (): void => {
      const context = currentTenant();
      contexts.push(`${context?.tenantId} ${context?.correlationId}`);
    };
    const options = { meter: seen.meter, tenant: tenantOf, ports: { newId: () => 'new' } };
    const app = express();
    app.use(expressUsage(options));
    app.post('/x', express.json(), (_request, response) => {
      note();
      response.send('x');
    });
    const plugin = fastify();
    await plugin.register(fastifyUsage(options));
    plugin.post('/x', async () => {
      await Promise.resolve();
      note();
      return 'x';
    });
    const listener = meterListener((_request, response) => {
      note();
      response.end('x');
    }, options);
    onTestFinished(() => plugin.close());
    const urls = [
      (await listening(app)).url,
      await plugin.listen({ host: '127.0.0.1', port: 0 }),
      (await listening(listener)).url,
    ];
    const headers = { 'x-tenant': 'acme', 'content-type': 'application/json' };
    for (const url of urls)
      for (const id of ['request-7', 'a b"', 'x'.repeat(129)])
        await fetch(`${url}/x`, {
          method: 'POST',
          headers: { ...headers, 'x-correlation-id': id },
          body: '{"a":1}',
        }).then((answer) => answer.text());
    await seen.awaited(9);
    expect(contexts).toEqual(Array(3).fill(['acme request-7', 'acme new', 'acme new']).flat());

    const late = collector();
    const whoAfterwards = new WeakMap<object, string>();
    const { url } = await listening(
      meterListener(
        (request, response) => {
          note();
          whoAfterwards.set(request, 'late');
          response.end('x');
        },
        {
          meter: late.meter,
          tenant: (request) => {
            const who = whoAfterwards.get(request);
            if (who === undefined) throw new TypeError('nobody has logged in yet');
            return who;
          },
          onProblem: (problem) => late.problems.push(problem),
        },
      ),
    );
    await fetch(url).then((answer) => answer.text());
    expect((await late.awaited(1))[0]?.tenant).toBe('late');
    expect([contexts.at(-1), late.problems]).toEqual(['undefined undefined', []]);
  },
);
