/**
 * Takes events into the buffer and brings them to the transport, batch by batch, until each is
 * settled: acknowledged, given up at its deadline, or refused for good by the receiver. It runs only while there
 * is something to deliver; idle, it holds no timer.
 */
import { backoffMs } from '@meterhouse/runtime';
import type { Logger } from 'pino';
import { abortable } from './abortable.ts';
import { EventBuffer, type Bounds, type Entry, type Held } from './buffer.ts';
import type { Tally } from './counters.ts';
import { MeterError, notAcknowledged } from './errors.ts';
import { largestField } from './event-size.ts';
import { inTime } from './in-time.ts';
import { isPowerOfTwo } from './reporting.ts';
import { TransportError, type Rejection, type Transport } from './transport.ts';

export interface DeliveryLimits {
  readonly buffer: Bounds;
  readonly batch: Bounds;
  /** How long a batch waits for more events. */
  readonly lingerMs: number;
  /** How long one send may take. */
  readonly attemptMs: number;
}

export interface DeliveryPorts {
  /** Milliseconds that only go up. */
  readonly clock: () => number;
  /** In [0, 1). */
  readonly random: () => number;
  readonly logger: Logger;
}

const BACKOFF = { baseMs: 100, maxMs: 2_000 };
/** A receiver that asks for more is asked again all the same. */
const MAX_RETRY_AFTER_MS = 300_000;
const TRANSPORT_CLOSE_MS = 2_000;
/** What it takes to give up one event, on a slow machine. */
const GIVING_UP_MS = 0.002;

interface FlushWaiter {
  /** Entries before this order are waited for. */
  readonly through: number;
  failed: number;
  readonly done: () => void;
}

export class Delivery {
  readonly buffer: EventBuffer;
  readonly #transport: Transport;
  readonly #limits: DeliveryLimits;
  readonly #tally: Tally;
  readonly #ports: DeliveryPorts;
  readonly #flushes = new Set<FlushWaiter>();
  #roomWaiters: (() => void)[] = [];
  #running: Promise<void> | null = null;
  #attempt: AbortController | null = null;
  #endLinger: (() => void) | null = null;
  #endPause: (() => void) | null = null;
  #closing = false;
  /** Failed sends since the last that succeeded. */
  #failures = 0;
  /** Why the latest send failed; null since one arrived. */
  #lastProblem: TransportError | null = null;

  constructor(transport: Transport, limits: DeliveryLimits, tally: Tally, ports: DeliveryPorts) {
    this.#transport = transport;
    this.#limits = limits;
    this.#tally = tally;
    this.#ports = ports;
    this.buffer = new EventBuffer(limits.buffer);
  }

  /** @returns false where the buffer is at its bound */
  offer(entry: Entry): boolean {
    if (!this.buffer.offer(entry)) return false;
    if (this.buffer.waiting >= this.#limits.batch.maxEvents) this.#endLinger?.();
    this.#running ??= this.#run();
    return true;
  }

  /** Resolves when the buffer has room. */
  async room(): Promise<void> {
    while (this.buffer.isFull()) await new Promise<void>((resolve) => this.#roomWaiters.push(resolve));
  }

  /** Waits until everything taken so far is settled. @returns how many of it were not acknowledged */
  async flush(): Promise<number> {
    if (this.buffer.size === 0) return 0;
    return new Promise((resolve) => {
      const waiter: FlushWaiter = {
        through: this.buffer.nextOrder,
        failed: 0,
        done: () => {
          resolve(waiter.failed);
        },
      };
      this.#flushes.add(waiter);
      this.#endLinger?.();
    });
  }

  /** Delivers what it can within the deadline and gives up the rest; it is over when the deadline is. */
  async close(deadlineMs: number): Promise<void> {
    this.#closing = true;
    const deadline = this.#ports.clock() + deadlineMs;
    // To tell everybody takes its own time.
    const givingUpMs = Math.min(deadlineMs / 2, this.buffer.size * GIVING_UP_MS);
    const timer = setTimeout(() => {
      this.#giveUpAll();
    }, deadlineMs - givingUpMs);
    await this.flush();
    clearTimeout(timer);
    await this.#running;
    await this.#closeTransport(deadline - this.#ports.clock());
  }

  /**
   * Lets go of everything unsettled without a word, for whoever holds the originals, and ends.
   * @param leftMs how long the transport may take to close
   */
  async abandon(leftMs: number): Promise<void> {
    this.#closing = true;
    this.buffer.releaseAll();
    this.#endWaits();
    await this.#running;
    await this.#closeTransport(leftMs);
  }

  /** All at once: a full buffer, taken out one by one, would hold up the end of the process. */
  #giveUpAll(): void {
    const givenUp = this.buffer.releaseAll();
    this.#tally.failed += givenUp.length;
    for (const held of givenUp)
      this.#settleFailed(
        held,
        notAcknowledged(held.event, 'the meter was closed before the broker acknowledged it'),
      );
    this.#endWaits();
  }

