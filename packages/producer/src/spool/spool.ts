/**
 * A meter's events by way of the disk: each is in a file before the caller goes on, and goes to the
 * transport from there, whenever that takes it. A process that ends leaves its file; the next one takes it
 * over and goes on where it ended.
 */
import type { Logger } from 'pino';
import type { Entry } from '../buffer.ts';
import { newTally } from '../counters.ts';
import { Delivery, type DeliveryLimits } from '../delivery.ts';
import type { MeterError } from '../errors.ts';
import { isPowerOfTwo } from '../reporting.ts';
import type { Transport } from '../transport.ts';
import { FilePump } from './file-pump.ts';
import { Pace } from './pace.ts';
import type { SpoolDurability } from './spool-file.ts';
import { claimOrphan, claimSpoolFile, type SpoolFolderOptions } from './spool-folder.ts';

export interface SpoolLimits {
  /** Of the events in a process's file, as text; above it none is taken. */
  readonly maxBytes: number;
  /** While the oldest event has waited for longer, none is taken: somebody must look. */
  readonly maxAgeMs: number;
  readonly drainEventsPerSecond: number;
  /** How often files of processes that are gone are looked for. */
  readonly adoptEveryMs: number;
}

export interface SpoolOptions {
  readonly folder: string;
  readonly durability: SpoolDurability;
  readonly limits: SpoolLimits;
  readonly delivery: Pick<DeliveryLimits, 'batch' | 'attemptMs'>;
}

export interface SpoolPorts {
  /** Epoch ms. */
  readonly now: () => number;
  /** Milliseconds that only go up. */
  readonly clock: () => number;
  /** In [0, 1). */
  readonly random: () => number;
  /** Of a new file; never given twice. */
  readonly newName: () => string;
  readonly logger: Logger;
  readonly onSetAside: (why: MeterError) => void;
}

export interface SpoolCounts {
  /** Taken by this process, and found in files that it took over. */
  readonly accepted: number;
  readonly acknowledged: number;
  readonly waiting: number;
  readonly waitingBytes: number;
  /** Of the oldest event that waits; null where none does. */
  readonly oldestAgeMs: number | null;
  /** Refused for good, and kept in the file for a person. */
  readonly setAside: number;
  readonly retries: number;
}

export class Spool {
  readonly #limits: SpoolLimits;
  readonly #ports: SpoolPorts;
  readonly #folder: SpoolFolderOptions;
  readonly #tally = newTally();
  readonly #delivery: Delivery;
  readonly #pace: Pace;
  readonly #own: FilePump;
  readonly #adoption: NodeJS.Timeout;
  #adopted: FilePump | null = null;
  #accepted: number;
  #setAside = 0;
  #notStored = 0;
  #closing = false;
  #roomWaiters: (() => void)[] = [];

  /** @throws Error where the folder cannot be used */
  constructor(transport: Transport, options: SpoolOptions, ports: SpoolPorts) {
    this.#limits = options.limits;
    this.#ports = ports;
    this.#folder = {
      folder: options.folder,
      durability: options.durability,
      newName: ports.newName,
      onUnreadable: (error) => ports.logger.error({ err: error }, 'a file of the spool cannot be opened'),
    };
    const file = claimSpoolFile(this.#folder);
    const { batch, attemptMs } = options.delivery;
    // The batch that is under way and the next: what waits, waits in the file.
    const buffer = { maxEvents: 2 * batch.maxEvents, maxBytes: 2 * batch.maxBytes };
    this.#delivery = new Delivery(transport, { buffer, batch, attemptMs, lingerMs: 0 }, this.#tally, ports);
    this.#pace = new Pace(options.limits.drainEventsPerSecond, ports.clock);
    this.#own = this.#pump(file);
    this.#accepted = file.events;
    if (file.events > 0) {
      ports.logger.info(
        { events: file.events, file: file.path },
        'usage events of a process that ended are sent',
      );
      this.#own.wake();
    }
    this.#adoption = setInterval(() => this.#adopt(), options.limits.adoptEveryMs).unref();
    this.#adopt();
  }

