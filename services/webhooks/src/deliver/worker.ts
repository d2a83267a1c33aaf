/** Takes deliveries out of the outbox, as many at a time as the bounds allow, until it is told to stop. */
import { errorCode, isRetryable } from '@meterhouse/postgres';
import { leaseDeliveries, type LeasedDelivery } from '@meterhouse/postgres/webhooks';
import { Drain, ignore, pause } from '@meterhouse/runtime';
import { Rounds } from '../progress.ts';
import { steadily } from '../steady.ts';
import { attempt, type AttemptParts } from './attempt.ts';

/** Of a stop's time that is left; the rest is for closing the stores. */
const ANSWER_SHARE = 0.8;

export class DeliveryWorker {
  /** Of asking for deliveries; it goes on while receivers are slow. */
  readonly rounds = new Rounds();
  readonly #parts: AttemptParts;
  readonly #stopping = new AbortController();
  readonly #inFlight = new Set<Promise<void>>();
  readonly #broken = Promise.withResolvers<never>();
  readonly #done: Promise<void>;
  /** Nobody waits for what is on its way any more. */
  #left = false;

  /** @param fail ends the service */
  constructor(parts: AttemptParts, fail: (error: unknown) => void) {
    this.#parts = parts;
    this.#broken.promise.catch(fail);
    const { bounds, random, logger } = parts;
    this.#done = steadily(
      {
        what: 'delivering',
        signal: this.#stopping.signal,
        retry: bounds.retry,
        random,
        logger,
        rounds: this.rounds,
      },
      () => this.#round(),
    ).catch(fail);
  }

  /** Deliveries on their way. */
  get inFlight(): number {
    return this.#inFlight.size;
  }

  /**
   * Waits for what is on its way. What a slow receiver has not answered by the end is left: its lease ends, and
   * the next worker sends it again.
   */
  async stop(drain: Drain = Drain.within()): Promise<void> {
    this.#stopping.abort();
    await this.#done;
    const over = new AbortController();
    await Promise.race([Promise.all(this.#inFlight), pause(drain.leftMs * ANSWER_SHARE, over.signal)]);
    over.abort();
    if (this.#inFlight.size === 0) return;
    this.#left = true;
    this.#parts.logger.warn(
      { deliveries: this.#inFlight.size },
      'receivers have not answered by the end: what they were sent is sent again by the next start',
    );
  }

  async #round(): Promise<number> {
    const { pool, bounds } = this.#parts;
    const free = bounds.maxInFlight - this.#inFlight.size;
    const leased =
      free === 0
        ? []
        : await leaseDeliveries(pool, {
            max: free,
            maxPerSubscription: bounds.maxPerSubscription,
            openAfterFailures: bounds.circuit.openAfterFailures,
            leaseMs: bounds.send.timeoutMs + this.#parts.target.resolveTimeoutMs + bounds.leaseSlackMs,
          });
    for (const delivery of leased) this.#start(delivery);
    if (leased.length > 0) return 0;
    await this.#somethingEnded();
    return 0;
  }

  /** Whatever ended makes room, at the endpoint or here; else it is time to ask again. */
  async #somethingEnded(): Promise<void> {
    const over = new AbortController();
    const signal = AbortSignal.any([this.#stopping.signal, over.signal]);
    await Promise.race([pause(this.#parts.bounds.pollMs, signal), ...this.#inFlight]);
    over.abort();
  }

  #start(delivery: LeasedDelivery): void {
    const running = this.#attempt(delivery).finally(() => this.#inFlight.delete(running));
    running.catch(ignore);
    this.#inFlight.add(running);
  }

  async #attempt(delivery: LeasedDelivery): Promise<void> {
    try {
      const outcome = await attempt(delivery, this.#parts);
      this.#parts.attempted?.(outcome);
    } catch (error) {
      if (this.#left) return;
      if (!isRetryable(error)) {
        this.#broken.reject(error);
        return;
      }
      this.#parts.logger.warn(
        { code: errorCode(error), delivery: delivery.id },
        'how a delivery went could not be noted: it is sent again',
      );
    }
  }
}
