/**
 * Calls to a store that does not answer end within their deadline, are bounded in number, and stop after
 * some failures; one at a time then finds out whether it is back. With a clock that the test sets.
 */
import { waitFor } from '@meterhouse/runtime';
import { describe, expect, test } from 'vitest';
import { CircuitBreaker, type CircuitState } from './circuit-breaker.ts';
import { StoreGuard } from './store-guard.ts';

const cameBack = (guard: StoreGuard): Promise<true> =>
  waitFor('the answer that was given up', () => (guard.pending === 0 ? true : undefined), {
    deadlineMs: 5_000,
  });
const answers = (): Promise<string> => Promise.resolve('answer');
const fails = (): Promise<string> => Promise.reject(new Error('refused'));

describe('circuit', () => {
  const opened = (): { breaker: CircuitBreaker; states: CircuitState[]; wait: (ms: number) => void } => {
    let nowMs = 0;
    const states: CircuitState[] = [];
    const bounds = { failuresToOpen: 3, openMs: 100 };
    const breaker = new CircuitBreaker(
      bounds,
      () => nowMs,
      (state) => states.push(state),
    );
    for (let i = 0; i < 3; i++) breaker.failed();
    return { breaker, states, wait: (ms) => (nowMs += ms) };
  };

  test('opens after failures in a row, not after as many with a success between them', () => {
    const { breaker } = opened();
    expect(breaker.tryPass()).toBe(false);
    const mixed = new CircuitBreaker(
      { failuresToOpen: 3, openMs: 100 },
      () => 0,
      () => undefined,
    );
    for (let i = 0; i < 9; i++) {
      if (i % 3 === 2) mixed.succeeded();
      else mixed.failed();
    }
    expect(mixed.state).toBe('closed');
  });

  test('lets one through after its time; its failure opens it anew, its success closes it', () => {
    const { breaker, states, wait } = opened();
    wait(99);
    expect([breaker.tryPass(), breaker.retryAfterMs]).toEqual([false, 1]);
    wait(1);
    expect([breaker.tryPass(), breaker.tryPass()]).toEqual([true, false]);
    breaker.failed();
    wait(99);
    expect(breaker.tryPass()).toBe(false);
    wait(1);
    expect(breaker.tryPass()).toBe(true);
    breaker.succeeded();
    expect([breaker.tryPass(), breaker.tryPass()]).toEqual([true, true]);
    expect(states).toEqual(['open', 'half_open', 'open', 'half_open', 'closed']);
  });

  test('failures of what was under way do not keep it open longer', () => {
    const { breaker, wait } = opened();
    wait(60);
    breaker.failed();
    wait(40);
    expect(breaker.tryPass()).toBe(true);
  });
});

describe('guard', () => {
  const bounds = { deadlineMs: 20, maxPending: 3, failuresToOpen: 100, openMs: 100 };

  test('what was given up counts as pending until it comes back', async () => {
    const guard = new StoreGuard(
      bounds,
      () => 0,
      () => undefined,
    );
    const held: ((answer: string) => void)[] = [];
    const hangs = (): Promise<string> => new Promise((resolve) => held.push(resolve));
    const results = await Promise.all([1, 2, 3, 4, 5].map(() => guard.run(hangs)));
    const reasons = results.map((result) => (result.answered ? null : result.reason));
    expect(reasons).toEqual(['timeout', 'timeout', 'timeout', 'overloaded', 'overloaded']);
    expect([guard.pending, held.length]).toEqual([3, 3]);
    for (const release of held) release('late');
    await cameBack(guard);
    expect(await guard.run(answers)).toEqual({ answered: true, value: 'answer' });
    expect(guard.pending).toBe(0);
  });

  test('a call that is not made for being one too many does not use up the probe', async () => {
    let nowMs = 0;
    const guard = new StoreGuard(
      { ...bounds, maxPending: 1, failuresToOpen: 1 },
      () => nowMs,
      () => undefined,
    );
    let release = (_answer: string): void => undefined;
    await guard.run(() => new Promise<string>((resolve) => (release = resolve)));
    expect(guard.circuit).toBe('open');
    nowMs = 100;
    expect(await guard.run(answers)).toEqual({ answered: false, reason: 'overloaded' });
    release('late');
    await cameBack(guard);
    expect(await guard.run(answers)).toMatchObject({ answered: true });
    expect(guard.circuit).toBe('closed');
  });

  test('says what opened the circuit', async () => {
    const causes: unknown[] = [];
    const guard = new StoreGuard(
      { ...bounds, failuresToOpen: 1 },
      () => 0,
      (_state, cause) => causes.push(cause),
    );
    expect(await guard.run(fails)).toEqual({ answered: false, reason: 'failed' });
    expect(causes).toEqual([new Error('refused')]);
    expect(await guard.run(answers)).toEqual({ answered: false, reason: 'circuit_open' });
  });

  test('an answer that arrived while the process was busy counts', async () => {
    const guard = new StoreGuard(
      { ...bounds, deadlineMs: 1 },
      () => 0,
      () => undefined,
    );
    const lateInNextTurn = (): Promise<string> =>
      new Promise((answer) => setImmediate(() => setImmediate(() => answer('answer'))));
    const answered = new Promise((resolve) => {
      // Among the timers, so that the deadline's timer is met in the next turn of the loop, before the answer.
      setTimeout(() => {
        resolve(guard.run(lateInNextTurn));
        const busyUntilMs = performance.now() + 10;
        while (performance.now() < busyUntilMs);
      }, 1);
    });
    expect(await answered).toEqual({ answered: true, value: 'answer' });
  });
});
