/**
 * A meter's events by way of the disk: each is in a file before the caller goes on, and goes to the
 * transport from there, whenever that takes it. A process that ends leaves its file; the next one takes it
 * over and goes on where it ended.
 */
import type { Logger } from 'pino';
import type { Entry } from '../buffer.ts';
import type { SpoolCounters, Tally } from '../counters.ts';
import { Delivery, type DeliveryLimits } from '../delivery.ts';
import type { MeterError } from '../errors.ts';
import { inTime } from '../in-time.ts';
import type { Outgoing } from '../outgoing.ts';
import { isPowerOfTwo } from '../reporting.ts';
import type { Transport } from '../transport.ts';
import { FilePump } from './file-pump.ts';
import { Pace } from './pace.ts';
import type { SpoolSettings } from './options.ts';
import { claimOrphan, claimSpoolFile, type SpoolFolderOptions } from './spool-folder.ts';
import { serveOrder } from './spool-order.ts';

export type SpoolOptions = Omit<SpoolSettings, 'atBound'> & Pick<DeliveryLimits, 'batch' | 'attemptMs'>;

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

export class Spool implements Outgoing {
  readonly #options: SpoolOptions;
  readonly #ports: SpoolPorts;
  readonly #folder: SpoolFolderOptions;
  readonly #tally: Tally;
  readonly #delivery: Delivery;
  readonly #pace: Pace;
  readonly #own: FilePump;
  readonly #adoption: NodeJS.Timeout;
  #adopted: FilePump | null = null;
  #recovered = 0;
  #notStored = 0;
  #closing = false;
  #roomWaiters: (() => void)[] = [];

  /** @throws Error where the folder cannot be used */
  constructor(transport: Transport, options: SpoolOptions, tally: Tally, ports: SpoolPorts) {
    this.#options = options;
    this.#tally = tally;
    this.#ports = ports;
    this.#folder = {
      folder: options.folder,
      durability: options.durability,
      newName: ports.newName,
      onUnreadable: (error) => ports.logger.error({ err: error }, 'a file of the spool cannot be opened'),
    };
    const file = claimSpoolFile(this.#folder);
    const { batch, attemptMs } = options;
    // The batch that is under way and the next: what waits, waits in the file.
    const buffer = { maxEvents: 2 * batch.maxEvents, maxBytes: 2 * batch.maxBytes };
    this.#delivery = new Delivery(transport, { buffer, batch, attemptMs, lingerMs: 0 }, tally, ports);
    this.#pace = new Pace(options.drainEventsPerSecond, ports.clock);
    this.#own = this.#pump(file);
    if (file.events > 0) {
      this.#takeOver(file);
      this.#own.wake();
    }
    this.#adoption = setInterval(() => {
      this.#serveOrders();
      this.#adopt();
    }, options.adoptEveryMs).unref();
    this.#adopt();
  }

  /** The entry is settled at once: from here on the event is the spool's. */
  offer(entry: Entry): 'buffer_full' | 'not_stored' | null {
    if (this.#isFull()) return 'buffer_full';
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
    entry.settle(null);
    this.#own.wake();
    return null;
  }

  async room(): Promise<void> {
    while (this.#isFull() && !this.#closing)
      await new Promise<void>((resolve) => this.#roomWaiters.push(resolve));
  }

  flush(): Promise<number> {
    return this.#own.drained();
  }

  /** Brings what it can within the deadline; the rest stays in the file. */
  async close(deadlineMs: number): Promise<void> {
    this.#closing = true;
    clearInterval(this.#adoption);
    this.#adopted?.stopReading();
    this.#wakeRoomWaiters();
    const deadline = this.#ports.clock() + deadlineMs;
    await inTime(this.#own.drained(), deadlineMs);
    this.#own.stopReading();
    await this.#delivery.abandon(deadline - this.#ports.clock());
    await this.#adopted?.end();
    await this.#own.end();
  }

  waiting(): { readonly events: number; readonly bytes: number } {
    const pumps = this.#pumps();
    return {
      events: pumps.reduce((sum, pump) => sum + pump.waiting, 0),
      bytes: pumps.reduce((sum, pump) => sum + pump.file.bytes, 0),
    };
  }

  counters(): SpoolCounters {
    const oldestAtMs = this.#own.file.oldestAtMs();
    return {
      recovered: this.#recovered,
      oldestAgeMs: oldestAtMs === null ? null : Math.max(0, this.#ports.now() - oldestAtMs),
      setAside: this.#own.file.setAsideEvents,
    };
  }

  #isFull(): boolean {
    const { file } = this.#own;
    if (file.bytes >= this.#options.maxBytes) return true;
    const oldestAtMs = file.oldestAtMs();
    return oldestAtMs !== null && this.#ports.now() - oldestAtMs > this.#options.maxAgeMs;
  }

  #pump(file: FilePump['file']): FilePump {
    return new FilePump(file, this.#delivery, {
      pace: this.#pace,
      logger: this.#ports.logger,
      onSetAside: this.#ports.onSetAside,
      // Its delivery never saw it, so nobody else counts it.
      onUnreadable: (why) => {
        this.#tally.refused.rejected += 1;
        this.#ports.onSetAside(why);
      },
      onProgress: () => this.#wakeRoomWaiters(),
    });
  }

  #takeOver({ events, path }: FilePump['file']): void {
    this.#ports.logger.info({ events, file: path }, 'usage events of a process that ended are sent');
    this.#tally.accepted += events;
    this.#recovered += events;
  }

  #pumps(): readonly FilePump[] {
    return this.#adopted === null ? [this.#own] : [this.#own, this.#adopted];
  }

  /** What a person has decided about events that were set aside, in the files that this process holds. */
  #serveOrders(): void {
    for (const pump of this.#pumps()) {
      const { path } = pump.file;
      try {
        const served = serveOrder(pump.file, this.#ports.now());
        if (served === null) continue;
        this.#ports.logger.info(
          { ...served, file: path },
          'events that were set aside: an order was carried out',
        );
        // They were counted as refused, and are taken a second time.
        if (served.action === 'retry') this.#tally.accepted += served.done;
        pump.wake();
      } catch (error) {
        // It stays there, and is tried again with the next look.
        this.#ports.logger.error({ err: error, file: path }, 'an order for the spool cannot be carried out');
      }
    }
    this.#wakeRoomWaiters();
  }

  /** One file at a time, beside one's own events. */
  #adopt(): void {
    if (this.#adopted !== null || this.#closing) return;
    const file = claimOrphan(this.#folder);
    if (file === null) return;
    this.#takeOver(file);
    const pump = this.#pump(file);
    this.#adopted = pump;
    void this.#drainAdopted(pump);
  }

  async #drainAdopted(pump: FilePump): Promise<void> {
    // More than once where events were put back in line meanwhile.
    while (pump.waiting > 0) {
      await pump.drained();
      // Where the spool closes meanwhile, that ends it.
      if (this.#closing) return;
    }
    this.#adopted = null;
    await pump.end();
    this.#adopt();
  }

  #wakeRoomWaiters(): void {
    if (this.#roomWaiters.length === 0 || (this.#isFull() && !this.#closing)) return;
    const waiters = this.#roomWaiters;
    this.#roomWaiters = [];
    for (const wake of waiters) wake();
  }
}