  #endWaits(): void {
    this.#wakeWaiters();
    this.#attempt?.abort();
    this.#endPause?.();
    this.#endLinger?.();
  }

  async #closeTransport(leftMs: number): Promise<void> {
    const closed = this.#transport.close().catch((error: unknown) => {
      this.#ports.logger.warn({ err: error }, 'the transport did not close cleanly');
    });
    await inTime(closed, Math.min(leftMs, TRANSPORT_CLOSE_MS));
  }

  async #run(): Promise<void> {
    while (this.buffer.waiting > 0) {
      await this.#linger();
      await this.#deliver(this.buffer.takeBatch(this.#limits.batch));
    }
    this.#running = null;
  }

  /** Lets a batch fill up, unless it is full or someone waits for it. */
  async #linger(): Promise<void> {
    if (this.#closing || this.#flushes.size > 0 || this.buffer.waiting >= this.#limits.batch.maxEvents) {
      // One turn all the same, so that a caller's loop is not cut into batches of one.
      await Promise.resolve();
      return;
    }
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, this.#limits.lingerMs);
      this.#endLinger = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#endLinger = null;
  }

  async #deliver(batch: readonly Held[]): Promise<void> {
    for (;;) {
      this.#expire();
      const open = batch.filter((held) => this.buffer.isHeld(held));
      if (open.length === 0) return;
      const problem = await this.#send(open);
      if (problem === null) {
        this.#acknowledge(open);
        return;
      }
      if (problem.problem !== 'unavailable') {
        if (problem.rejected === null) await this.#deliverParts(open, problem);
        else this.#settleRest(open, problem.rejected, problem);
        return;
      }
      await this.#pauseAfter(problem);
    }
  }

  /** Halves the batch until the one event that the receiver does not take stands alone. */
  async #deliverParts(batch: readonly Held[], problem: TransportError): Promise<void> {
    const [first] = batch;
    if (batch.length === 1 && first !== undefined) {
      this.#refuse(first, problem, { field: null, detail: problem.message });
      this.#wakeWaiters();
      return;
    }
    const half = Math.ceil(batch.length / 2);
    await this.#deliver(batch.slice(0, half));
    await this.#deliver(batch.slice(half));
  }

  /** The receiver has said which events of the batch it will never take; it has the others. */
  #settleRest(
    batch: readonly Held[],
    rejected: ReadonlyMap<number, Rejection>,
    problem: TransportError,
  ): void {
    this.#recovered();
    for (const [index, held] of batch.entries()) {
      const rejection = rejected.get(index);
      if (rejection === undefined) this.#arrived(held);
      else this.#refuse(held, problem, rejection);
    }
    this.#wakeWaiters();
  }

  async #send(batch: readonly Held[]): Promise<TransportError | null> {
    const attempt = new AbortController();
    this.#attempt = attempt;
    const timer = setTimeout(() => {
      attempt.abort();
    }, this.#attemptMs(batch));
    try {
      const events = batch.map((held) => held.event);
      // Not every transport keeps its word about the signal; a hung one must not hold up close.
      await abortable(this.#transport.send(events, attempt.signal), attempt.signal);
      return null;
    } catch (error) {
      if (error instanceof TransportError) return error;
      return new TransportError('unavailable', error instanceof Error ? error.message : String(error), {
        cause: error,
      });
    } finally {
      clearTimeout(timer);
      this.#attempt = null;
    }
  }

  /** A send need not outlast the last deadline in its batch. */
  #attemptMs(batch: readonly Held[]): number {
    let last = 0;
    for (const { deadline } of batch) last = Math.max(last, deadline);
    return Math.max(1, Math.min(this.#limits.attemptMs, last - this.#ports.clock()));
  }

  async #pauseAfter(problem: TransportError): Promise<void> {
    this.#failures += 1;
    this.#lastProblem = problem;
    this.#tally.retries += 1;
    // The 1st, 2nd, 4th, 8th … so that a day without a broker does not fill a disk.
    if (isPowerOfTwo(this.#failures))
      this.#ports.logger.warn(
        { err: problem, failedSends: this.#failures, buffered: this.buffer.size },
        'usage events cannot be delivered; trying again',
      );
    // Full jitter, so that a fleet does not come back as one; and never sooner than the receiver asks.
    const backOffMs = backoffMs(this.#failures - 1, BACKOFF, this.#ports.random);
    const waitMs = Math.max(backOffMs, Math.min(problem.retryAfterMs ?? 0, MAX_RETRY_AFTER_MS));
    await this.#pause(waitMs);
  }

  /** In steps, so that deadlines which come meanwhile are kept to; one at least, so that others have their turn. */
  async #pause(waitMs: number): Promise<void> {
    let leftMs = Math.max(1, waitMs);
    while (leftMs > 0) {
      this.#expire();
      if (this.buffer.size === 0) return;
      const stepMs = Math.min(leftMs, Math.max(1, this.buffer.firstDeadline - this.#ports.clock()));
      leftMs -= stepMs;
      const ended = await new Promise<boolean>((resolve) => {
        const timer = setTimeout(() => resolve(false), stepMs);
        this.#endPause = () => {
          clearTimeout(timer);
          resolve(true);
        };
      });
      this.#endPause = null;
      if (ended) return;
    }
  }

  #acknowledge(batch: readonly Held[]): void {
    this.#recovered();
    for (const held of batch) this.#arrived(held);
    this.#wakeWaiters();
  }

  #recovered(): void {
    if (this.#failures > 0)
      this.#ports.logger.info({ failedSends: this.#failures }, 'usage events are delivered again');
    this.#failures = 0;
    this.#lastProblem = null;
  }

  #arrived(held: Held): void {
    if (!this.buffer.release(held)) return;
    this.#tally.acknowledged += 1;
    held.settle(null);
  }

  #expire(): void {
    const expired = this.buffer.expired(this.#ports.clock());
    // Where nobody gave a logger this is the only place that says what is wrong.
    const because = this.#lastProblem === null ? '' : `; the last attempt: ${this.#lastProblem.message}`;
    for (const held of expired) this.#giveUp(held, `not acknowledged in time${because}`);
    if (expired.length > 0) this.#wakeWaiters();
  }

  #giveUp(held: Held, why: string): void {
    if (!this.buffer.release(held)) return;
    this.#tally.failed += 1;
    this.#settleFailed(held, notAcknowledged(held.event, why));
  }

  #refuse(held: Held, problem: TransportError, { field, detail }: Rejection): void {
    if (!this.buffer.release(held)) return;
    const reason = problem.problem === 'too_large' ? 'too_large' : 'rejected';
    this.#tally.refused[reason] += 1;
    const { event } = held;
    const named = field ?? (reason === 'too_large' ? largestField(event) : 'event');
    const message =
      reason === 'too_large'
        ? `usage event ${event.id} is larger than the receiver takes; its largest field is ${named}`
        : `usage event ${event.id} will never be taken: ${named}: ${detail}`;
    this.#settleFailed(
      held,
      new MeterError('refused', message, { reason, field: named, event, cause: problem }),
    );
  }

  #settleFailed(held: Held, error: MeterError): void {
    for (const waiter of this.#flushes) if (held.order < waiter.through) waiter.failed += 1;
    held.settle(error);
  }

  #wakeWaiters(): void {
    const oldest = this.#flushes.size === 0 ? 0 : this.buffer.oldest();
    for (const waiter of this.#flushes) {
      if (oldest < waiter.through) continue;
      this.#flushes.delete(waiter);
      waiter.done();
    }
    if (this.#roomWaiters.length === 0 || this.buffer.isFull()) return;
    const waiters = this.#roomWaiters;
    this.#roomWaiters = [];
    for (const wake of waiters) wake();
  }
}
