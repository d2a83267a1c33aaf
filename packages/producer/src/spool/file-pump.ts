/**
 * Brings the events of one spool file to the delivery, in order, and forgets those that have arrived.
 * What the delivery holds in memory is a copy: an event leaves the file only after the transport has
 * acknowledged it, or when it is set aside because it was refused for good.
 */
import { isAborted, pause } from '@meterhouse/runtime';
import type { Logger } from 'pino';
import type { Delivery } from '../delivery.ts';
import { MeterError } from '../errors.ts';
import { isPowerOfTwo } from '../reporting.ts';
import type { Pace } from './pace.ts';
import type { SpooledRow, SpoolFile, WhySetAside } from './spool-file.ts';

export interface FilePumpPorts {
  readonly pace: Pace;
  readonly logger: Logger;
  /** Told of each event that was refused for good. */
  readonly onSetAside: (why: MeterError) => void;
  /** An event of the file is none any more; it is set aside. */
  readonly onUnreadable: (why: MeterError) => void;
  /** Some have arrived, or were set aside: there is room. */
  readonly onProgress: () => void;
}

const READ_EVENTS = 1_000;
/** How long a first event waits for others. */
const GATHER_MS = 5;

interface DrainWaiter {
  readonly through: number;
  readonly refusedBefore: number;
  readonly done: (notArrived: number) => void;
}

export class FilePump {
  readonly file: SpoolFile;
  readonly #delivery: Delivery;
  readonly #ports: FilePumpPorts;
  readonly #stop = new AbortController();
  readonly #waiters = new Set<DrainWaiter>();
  #hurry = new AbortController();
  #running: Promise<void> | null = null;
  #readThrough = 0;
  /** Everything up to here has arrived, or is set aside. */
  #settledThrough = 0;
  #inFlight = 0;
  /** Arrived, and still in the file. */
  #unforgotten = 0;
  #forgetting = false;
  #forgetFailures = 0;
  /** Refused for good. */
  #refused = 0;
  /** Of these, what the disk does not let us set aside: with the reason, by number. */
  readonly #unplaced = new Map<number, WhySetAside>();

  constructor(file: SpoolFile, delivery: Delivery, ports: FilePumpPorts) {
    this.file = file;
    this.#delivery = delivery;
    this.#ports = ports;
  }

  /** Events of the file that have not arrived. */
  get waiting(): number {
    return this.file.events - this.#unforgotten - this.#unplaced.size;
  }

  /** There is something to bring. */
  wake(): void {
    if (this.#running !== null || isAborted(this.#stop.signal)) return;
    this.#running = this.#run().finally(() => {
      this.#running = null;
      // Appended after the last look, and before this.
      if (this.#readThrough < this.file.lastSeq && this.waiting > 0) this.wake();
    });
  }

  /**
   * Resolves when everything appended so far is settled, or when the pump ends.
   * @returns how much did not arrive: it was set aside, or still lies in the file
   */
  drained(): Promise<number> {
    if (this.waiting === 0) return Promise.resolve(0);
    return new Promise((done) => {
      this.#waiters.add({ through: this.file.lastSeq, refusedBefore: this.#refused, done });
      this.#hurry.abort();
      this.wake();
    });
  }

  /** Reads no more. What is on its way may still arrive. */
  stopReading(): void {
    this.#stop.abort();
  }

  /** After the delivery has let go. What has not arrived stays in the file. */
  async end(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    this.#forget();
    for (const { refusedBefore, done } of this.#waiters) done(this.#refused - refusedBefore + this.waiting);
    this.#waiters.clear();
    this.file.close();
  }

  async #run(): Promise<void> {
    await this.#gather();
    while (!isAborted(this.#stop.signal)) {
      const rows = this.file.readAfter(this.#readThrough, READ_EVENTS);
      if (rows.length === 0) return;
      for (const row of rows) await this.#bring(row);
      this.#wakeWaiters();
      const waitMs = this.#ports.pace.take(rows.length);
      if (waitMs > 0) await pause(waitMs, this.#stop.signal);
    }
  }

  /** So that a caller's loop is not cut into batches of one. */
  async #gather(): Promise<void> {
    if (this.#waiters.size > 0 || this.waiting >= READ_EVENTS) return Promise.resolve();
    this.#hurry = new AbortController();
    await pause(GATHER_MS, AbortSignal.any([this.#stop.signal, this.#hurry.signal]));
  }

  async #bring({ seq, event }: SpooledRow): Promise<void> {
    if ('unreadable' in event) {
      const where = `event ${seq} of ${this.file.path}`;
      this.#putAside(seq, { reason: 'unreadable', field: null, detail: 'its text is no event any more' });
      this.#ports.onUnreadable(
        new MeterError('refused', `${where} cannot be read any more`, { reason: 'rejected' }),
      );
      this.#readThrough = seq;
      return;
    }
    const settle = (error: MeterError | null): void => this.#settle(seq, error);
    const entry = { event, deadline: Number.POSITIVE_INFINITY, settle };
    while (!isAborted(this.#stop.signal)) {
      if (this.#delivery.offer(entry)) {
        this.#inFlight += 1;
        this.#readThrough = seq;
        return;
      }
      await this.#delivery.room();
    }
  }

  /** The delivery settles in the order in which it was offered. */
  #settle(seq: number, error: MeterError | null): void {
    this.#inFlight -= 1;
    this.#settledThrough = seq;
    if (error === null) this.#unforgotten += 1;
    else {
      const { reason, code, field, message } = error;
      this.#putAside(seq, { reason: reason ?? code, field, detail: message });
      this.#ports.onSetAside(error);
    }
    this.#forgetSoon();
  }

  /** Where the disk does not take it, the event stays where it is, and nothing behind it is forgotten. */
  #putAside(seq: number, why: WhySetAside): void {
    this.#refused += 1;
    this.#unplaced.set(seq, why);
    this.#place();
  }

  #place(): void {
    for (const [seq, why] of this.#unplaced) {
      if (!this.#onDisk(() => this.file.setAside(seq, why))) return;
      this.#unplaced.delete(seq);
    }
  }

  /** Once for all that a batch settles. */
  #forgetSoon(): void {
    if (this.#forgetting) return;
    this.#forgetting = true;
    queueMicrotask(() => {
      this.#forgetting = false;
      this.#forget();
      this.#wakeWaiters();
      this.#ports.onProgress();
    });
  }

  #forget(): void {
    this.#place();
    if (this.#unforgotten === 0) return;
    const firstUnplaced = [...this.#unplaced.keys()].reduce((a, b) => Math.min(a, b), Infinity);
    const before = this.file.events;
    // What is not forgotten is sent again after the next start, and counts once by its id.
    this.#onDisk(() => this.file.forgetThrough(Math.min(this.#settledThrough, firstUnplaced - 1)));
    this.#unforgotten -= before - this.file.events;
  }

  #onDisk(write: () => void): boolean {
    try {
      write();
      this.#forgetFailures = 0;
      return true;
    } catch (error) {
      this.#forgetFailures += 1;
      if (isPowerOfTwo(this.#forgetFailures))
        this.#ports.logger.error(
          { err: error, file: this.file.path, failures: this.#forgetFailures },
          'the spool cannot be written to',
        );
      return false;
    }
  }

  #wakeWaiters(): void {
    for (const waiter of this.#waiters) {
      const allSettled = this.#readThrough >= waiter.through && this.#inFlight === 0;
      if (!allSettled && this.#settledThrough < waiter.through) continue;
      this.#waiters.delete(waiter);
      waiter.done(this.#refused - waiter.refusedBefore);
    }
  }
}