  /** @returns why the event is not taken: the spool is at its bound, or the disk does not take it */
  offer(entry: Entry): 'full' | 'not_stored' | null {
    if (this.#isFull()) return 'full';
    try {
      this.#own.file.append(entry.event, this.#ports.now());
    } catch (error) {
      this.#notStored += 1;
      if (isPowerOfTwo(this.#notStored))
        this.#ports.logger.error(
          { err: error, file: this.#own.file.path, failures: this.#notStored },
          'the spool cannot be written to',
        );
      return 'not_stored';
    }
    this.#accepted += 1;
    entry.settle(null);
    this.#own.wake();
    return null;
  }

  /** Resolves when the spool is below its bound. */
  async room(): Promise<void> {
    while (this.#isFull() && !this.#closing)
      await new Promise<void>((resolve) => this.#roomWaiters.push(resolve));
  }

  /** Waits until everything taken so far has arrived. @returns how much was set aside meanwhile */
  flush(): Promise<number> {
    return this.#own.drained();
  }

  /** Brings what it can within the deadline; the rest stays in the file. */
  async close(deadlineMs: number): Promise<void> {
    this.#closing = true;
    clearInterval(this.#adoption);
    this.#adopted?.stopReading();
    this.#wakeRoomWaiters();
    const deadline = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => deadline.resolve(undefined), deadlineMs);
    await Promise.race([this.#own.drained(), deadline.promise]);
    clearTimeout(timer);
    this.#own.stopReading();
    await this.#delivery.close(0);
    await this.#adopted?.end();
    await this.#own.end();
  }

  counts(): SpoolCounts {
    const pumps = this.#adopted === null ? [this.#own] : [this.#own, this.#adopted];
    const oldestAtMs = this.#own.file.oldestAtMs();
    return {
      accepted: this.#accepted,
      acknowledged: this.#tally.acknowledged,
      waiting: pumps.reduce((sum, pump) => sum + pump.waiting, 0),
      waitingBytes: pumps.reduce((sum, pump) => sum + pump.file.bytes, 0),
      oldestAgeMs: oldestAtMs === null ? null : Math.max(0, this.#ports.now() - oldestAtMs),
      setAside: this.#setAside,
      retries: this.#tally.retries,
    };
  }

  #isFull(): boolean {
    const { file } = this.#own;
    if (file.bytes >= this.#limits.maxBytes) return true;
    const oldestAtMs = file.oldestAtMs();
    return oldestAtMs !== null && this.#ports.now() - oldestAtMs > this.#limits.maxAgeMs;
  }

  #pump(file: FilePump['file']): FilePump {
    return new FilePump(file, this.#delivery, {
      pace: this.#pace,
      logger: this.#ports.logger,
      onSetAside: (why) => {
        this.#setAside += 1;
        this.#ports.onSetAside(why);
      },
      onProgress: () => this.#wakeRoomWaiters(),
    });
  }

  /** One file at a time, beside one's own events. */
  #adopt(): void {
    if (this.#adopted !== null || this.#closing) return;
    const file = claimOrphan(this.#folder);
    if (file === null) return;
    this.#ports.logger.info(
      { events: file.events, file: file.path },
      'usage events of a process that ended are sent',
    );
    this.#accepted += file.events;
    const pump = this.#pump(file);
    this.#adopted = pump;
    void pump.drained().then(async () => {
      // Where the spool closes meanwhile, that ends it.
      if (this.#closing) return;
      this.#adopted = null;
      await pump.end();
      this.#adopt();
    });
  }

  #wakeRoomWaiters(): void {
    if (this.#roomWaiters.length === 0 || (this.#isFull() && !this.#closing)) return;
    const waiters = this.#roomWaiters;
    this.#roomWaiters = [];
    for (const wake of waiters) wake();
  }
}
