/**
 * Every call to a store ends within a deadline, with an answer or with the reason why there is none.
 * What was given up may still arrive there: it can only charge too much, never admit.
 */
import { CircuitBreaker, type CircuitBounds, type CircuitState } from './circuit-breaker.ts';
import { StoreFullError } from './store.ts';

export type NoAnswer =
  /** Not within the deadline. */
  | 'timeout'
  /** It failed too often just now, and was not asked. */
  | 'circuit_open'
  /** Too many calls wait for it already. */
  | 'overloaded'
  /** It refused, or the connection is gone. */
  | 'failed'
  /** The store in memory has no room for another key. */
  | 'store_full';

export interface GuardBounds extends CircuitBounds {
  readonly deadlineMs: number;
  /** Calls under way at most, with those that were given up and have not come back. */
  readonly maxPending: number;
}

export type Guarded<T> =
  { readonly answered: true; readonly value: T } | { readonly answered: false; readonly reason: NoAnswer };

export class StoreGuard {
  readonly #bounds: GuardBounds;
  readonly #breaker: CircuitBreaker;
  #pending = 0;
  #lastFailure: unknown = null;

  constructor(
    bounds: GuardBounds,
    monotonicMs: () => number,
    onChange: (state: CircuitState, cause: unknown) => void,
  ) {
    this.#bounds = bounds;
    this.#breaker = new CircuitBreaker(bounds, monotonicMs, (state) => onChange(state, this.#lastFailure));
  }

  get pending(): number {
    return this.#pending;
  }

  get circuit(): CircuitState {
    return this.#breaker.state;
  }

  get retryAfterMs(): number {
    return this.#breaker.retryAfterMs;
  }

  async run<T>(call: () => Promise<T>): Promise<Guarded<T>> {
    // Before the circuit is asked, whose one probe must not be used up by a call that is not made.
    if (this.#pending >= this.#bounds.maxPending) return { answered: false, reason: 'overloaded' };
    if (!this.#breaker.tryPass()) return { answered: false, reason: 'circuit_open' };
    const deadline = new Deadline(this.#bounds.deadlineMs);
    this.#pending += 1;
    const answer = call().finally(() => (this.#pending -= 1));
    try {
      const first = await Promise.race([answer.then((value) => ({ value })), deadline.passed]);
      if (first === null) {
        this.#lastFailure = new Error(`no answer within ${this.#bounds.deadlineMs} ms`);
        this.#breaker.failed();
        return { answered: false, reason: 'timeout' };
      }
      this.#breaker.succeeded();
      return { answered: true, value: first.value };
    } catch (error) {
      if (error instanceof StoreFullError) {
        this.#breaker.succeeded();
        return { answered: false, reason: 'store_full' };
      }
      this.#lastFailure = error;
      this.#breaker.failed();
      return { answered: false, reason: 'failed' };
    } finally {
      deadline.clear();
    }
  }
}

class Deadline {
  readonly passed: Promise<null>;
  readonly #timer: NodeJS.Timeout;

  constructor(ms: number) {
    const { promise, resolve } = Promise.withResolvers<null>();
    this.passed = promise;
    // A process that was busy meets its timers before its sockets: an answer that lies there counts.
    this.#timer = setTimeout(() => setImmediate(() => resolve(null)), ms);
  }

  clear(): void {
    clearTimeout(this.#timer);
  }
}
