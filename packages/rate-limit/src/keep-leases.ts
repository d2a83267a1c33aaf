/**
 * Keeps the places of a concurrency limit for as long as the work runs, or says that they are lost. What
 * is left of a term is counted on the monotonic clock from before each question, so whoever holds a place
 * stops believing in it no later than the store gives it away, whatever has frozen in between.
 */
import type { Leases } from './charge.ts';
import type { RateLimiter } from './limiter.ts';

export interface KeptLeases {
  /** Aborted with a LeasesLostError once a place may be somebody else's: the work must stop. */
  readonly signal: AbortSignal;
  /** Monotonic instant up to which the places are ours for certain; later with each renewal. */
  readonly heldUntilMs: number;
  /** Gives the places back. Never rejects: while the store is away they end by themselves. */
  release(): Promise<void>;
}

export interface KeepLeasesOptions {
  readonly rootId: string;
  readonly leases: Leases;
  /** Monotonic instant from before they were asked for. */
  readonly askedAtMs: number;
  readonly monotonicMs: () => number;
}

export class LeasesLostError extends Error {
  readonly end: 'taken' | 'out_of_time';

  constructor(end: LeasesLostError['end']) {
    super(end === 'taken' ? 'the place is somebody else’s' : 'the place could not be renewed in time');
    this.name = 'LeasesLostError';
    this.end = end;
  }
}

/** Longest wait until the store is asked again that did not answer. */
const RETRY_MS = 1_000;
/** One that fails leaves time for two more. */
const RENEWALS_A_TERM = 3;

export function keepLeases(
  limiter: Pick<RateLimiter, 'renewLeases' | 'releaseLeases'>,
  options: KeepLeasesOptions,
): KeptLeases {
  return new Keeper(limiter, options);
}

class Keeper implements KeptLeases {
  readonly #limiter: Pick<RateLimiter, 'renewLeases' | 'releaseLeases'>;
  readonly #options: KeepLeasesOptions;
  readonly #termMs: number;
  readonly #lost = new AbortController();
  #heldUntilMs: number;
  #renewal: NodeJS.Timeout;
  #expiry: NodeJS.Timeout;
  #open = true;
  #renewing: Promise<void> = Promise.resolve();

  constructor(limiter: Pick<RateLimiter, 'renewLeases' | 'releaseLeases'>, options: KeepLeasesOptions) {
    this.#limiter = limiter;
    this.#options = options;
    this.#termMs = Math.min(...options.leases.of.map(({ leaseMs }) => leaseMs));
    this.#heldUntilMs = options.askedAtMs + this.#termMs;
    this.#expiry = this.#expireInTime();
    this.#renewal = this.#renewIn(this.#thirdMs);
  }

  get signal(): AbortSignal {
    return this.#lost.signal;
  }

  get heldUntilMs(): number {
    return this.#heldUntilMs;
  }

  async release(): Promise<void> {
    if (!this.#open) return;
    this.#end();
    // A renewal under way would take the places again after they were given back.
    await this.#renewing;
    await this.#limiter.releaseLeases(this.#options.rootId, this.#options.leases);
  }

  get #thirdMs(): number {
    return this.#termMs / RENEWALS_A_TERM;
  }

  #expireInTime(): NodeJS.Timeout {
    const leftMs = Math.max(0, this.#heldUntilMs - this.#options.monotonicMs());
    return setTimeout(() => this.#lose('out_of_time'), leftMs).unref();
  }

  #renewIn(ms: number): NodeJS.Timeout {
    return setTimeout(() => {
      this.#renewing = this.#renew();
    }, ms).unref();
  }

  async #renew(): Promise<void> {
    const { rootId, leases, monotonicMs } = this.#options;
    const askedAtMs = monotonicMs();
    const answer = await this.#limiter.renewLeases(rootId, leases);
    if (!this.#open) return;
    if (answer === 'lost') {
      this.#lose('taken');
      return;
    }
    if (answer === 'renewed') {
      clearTimeout(this.#expiry);
      this.#heldUntilMs = askedAtMs + this.#termMs;
      this.#expiry = this.#expireInTime();
    }
    this.#renewal = this.#renewIn(answer === 'renewed' ? this.#thirdMs : Math.min(RETRY_MS, this.#thirdMs));
  }

  #lose(end: LeasesLostError['end']): void {
    this.#end();
    this.#lost.abort(new LeasesLostError(end));
  }

  #end(): void {
    this.#open = false;
    clearTimeout(this.#renewal);
    clearTimeout(this.#expiry);
  }
}
