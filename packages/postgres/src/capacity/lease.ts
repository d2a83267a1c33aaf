/**
 * Keeps a reservation alive while its holder is, and tells the holder when it is over.
 *
 * What the holder believes is counted on the monotonic clock from before each question, so it stops
 * no later than Postgres gives the place away, also when Postgres cannot be reached to say so.
 */
import { isRetryable } from '../errors.ts';
import type { Db } from '../pool.ts';
import type { Grant, ReleaseAnswer, RenewAnswer } from './answers.ts';
import { release, renew } from './operations.ts';

export interface LeaseOptions {
  readonly tenantId: string;
  readonly by: string;
  /** The term that each renewal gives. */
  readonly ttlMs: number;
  /** `performance.now()` from before the grant was asked for. */
  readonly askedAt: number;
  /** A new one for each renewal, such as `randomUUID`. */
  readonly newKey: () => string;
}

/**
 * Why a lease is over. `out_of_time`: Postgres did not answer before its term was over. `failed`: it
 * answered with an error that does not pass.
 */
export type LeaseEnd = Exclude<RenewAnswer['kind'], 'renewed'> | 'out_of_time' | 'failed';

export interface Lease {
  /** Aborted when the place is lost, with a LeaseLostError. Stop the work. */
  readonly signal: AbortSignal;
  /** The current one: each renewal brings a higher one. */
  readonly fencingToken: bigint;
  /** Ends the renewing, and gives the units back. Waits for a renewal that is under way. */
  release(reason?: string): Promise<ReleaseAnswer>;
}

/** The holder no longer has its place, and goes on at its own risk. */
export class LeaseLostError extends Error {
  override name = 'LeaseLostError';
  readonly end: LeaseEnd;

  constructor(reservationId: bigint, end: LeaseEnd, cause?: unknown) {
    super(`the lease on reservation ${reservationId} is over: ${end}`, { cause });
    this.end = end;
  }
}

/** A renewal that fails leaves time for two more. */
const RENEWALS_A_TERM = 3;
const RETRIES_A_TERM = 20;
/** What a timer can count; a longer one would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * Renews at a third of the term, and again sooner after an error that passes, until it is released or lost.
 * @param grant with an end, as reserve, confirm or renew has just answered it
 * @throws TypeError when the grant has no end: there is nothing to renew
 */
export function keepLease(db: Db, grant: Grant, options: LeaseOptions): Lease {
  if (grant.expiresInMs === null)
    throw new TypeError('this reservation has no term: it stands until released');
  return new RenewedLease(db, grant, grant.expiresInMs, options);
}

class RenewedLease implements Lease {
  readonly #db: Db;
  readonly #options: LeaseOptions;
  readonly #reservationId: bigint;
  readonly #lost = new AbortController();
  #token: bigint;
  #deadline: number;
  #timer: NodeJS.Timeout | undefined;
  #expiry: NodeJS.Timeout | undefined;
  #renewing: Promise<void> = Promise.resolve();
  /** Of a renewal that may have been carried out, and with it the token changed. */
  #unansweredKey: string | null = null;
  #over = false;
  #lastError: unknown;

  constructor(db: Db, grant: Grant, expiresInMs: number, options: LeaseOptions) {
    this.#db = db;
    this.#options = options;
    this.#reservationId = grant.reservationId;
    this.#token = grant.fencingToken;
    this.#deadline = options.askedAt + expiresInMs;
    this.#watchTerm();
    this.#renewIn(expiresInMs / RENEWALS_A_TERM, options.newKey());
  }

  get signal(): AbortSignal {
    return this.#lost.signal;
  }

  get fencingToken(): bigint {
    return this.#token;
  }

  async release(reason = ''): Promise<ReleaseAnswer> {
    this.#stop();
    // Its answer may bring the token that is needed.
    await this.#renewing;
    if (this.#unansweredKey !== null) await this.#renew(this.#unansweredKey);
    const { tenantId, by } = this.#options;
    return release(this.#db, {
      ...{ tenantId, by, reason },
      ...{ reservationId: this.#reservationId, fencingToken: this.#token },
    });
  }

  #renewIn(delayMs: number, key: string): void {
    this.#timer = setTimeout(
      () => {
        this.#renewing = this.#renew(key);
      },
      Math.min(delayMs, MAX_TIMER_MS),
    );
  }

  /** The same key until there is an answer: the one before may have been carried out. */
  async #renew(key: string): Promise<void> {
    const { tenantId, by, ttlMs, newKey } = this.#options;
    const askedAt = performance.now();
    let answer: RenewAnswer;
    try {
      answer = await renew(this.#db, {
        ...{ tenantId, by, key, ttlMs },
        ...{ reservationId: this.#reservationId, fencingToken: this.#token },
      });
    } catch (error) {
      this.#lastError = error;
      this.#unansweredKey = key;
      if (this.#over) return;
      if (isRetryable(error)) this.#renewIn(ttlMs / RETRIES_A_TERM, key);
      else this.#lose('failed');
      return;
    }
    this.#unansweredKey = null;
    if (answer.kind === 'renewed') this.#token = answer.fencingToken;
    if (this.#over) return;
    if (answer.kind !== 'renewed' || answer.expiresInMs === null) {
      this.#lose(answer.kind === 'renewed' ? 'does_not_expire' : answer.kind);
      return;
    }
    this.#lastError = undefined;
    this.#deadline = askedAt + answer.expiresInMs;
    this.#watchTerm();
    this.#renewIn(ttlMs / RENEWALS_A_TERM, newKey());
  }

  #watchTerm(): void {
    clearTimeout(this.#expiry);
    const leftMs = this.#deadline - performance.now();
    this.#expiry = setTimeout(
      () => {
        if (performance.now() < this.#deadline) this.#watchTerm();
        else this.#lose('out_of_time');
      },
      Math.min(leftMs, MAX_TIMER_MS),
    );
  }

  #lose(end: LeaseEnd): void {
    this.#stop();
    this.#lost.abort(new LeaseLostError(this.#reservationId, end, this.#lastError));
  }

  #stop(): void {
    this.#over = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#expiry);
  }
}
