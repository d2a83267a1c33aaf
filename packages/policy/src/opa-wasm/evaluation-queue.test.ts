/**
 * The queue in front of the thread, when the thread dies:
 * - a thread that does not start again fails those who wait, and the next question starts another
 * - one starts at a time, however many wait
 * - closing while a thread starts ends that thread too
 */
import { beforeAll, expect, test } from 'vitest';
import { waitFor } from '@meterhouse/runtime';
import { EvaluationQueue } from './evaluation-queue.ts';
import { opaModule } from './module-testing.ts';
import { OpaModuleError, PolicyThread } from './policy-thread.ts';

const AMPLE_MS = 30_000;
const bounds = { deadlineMs: AMPLE_MS, endAfterMs: 0, maxPending: 10 };

let module: Uint8Array;

beforeAll(async () => {
  module = await opaModule();
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
