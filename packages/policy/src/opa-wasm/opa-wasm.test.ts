/**
 * OPA in WebAssembly, through OPA's library, with a module that was assembled by hand to OPA's ABI:
 * - passes the contract of every engine
 * - an evaluation that passes its deadline is ended, whatever it does, and the next one is answered
 * - traps, aborts, unknown built-in functions and exhausted memory are `engine_failed`; what is no answer is
 *   `bad_answer`
 * - holds its bounds: questions waiting, memory
 * - no thread goes on that nobody uses
 * - a module that cannot be used is refused, and says why
 */
import type { Worker } from 'node:worker_threads';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { waitFor } from '@meterhouse/runtime';
import { describeContract, expectUnavailable, QUESTION } from '../contract-testing.ts';
import { createOpaWasmEngine, OpaModuleError, type OpaWasmEngine, type OpaWasmOptions } from './index.ts';
import { opaModule, type Entrypoint } from './module-testing.ts';

const AMPLE_MS = 30_000;

let module: Uint8Array;
let engines: OpaWasmEngine[] = [];

beforeAll(async () => {
  module = await opaModule();
});

afterEach(async () => {
  for (const engine of engines) await engine.close();
  engines = [];
});

async function open(entrypoint: Entrypoint, changes: Partial<OpaWasmOptions> = {}): Promise<OpaWasmEngine> {
  const engine = await createOpaWasmEngine({
    module,
    entrypoint: `meterhouse/${entrypoint}`,
    version: 'm1',
    deadlineMs: AMPLE_MS,
    ...changes,
  });
  engines.push(engine);
  return engine;
}

describeContract(async () => {
  const engine = await createOpaWasmEngine({
    module: await opaModule(),
    entrypoint: 'meterhouse/decision',
    version: 'm1',
    deadlineMs: AMPLE_MS,
  });
  return { engine, close: () => engine.close() };
});

const slow = { ...QUESTION, attributes: { mood: 'slow' } };

describe('the deadline', () => {
  test('ends an evaluation that would never end; the next question is answered', async () => {
    const engine = await open('moody', { deadlineMs: 300, endAfterMs: 0 });
    expectUnavailable(await engine.evaluate(slow), 'deadline');
    const again = await waitFor(
      'an answer of the new thread',
      async () => {
        const verdict = await engine.evaluate(QUESTION);
        return verdict.outcome === 'unavailable' ? undefined : verdict;
      },
      { deadlineMs: AMPLE_MS },
    );
    expect(again).toMatchObject({ outcome: 'allow', engine: 'opa_wasm', version: 'm1', problem: null });
  });

  test('of a question that waits behind another holds too', async () => {
    const engine = await open('endless', { deadlineMs: 300, endAfterMs: 0 });
    const verdicts = await Promise.all([engine.evaluate(QUESTION), engine.evaluate(QUESTION)]);
    for (const verdict of verdicts) expectUnavailable(verdict, 'deadline');
  });

  test('shorter than a thread takes to start does not keep it from ever starting', async () => {
    const engine = await open('moody', { deadlineMs: 5 });
    expectUnavailable(await engine.evaluate(slow), 'deadline');
    await waitFor(
      'an answer of the new thread',
      async () => ((await engine.evaluate(QUESTION)).outcome === 'allow' ? true : undefined),
      { deadlineMs: AMPLE_MS },
    );
  });

  test('an evaluation that ends a little late is no answer, and its thread goes on', async () => {
    const engine = await open('patient', { deadlineMs: 20, endAfterMs: AMPLE_MS });
    expectUnavailable(await engine.evaluate(slow), 'deadline');
    // Counted by the instance: a new thread would begin again at one.
    const counted = await waitFor(
      'an answer',
      async () => {
        const verdict = await engine.evaluate(QUESTION);
        return verdict.outcome === 'unavailable' ? undefined : verdict;
      },
      { deadlineMs: AMPLE_MS },
    );
    expect(counted.outcome).toBe('allow');
  });
});

describe('what is no answer', () => {
  test.each<Entrypoint>(['undefined', 'text', 'several'])('%s', async (entrypoint) => {
    expectUnavailable(await (await open(entrypoint)).evaluate(QUESTION), 'bad_answer');
  });

  test.each<Entrypoint>(['nonsense', 'abort', 'trap', 'builtin'])('%s', async (entrypoint) => {
    const engine = await open(entrypoint);
    expectUnavailable(await engine.evaluate(QUESTION), 'engine_failed');
    expectUnavailable(await engine.evaluate(QUESTION), 'engine_failed');
  });

  test('what an evaluation left behind when it failed is not built upon', async () => {
    const engine = await open('tainted');
    expectUnavailable(await engine.evaluate(slow), 'engine_failed');
    expect((await engine.evaluate(QUESTION)).outcome).toBe('allow');
  });

  test('a plain boolean is an answer', async () => {
    expect(await (await open('plain')).evaluate(QUESTION)).toMatchObject({ outcome: 'allow', rules: [] });
  });
});

