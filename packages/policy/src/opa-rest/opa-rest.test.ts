/**
 * OPA over REST, against a server of our own that speaks OPA's data API:
 * - passes the contract of every engine
 * - asks what OPA documents: path, input, token, provenance
 * - says `unavailable`, each with its problem, when OPA is down, slow, busy, or answers nonsense
 * - holds its bounds: questions under way, connections, size of the answer
 * - leaves no timer and no connection behind, and takes no answer after the deadline
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { waitFor } from '@meterhouse/runtime';
import { describeContract, expectUnavailable, QUESTION } from '../contract-testing.ts';
import { createOpaRestEngine, type OpaRestEngine, type OpaRestOptions } from './index.ts';
import { json, OpaServer } from './server-testing.ts';

/** Far beyond what a loopback answer takes, unless a test is about the deadline. */
const AMPLE_MS = 20_000;
const SLACK = { deadlineMs: AMPLE_MS };

describeContract(async () => {
  const server = new OpaServer();
  const engine = createOpaRestEngine({
    url: await server.listen(),
    path: 'meterhouse/authz',
    version: 'unnamed',
    deadlineMs: AMPLE_MS,
  });
  return {
    engine,
    close: async () => {
      await engine.close();
      await server.close();
    },
  };
});

let server: OpaServer;
let url: string;
let engines: OpaRestEngine[] = [];

beforeEach(async () => {
  server = new OpaServer();
  url = await server.listen();
});

afterEach(async () => {
  for (const engine of engines) await engine.close();
  engines = [];
  await server.close();
});

function open(changes: Partial<OpaRestOptions> = {}): OpaRestEngine {
  const engine = createOpaRestEngine({
    url,
    path: 'meterhouse/authz',
    version: 'unnamed',
    deadlineMs: AMPLE_MS,
    ...changes,
  });
  engines.push(engine);
  return engine;
}

describe('what is asked', () => {
  test('the document by its path, with the question as input and the token', async () => {
    const engine = open({ url: `${url}/opa/`, path: 'meterhouse/auth%z?#', token: 's3cret' });
    await engine.evaluate({ ...QUESTION, secret: 'x' } as typeof QUESTION);
    expect(server.asked).toEqual([
      {
        method: 'POST',
        url: '/opa/v1/data/meterhouse/auth%25z%3F%23?provenance=true',
        authorization: 'Bearer s3cret',
        body: { input: QUESTION },
      },
    ]);
  });

  test('the version is what OPA says of its bundles, else what was configured', async () => {
    const engine = open();
    expect((await engine.evaluate(QUESTION)).version).toBe('authz@r42,data@r7');
    server.answer = (response) => json(response, { result: true });
    expect(await engine.evaluate(QUESTION)).toMatchObject({
      outcome: 'allow',
      version: 'unnamed',
      rules: [],
    });
  });
});

describe('what is no answer', () => {
  test.each<[string, unknown]>([
    ['an undefined document', {}],
    ['a text', { result: 'true' }],
    ['a number', { result: 1 }],
    ['null', { result: null }],
    ['an object without allow', { result: { rules: [] } }],
    ['allow that is not a boolean', { result: { allow: 'true' } }],
    ['rules that are not texts', { result: { allow: true, rules: [1] } }],
    ['the document of a partial set', { result: [true] }],
    ['no object', [{ result: true }]],
  ])('%s', async (_what, body) => {
    server.answer = (response) => json(response, body);
    expectUnavailable(await open().evaluate(QUESTION), 'bad_answer');
  });

  test('what is not JSON', async () => {
    server.answer = (response) => response.end('<html>true</html>');
    expectUnavailable(await open().evaluate(QUESTION), 'bad_answer');
  });

  test('an answer beyond the size, whether it says its length or not', async () => {
    const engine = open({ maxResponseBytes: 1_000 });
    const body = JSON.stringify({ result: true, filler: 'x'.repeat(2_000) });
    server.answer = (response) => response.end(body);
    expectUnavailable(await engine.evaluate(QUESTION), 'bad_answer');
    server.answer = (response) => {
      response.write(body.slice(0, 1_500));
      response.end(body.slice(1_500));
    };
    expectUnavailable(await engine.evaluate(QUESTION), 'bad_answer');
    server.answer = (response) => json(response, { result: true });
    expect((await engine.evaluate(QUESTION)).outcome).toBe('allow');
  });

  test.each<[number, 'overloaded' | 'engine_failed']>([
    [429, 'overloaded'],
    [500, 'engine_failed'],
    [404, 'engine_failed'],
    [201, 'engine_failed'],
    [302, 'engine_failed'],
  ])('status %i', async (status, problem) => {
    server.answer = (response) => {
      response.setHeader('location', '/elsewhere');
      json(response, { result: true }, status);
    };
    expectUnavailable(await open().evaluate(QUESTION), problem);
    expect(server.asked).toHaveLength(1);
  });
});

