/**
 * Bounds the bodies that are held in memory at one time, over all connections: a thousand clients may
 * each send 5 MB at once. No single key may take it all from the others.
 */
import { ignore } from '@meterhouse/runtime';
import { ApiProblem } from '../http/problem.ts';

export interface IntakeBounds {
  readonly maxBytes: number;
  readonly maxBytesPerKey: number;
}

/** What ran out: the memory for bodies, or one key's share of it. */
export type BudgetRefusal = 'body_memory' | 'key_share';

const BOUNDS: IntakeBounds = { maxBytes: 64 * 1024 * 1024, maxBytesPerKey: 24 * 1024 * 1024 };
const RETRY_SECONDS = 1;

export interface IntakeLease {
  /** @throws ApiProblem `overloaded` (all of it is taken) or `rate_limited` (the key's share is) */
  readonly take: (bytes: number) => void;
  /** Gives back everything; more than once does no harm. */
  readonly release: () => void;
}

export class IntakeBudget {
  readonly #bounds: IntakeBounds;
  readonly #onRefused: (reason: BudgetRefusal) => void;
  /** Only keys that hold something. */
  readonly #heldByKey = new Map<string, number>();
  #held = 0;

  /** @param onRefused told of each refusal, for metrics */
  constructor(bounds: IntakeBounds = BOUNDS, onRefused: (reason: BudgetRefusal) => void = ignore) {
    this.#bounds = bounds;
    this.#onRefused = onRefused;
  }

  get maxBytes(): number {
    return this.#bounds.maxBytes;
  }

  get heldBytes(): number {
    return this.#held;
  }

  lease(key: string): IntakeLease {
    let held = 0;
    return {
      take: (bytes) => {
        this.#take(key, bytes);
        held += bytes;
      },
      release: () => {
        this.#give(key, held);
        held = 0;
      },
    };
  }

  #take(key: string, bytes: number): void {
    const ofKey = (this.#heldByKey.get(key) ?? 0) + bytes;
    if (ofKey > this.#bounds.maxBytesPerKey) {
      this.#onRefused('key_share');
      throw new ApiProblem(
        'rate_limited',
        'This key sends more at one time than it may. Nothing was taken.',
        {
          retryAfterSeconds: RETRY_SECONDS,
        },
      );
    }
    if (this.#held + bytes > this.#bounds.maxBytes) {
      this.#onRefused('body_memory');
      throw new ApiProblem('overloaded', 'Too much is being sent at the moment. Nothing was taken.', {
        retryAfterSeconds: RETRY_SECONDS,
      });
    }
    this.#heldByKey.set(key, ofKey);
    this.#held += bytes;
  }

  #give(key: string, bytes: number): void {
    const ofKey = (this.#heldByKey.get(key) ?? 0) - bytes;
    if (ofKey > 0) this.#heldByKey.set(key, ofKey);
    else this.#heldByKey.delete(key);
    this.#held -= bytes;
  }
}
