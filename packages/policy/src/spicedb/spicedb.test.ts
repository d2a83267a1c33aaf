/**
 * SpiceDB through its own client, against a server of our own that speaks its wire format:
 * - passes the contract of every engine
 * - asks what was meant: object, permission, subject, context, key, consistency
 * - names never collide on their way into SpiceDB's
 * - says `unavailable`, each with its problem, when SpiceDB is down, slow, busy, or answers nonsense
 * - takes no answer after the deadline, and leaves no call and no connection behind
 */
import { v1 } from '@authzed/authzed-node';
import { status } from '@grpc/grpc-js';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { waitFor } from '@meterhouse/runtime';
import { describeContract, expectUnavailable, QUESTION } from '../contract-testing.ts';
import { createSpiceDbEngine, spiceDbObjectId, type SpiceDbEngine, type SpiceDbOptions } from './index.ts';
import { permissionOf } from './names.ts';
import { CountingWire, questionOf, response, SpiceDbServer } from './server-testing.ts';

const AMPLE_MS = 20_000;
const { HAS_PERMISSION, NO_PERMISSION, CONDITIONAL_PERMISSION, UNSPECIFIED } =
  v1.CheckPermissionResponse_Permissionship;

const base = { token: 'key', security: 'plaintext', version: 's1', deadlineMs: AMPLE_MS } as const;

describeContract(async () => {
  const server = new SpiceDbServer();
  const engine = createSpiceDbEngine({ ...base, endpoint: await server.listen() });
  return {
    engine,
    namesRules: false,
    close: () => {
      engine.close();
      server.kill();
    },
  };
});

let server: SpiceDbServer;
let endpoint: string;
let engines: SpiceDbEngine[] = [];

beforeEach(async () => {
  server = new SpiceDbServer();
  endpoint = await server.listen();
});

afterEach(() => {
  for (const engine of engines) engine.close();
  engines = [];
  server.kill();
});

function open(changes: Partial<SpiceDbOptions> = {}): SpiceDbEngine {
  const engine = createSpiceDbEngine({ ...base, endpoint, ...changes });
  engines.push(engine);
  return engine;
}

function lastConsistency(): unknown {
  return server.asked.at(-1)?.consistency?.requirement;
}

describe('what is asked', () => {
  test('object, permission, subject, context and key', async () => {
    const question = {
      ...QUESTION,
      actor: { ...QUESTION.actor, id: 'alice@example.com', scopes: ['usage:read'] },
    };
    expect(await open().evaluate(question)).toEqual({
      outcome: 'allow',
      engine: 'spicedb',
      version: 's1@zed-9',
      rules: ['tenant#inference__endpoint__invoke'],
      problem: null,
    });
    const [request] = server.asked;
    expect(request?.resource).toEqual({ objectType: 'tenant', objectId: 'acme-search-dev' });
    expect(request?.permission).toBe('inference__endpoint__invoke');
    expect(request?.subject?.object).toEqual({ objectType: 'user', objectId: 'alice=40example=2Ecom' });
    expect(request === undefined ? null : questionOf(request)).toEqual(question);
    expect(server.keys).toEqual(['Bearer key']);
  });

  test('another type of tenants, and permissions of one’s own naming', async () => {
    const engine = open({ tenantType: 'org_unit', permissionOf: ({ action }) => `may_${action}` });
    await engine.evaluate(QUESTION);
    expect(server.asked[0]).toMatchObject({ permission: 'may_invoke', resource: { objectType: 'org_unit' } });
  });

  test('as fresh as the caller says, else as the last write seen, else as configured', async () => {
    const engine = open();
    await engine.evaluate(QUESTION);
    expect(lastConsistency()).toEqual({ oneofKind: 'fullyConsistent', fullyConsistent: true });
    engine.sawWrite('zed-1');
    engine.sawWrite('zed-2');
    await engine.evaluate(QUESTION);
    expect(lastConsistency()).toEqual({ oneofKind: 'atLeastAsFresh', atLeastAsFresh: { token: 'zed-2' } });
    await engine.evaluate(QUESTION, 'zed-3');
    expect(lastConsistency()).toEqual({ oneofKind: 'atLeastAsFresh', atLeastAsFresh: { token: 'zed-3' } });

    await open({ withoutToken: 'minimize_latency' }).evaluate(QUESTION);
    expect(lastConsistency()).toEqual({ oneofKind: 'minimizeLatency', minimizeLatency: true });
  });

  test('a token that is none is not taken for no token', async () => {
    const engine = open({ withoutToken: 'minimize_latency' });
    expectUnavailable(await engine.evaluate(QUESTION, ''), 'engine_failed');
    expect(() => engine.sawWrite('')).toThrow();
    expect(server.asked).toEqual([]);
  });
});