describe('an OPA that does not answer', () => {
  test('nobody listens', async () => {
    const engine = open();
    await server.close();
    expectUnavailable(await engine.evaluate(QUESTION), 'engine_failed');
  });

  test('it hangs up', async () => {
    server.answer = (response) => response.destroy();
    expectUnavailable(await open().evaluate(QUESTION), 'engine_failed');
    // Once: a question is not repeated behind the deadline's back.
    expect(server.asked).toHaveLength(1);
  });

  test.each<[string, OpaServer['answer']]>([
    ['it says nothing', () => undefined],
    ['it stops in the middle', (response) => response.write('{"result":')],
    ['it stops in the middle of an error', (response) => response.writeHead(500).write('{')],
  ])('the deadline passes: %s', async (_what, answer) => {
    server.answer = answer;
    const engine = open({ deadlineMs: 50 });
    expectUnavailable(await engine.evaluate(QUESTION), 'deadline');
    // The connection on which an answer could still come is closed.
    await waitFor('the connection to close', () => (server.sockets.size === 0 ? true : undefined), SLACK);
    server.answer = (response) => json(response, { result: true });
    const patient = open();
    expect((await patient.evaluate(QUESTION)).outcome).toBe('allow');
  });

  test('an answer that comes late is nobody else’s', async () => {
    const late: (() => void)[] = [];
    server.answer = (response) => late.push(() => json(response, { result: true }));
    const engine = open({ deadlineMs: 50, maxInFlight: 1 });
    expectUnavailable(await engine.evaluate(QUESTION), 'deadline');
    server.answer = (response) => {
      for (const send of late) send();
      json(response, { result: false });
    };
    expect((await engine.evaluate({ ...QUESTION, action: 'delete' })).outcome).not.toBe('allow');
  });
});

describe('bounds', () => {
  test('questions beyond those under way are refused at once, and places are given back', async () => {
    const waiting: (() => void)[] = [];
    server.answer = (response) => waiting.push(() => json(response, { result: true }));
    const engine = open({ maxInFlight: 2 });
    const first = [engine.evaluate(QUESTION), engine.evaluate(QUESTION)];
    expectUnavailable(await engine.evaluate(QUESTION), 'overloaded');
    await waitFor('both to arrive', () => (waiting.length === 2 ? true : undefined), SLACK);
    expect(server.sockets.size).toBe(2);
    for (const send of waiting) send();
    expect((await Promise.all(first)).map(({ outcome }) => outcome)).toEqual(['allow', 'allow']);
    server.answer = (response) => json(response, { result: true });
    expect((await engine.evaluate(QUESTION)).outcome).toBe('allow');
  });

  test('no timer stays behind', async () => {
    const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    const before = timers();
    const engine = open({ deadlineMs: 60_000 });
    for (let i = 0; i < 20; i++) await engine.evaluate(QUESTION);
    await engine.close();
    expect(timers()).toBeLessThan(before + 5);
  });

  test('closing ends what is under way, and closes the connections', async () => {
    server.answer = () => undefined;
    const engine = open();
    const under = engine.evaluate(QUESTION);
    await waitFor('it to arrive', () => (server.asked.length === 1 ? true : undefined), SLACK);
    await engine.close();
    expectUnavailable(await under, 'engine_failed');
    await waitFor('the connection to close', () => (server.sockets.size === 0 ? true : undefined), SLACK);
    expectUnavailable(await engine.evaluate(QUESTION), 'engine_failed');
  });

  test.each<[string, Partial<OpaRestOptions>]>([
    ['url', { url: 'ftp://x' }],
    ['path', { path: '/meterhouse/' }],
    ['deadlineMs', { deadlineMs: 0 }],
    ['deadlineMs', { deadlineMs: Infinity }],
    ['maxInFlight', { maxInFlight: 0 }],
  ])('an option that is wrong is named: %s', (name, changes) => {
    expect(() => open(changes)).toThrow(name);
  });
});
