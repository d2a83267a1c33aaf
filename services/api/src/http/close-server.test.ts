/**
 * Guarantees of the server's end, over real HTTP:
 * - A request that is under way is answered, and a client that keeps its connection does not hold up the end.
 * - Nobody does: answers that wait for others are given as they stand, and a client that does not finish its
 *   request is cut off, with time left over for what is closed next.
 */
import { once } from 'node:events';
import { Agent, request, type IncomingMessage } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { fastify, type FastifyInstance } from 'fastify';
import { expect, onTestFinished, test } from 'vitest';
import { closeServer, endKeptConnections } from './close-server.ts';

const LEFT_MS = 2_000;

interface Served {
  readonly app: FastifyInstance;
  readonly port: number;
  /** A request is under way. */
  readonly began: Promise<unknown>;
  /** The server has begun to close. */
  readonly closing: Promise<unknown>;
  readonly answer: () => void;
}

async function served(): Promise<Served> {
  const app = fastify({ keepAliveTimeout: 72_000, forceCloseConnections: 'idle' });
  endKeptConnections(app);
  const [began, closing] = [Promise.withResolvers<undefined>(), Promise.withResolvers<undefined>()];
  app.addHook('preClose', (done) => {
    closing.resolve(undefined);
    done();
  });
  const waiting = Promise.withResolvers<string>();
  app.get('/', () => {
    began.resolve(undefined);
    return waiting.promise;
  });
  app.post('/', () => 'taken');
  await app.listen({ port: 0, host: '127.0.0.1' });
  const { port } = app.server.address() as AddressInfo;
  return {
    ...{ app, port, began: began.promise, closing: closing.promise },
    answer: () => waiting.resolve('answered'),
  };
}

async function ask(port: number): Promise<IncomingMessage> {
  const agent = new Agent({ keepAlive: true });
  onTestFinished(() => agent.destroy());
  const asked = request({ port, agent, path: '/' });
  asked.end();
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  response.resume();
  return response;
}

/** @returns how long it took */
async function timed(work: Promise<void>): Promise<number> {
  const startedAt = performance.now();
  await work;
  return performance.now() - startedAt;
}

test('what is under way is answered, and the connection that a client would keep ends with its answer', async () => {
  const { app, port, began, closing, answer } = await served();
  const answered = ask(port);
  await began;
  const closed = timed(closeServer(app, 60_000, () => undefined));
  await closing;
  answer();
  const response = await answered;
  expect([response.statusCode, response.headers.connection]).toEqual([200, 'close']);
  expect(await closed).toBeLessThan(10_000);
});

test('an answer that waits for others is given as it stands while there is time', async () => {
  const { app, port, began, answer } = await served();
  const answered = ask(port);
  await began;
  expect(await timed(closeServer(app, LEFT_MS, answer))).toBeLessThan(LEFT_MS);
  expect((await answered).statusCode).toBe(200);
});

test('a client that does not finish its request is cut off before the deadline', async () => {
  const { app, port } = await served();
  const client = connect({ port });
  const gone = once(client, 'close');
  client.on('error', () => undefined);
  client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\nContent-Type: text/plain\r\n\r\nhalf');
  await once(app.server, 'request');
  expect(await timed(closeServer(app, LEFT_MS, () => undefined))).toBeLessThan(LEFT_MS);
  await gone;
});