describe('names', () => {
  test('two ids never become one', () => {
    const id = fc.string({
      unit: fc.constantFrom('a', '=', '4', '0', '@', '*', 'é', '_', '/'),
      maxLength: 6,
    });
    fc.assert(
      fc.property(id, id, (one, another) => {
        const a = spiceDbObjectId(one);
        if (a === null) return;
        expect(a).toMatch(/^[a-zA-Z0-9/_|\-=+]{1,1024}$/);
        // What an id becomes is an id too, and must become something else.
        for (const other of [another, a]) if (other !== one) expect(spiceDbObjectId(other)).not.toBe(a);
      }),
      { numRuns: 5_000 },
    );
  });

  test('two questions never become one permission', () => {
    const part = fc.string({ unit: fc.constantFrom('a', 'b', '_'), minLength: 1, maxLength: 4 });
    const parts = fc.record({ product: part, resourceType: part, action: part });
    fc.assert(
      fc.property(parts, parts, (one, other) => {
        const [a, b] = [permissionOf({ ...QUESTION, ...one }), permissionOf({ ...QUESTION, ...other })];
        if (a !== null && a === b) expect(one).toEqual(other);
      }),
      { numRuns: 5_000 },
    );
  });

  test.each([
    ['a type that is no object type', { actor: { ...QUESTION.actor, type: 'User' } }],
    ['an id that is empty', { actor: { ...QUESTION.actor, id: '' } }],
    [
      'an id that becomes too long',
      { actor: { ...QUESTION.actor, id: '@'.repeat(256).replaceAll('@', 'é') } },
    ],
    ['an id that is not Unicode', { actor: { ...QUESTION.actor, id: '\ud800' } }],
    ['an action that no permission can hold', { action: 'Invoke' }],
    ['an action with two underscores', { action: 'a__b' }],
  ])('%s is not asked', async (_what, changes) => {
    expectUnavailable(await open().evaluate({ ...QUESTION, ...changes }), 'engine_failed');
    expect(server.asked).toEqual([]);
  });
});

describe('what it answers', () => {
  test.each([
    ['no permission', NO_PERMISSION, []],
    [
      'a permission on a condition that is not known',
      CONDITIONAL_PERMISSION,
      ['tenant#inference__endpoint__invoke'],
    ],
  ])('%s denies', async (_what, permissionship, rules) => {
    server.answer = (_request, reply) => reply(null, response(permissionship));
    expect(await open().evaluate(QUESTION)).toMatchObject({ outcome: 'deny', rules, problem: null });
  });

  test.each<[string, Buffer]>([
    ['nothing', Buffer.alloc(0)],
    ['no word on the permission', response(UNSPECIFIED)],
    // Checked at `z`, permissionship 77.
    ['a word that does not exist', Buffer.from('0a030a017a104d', 'hex')],
    ['no token', response(HAS_PERMISSION, null)],
    ['a token beyond its bound', response(HAS_PERMISSION, 'x'.repeat(1_025))],
  ])('%s is no answer', async (_what, bytes) => {
    server.answer = (_request, reply) => reply(null, bytes);
    expectUnavailable(await open().evaluate(QUESTION), 'bad_answer');
  });

  test('what is no message, and what is too large, is no answer', async () => {
    server.answer = (_request, reply) => reply(null, Buffer.from('ffffffff', 'hex'));
    expectUnavailable(await open().evaluate(QUESTION), 'engine_failed');
    server.answer = (_request, reply) => reply(null, response(HAS_PERMISSION, 'x'.repeat(100_000)));
    expectUnavailable(await open().evaluate(QUESTION), 'overloaded');
  });

  test.each<[string, status, 'overloaded' | 'deadline' | 'engine_failed']>([
    ['RESOURCE_EXHAUSTED', status.RESOURCE_EXHAUSTED, 'overloaded'],
    ['DEADLINE_EXCEEDED', status.DEADLINE_EXCEEDED, 'deadline'],
    ['UNAVAILABLE', status.UNAVAILABLE, 'engine_failed'],
    ['PERMISSION_DENIED', status.PERMISSION_DENIED, 'engine_failed'],
    ['FAILED_PRECONDITION', status.FAILED_PRECONDITION, 'engine_failed'],
  ])('status %s', async (_name, code, problem) => {
    server.answer = (_request, reply) => reply({ code, details: 'for a test' });
    expectUnavailable(await open().evaluate(QUESTION), problem);
    expect(server.asked).toHaveLength(1);
  });
});

