/**
 * The queue in front of the thread, when the thread dies:
 * - a thread that does not start again fails those who wait, and the next question starts another
 * - one starts at a time, however many wait
 * - an evaluation that ended late is not held against the next one
 * - closing while a thread starts ends that thread too
 */
import { afterEach, beforeAll, expect, test, vi } from 'vitest';
import { waitFor } from '@meterhouse/runtime';
import { EvaluationQueue } from './evaluation-queue.ts';
import { opaModule } from './module-testing.ts';
import { OpaModuleError, PolicyThread, type Evaluation } from './policy-thread.ts';

const AMPLE_MS = 30_000;
const bounds = { deadlineMs: AMPLE_MS, endAfterMs: 0, maxPending: 10 };

let module: Uint8Array;

beforeAll(async () => {
  module = await opaModule();
});

afterEach(() => {
  vi.useRealTimers();
});

function start(): Promise<PolicyThread> {
  const data = { module, entrypoint: 'meterhouse/plain', initialMemoryPages: 5, maxMemoryPages: 64 };
  return PolicyThread.start(data, AMPLE_MS);
}

test('a thread that does not start again fails those who wait; the next question starts another', async () => {
  let starts = 0;
  const first = await start();
  const queue = new EvaluationQueue(first, {
    ...bounds,
    startThread: () => {
      starts++;
      return starts === 1 ? Promise.reject(new OpaModuleError('no memory')) : start();
    },
  });
  first.abandon();
  const answers = await Promise.all([queue.ask({}), queue.ask({}), queue.ask({})]);
  for (const answer of answers) expect(answer).toEqual({ kind: 'problem', problem: 'engine_failed' });
  expect(starts).toBe(1);
  const again = await Promise.all([queue.ask({}), queue.ask({}), queue.ask({})]);
  for (const answer of again) expect(answer).toEqual({ kind: 'result', results: [{ result: true }] });
  expect(starts).toBe(2);
  await queue.close();
});

test('an evaluation that ended late is not held against the next one', async () => {
  vi.useFakeTimers();
  const answers: ((evaluation: Evaluation) => void)[] = [];
  const abandon = vi.fn();
  const thread = {
    evaluate: () => new Promise<Evaluation>((resolve) => answers.push(resolve)),
    abandon,
    stop: () => Promise.resolve(),
  };
  const startThread = () => Promise.reject(new Error('not needed'));
  const queue = new EvaluationQueue(thread, { deadlineMs: 10, endAfterMs: 100, maxPending: 10, startThread });

  const late = queue.ask({});
  await vi.advanceTimersByTimeAsync(10);
  expect(await late).toEqual({ kind: 'problem', problem: 'deadline' });
  answers[0]?.({ kind: 'result', results: [] });
  await vi.advanceTimersByTimeAsync(95);
  const next = queue.ask({});
  await vi.advanceTimersByTimeAsync(9);
  expect(abandon).not.toHaveBeenCalled();
  answers[1]?.({ kind: 'result', results: ['next'] });
  expect(await next).toEqual({ kind: 'result', results: ['next'] });
  expect(vi.getTimerCount()).toBe(0);

  // The one that does go on is ended, and not a moment before.
  void queue.ask({});
  await vi.advanceTimersByTimeAsync(109);
  expect(abandon).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(1);
  expect(abandon).toHaveBeenCalledOnce();
});

test('closing while a thread starts ends that thread too', async () => {
  const first = await start();
  const starting = Promise.withResolvers<PolicyThread>();
  let asked = false;
  const startThread = () => {
    asked = true;
    return starting.promise;
  };
  const queue = new EvaluationQueue(first, { ...bounds, startThread });
  first.abandon();
  const answer = queue.ask({});
  await waitFor('the next thread to be started', () => (asked ? true : undefined), { deadlineMs: AMPLE_MS });
  const waiting = queue.ask({});
  const closing = queue.close();
  const second = await start();
  starting.resolve(second);
  await closing;
  for (const one of [await answer, await waiting])
    expect(one).toEqual({ kind: 'problem', problem: 'engine_failed' });
  expect(await second.evaluate({})).toEqual({ kind: 'gone' });
});