describe('bounds', () => {
  test('a policy gets no more memory than it may', async () => {
    const engine = await open('hungry', { maxMemoryPages: 64 });
    expect((await engine.evaluate(QUESTION)).outcome).toBe('allow');
  });

  test('an input that does not fit is engine_failed, the next that does is answered', async () => {
    const engine = await open('decision', { maxMemoryPages: 5 });
    const attributes = Object.fromEntries(Array.from({ length: 64 }, (_, i) => [`a${i}`, 'é'.repeat(4096)]));
    expectUnavailable(await engine.evaluate({ ...QUESTION, attributes }), 'engine_failed');
    expect((await engine.evaluate(QUESTION)).outcome).toBe('allow');
  });

  test('questions beyond those waiting are refused at once', async () => {
    const engine = await open('endless', { deadlineMs: 300, endAfterMs: 0, maxPending: 3 });
    const waiting = [1, 2, 3].map(() => engine.evaluate(QUESTION));
    expectUnavailable(await engine.evaluate(QUESTION), 'overloaded');
    for (const verdict of await Promise.all(waiting)) expectUnavailable(verdict, 'deadline');
  });

  test('closing ends what is under way and what waits', async () => {
    const engine = await open('endless');
    const waiting = [engine.evaluate(QUESTION), engine.evaluate(QUESTION)];
    await engine.close();
    for (const verdict of await Promise.all(waiting)) expectUnavailable(verdict, 'engine_failed');
    expectUnavailable(await engine.evaluate(QUESTION), 'engine_failed');
  });

  test('no timer stays behind', async () => {
    const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    const before = timers();
    const engine = await open('decision');
    for (let i = 0; i < 20; i++) await engine.evaluate(QUESTION);
    expect(timers()).toBeLessThan(before + 5);
  });
});

test('a policy that nobody asks does not hold the process', async () => {
  const holding = () => process.getActiveResourcesInfo().filter((kind) => kind === 'MessagePort').length;
  const before = holding();
  const engine = await open('plain');
  expect(holding()).toBe(before);
  await engine.evaluate(QUESTION);
  expect(holding()).toBe(before);
});

describe('no thread goes on', () => {
  let started = 0;
  let ended = 0;
  const watch = (thread: Worker) => {
    started++;
    thread.on('exit', () => ended++);
  };

  beforeEach(() => {
    [started, ended] = [0, 0];
    process.on('worker', watch);
  });
  afterEach(() => {
    process.off('worker', watch);
  });

  test('after its evaluation was ended', async () => {
    const engine = await open('endless', { deadlineMs: 20, endAfterMs: 0 });
    expectUnavailable(await engine.evaluate(QUESTION), 'deadline');
    await waitFor('the thread to end', () => (ended === 1 ? true : undefined), { deadlineMs: AMPLE_MS });
  });

  test('after closing, also in the middle of an evaluation', async () => {
    const engine = await open('endless');
    void engine.evaluate(QUESTION);
    await engine.close();
    expect({ started, ended }).toEqual({ started: 1, ended: 1 });
  });

  test('after a module was refused', async () => {
    await expect(open('decision', { entrypoint: 'x/y' })).rejects.toThrow(OpaModuleError);
    expect({ started, ended }).toEqual({ started: 1, ended: 1 });
  });
});

describe('a module that cannot be used', () => {
  test.each<[string, () => Partial<OpaWasmOptions>, RegExp]>([
    ['no module', () => ({ module: Buffer.from('package x') }), /^module: .*magic/],
    ['another ABI', () => ({ module: Buffer.from('0061736d01000000', 'hex') }), /^module: /],
    ['no such entrypoint', () => ({ entrypoint: 'x/y' }), /^module: it has no entrypoint x\/y, only meterh/],
    ['memory below what it needs', () => ({ initialMemoryPages: 1 }), /^module: .*memory/],
  ])('%s', async (_what, changes, message) => {
    const opening = open('decision', changes());
    await expect(opening).rejects.toThrow(OpaModuleError);
    await expect(opening).rejects.toThrow(message);
  });

  test('one that is not ready in time', async () => {
    await expect(open('decision', { startDeadlineMs: 1 })).rejects.toThrow('module: not ready within 1 ms');
  });

  test('an option that is wrong is named', async () => {
    await expect(open('decision', { deadlineMs: 0 })).rejects.toThrow('deadlineMs');
  });
});