describe('a SpiceDB that does not answer', () => {
  test('nobody listens; once somebody does, it is asked again', async () => {
    server.kill();
    const engine = open();
    expectUnavailable(await engine.evaluate(QUESTION), 'engine_failed');
    await server.listen();
    await waitFor(
      'an answer',
      async () => ((await engine.evaluate(QUESTION)).outcome === 'allow' ? true : undefined),
      { deadlineMs: AMPLE_MS },
    );
  });

  test('it dies in the middle', async () => {
    server.answer = () => server.kill();
    expectUnavailable(await open().evaluate(QUESTION), 'engine_failed');
  });

  test('the deadline passes: the call is cancelled, and a late answer is nobody’s', async () => {
    const late: (() => void)[] = [];
    server.answer = (_request, reply) => late.push(() => reply(null, response(HAS_PERMISSION)));
    const engine = open({ deadlineMs: 200 });
    expectUnavailable(await engine.evaluate(QUESTION), 'deadline');
    await waitFor('the call to be cancelled', () => (server.cancelled === 1 ? true : undefined), {
      deadlineMs: AMPLE_MS,
    });
    server.answer = (_request, reply) => {
      for (const send of late) send();
      reply(null, response(NO_PERMISSION));
    };
    expect((await engine.evaluate(QUESTION)).outcome).not.toBe('allow');
  });

  test('the deadline holds when the clock is set back in that moment', async () => {
    server.answer = () => undefined;
    const engine = open({ deadlineMs: 200 });
    const clock = vi.spyOn(Date, 'now').mockReturnValueOnce(Date.now() + 86_400_000);
    const under = engine.evaluate(QUESTION);
    clock.mockRestore();
    expectUnavailable(await under, 'deadline');
  });
});

describe('bounds', () => {
  test('questions beyond those under way are refused at once, and places are given back', async () => {
    const waiting: (() => void)[] = [];
    server.answer = (_request, reply) => waiting.push(() => reply(null, response(HAS_PERMISSION)));
    const engine = open({ maxInFlight: 2 });
    const first = [engine.evaluate(QUESTION), engine.evaluate(QUESTION)];
    expectUnavailable(await engine.evaluate(QUESTION), 'overloaded');
    await waitFor('both to arrive', () => (waiting.length === 2 ? true : undefined), {
      deadlineMs: AMPLE_MS,
    });
    for (const send of waiting) send();
    expect((await Promise.all(first)).map(({ outcome }) => outcome)).toEqual(['allow', 'allow']);
    server.answer = (_request, reply) => reply(null, response(HAS_PERMISSION));
    expect((await engine.evaluate(QUESTION)).outcome).toBe('allow');
  });

  test('no timer stays behind', async () => {
    const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    const before = timers();
    const engine = open({ deadlineMs: 60_000 });
    for (let i = 0; i < 20; i++) await engine.evaluate(QUESTION);
    expect(timers()).toBeLessThan(before + 5);
  });

  test('closing ends what is under way and closes the connection', async () => {
    await using wire = await CountingWire.to(endpoint);
    server.answer = () => undefined;
    const engine = open({ endpoint: wire.endpoint });
    const under = engine.evaluate(QUESTION);
    await waitFor('it to arrive', () => (server.asked.length === 1 ? true : undefined), {
      deadlineMs: AMPLE_MS,
    });
    expect(wire.connections).toBe(1);
    engine.close();
    expectUnavailable(await under, 'engine_failed');
    expectUnavailable(await engine.evaluate(QUESTION), 'engine_failed');
    await waitFor('the connection to close', () => (wire.connections === 0 ? true : undefined), {
      deadlineMs: AMPLE_MS,
    });
  });

  test.each<[string, Partial<SpiceDbOptions>]>([
    ['endpoint', { endpoint: 'http://x' }],
    ['deadlineMs', { deadlineMs: 0 }],
    ['tenantType', { tenantType: 'Tenant' }],
    ['withoutToken', { withoutToken: 'whatever' as 'minimize_latency' }],
  ])('an option that is wrong is named: %s', (name, changes) => {
    expect(() => open(changes)).toThrow(name);
  });
});
