/**
 * The relay: claims lanes of the outbox, and has a worker for each that it holds. Any number of relays
 * share the lanes between them; one that dies is missed for no longer than its lease.
 */
import { errorCode, isRetryable, listenTo, OUTBOX_CHANNEL, type Pool } from '@meterhouse/postgres';
import {
  claimLanes,
  leaveOutbox,
  OtherTargetError,
  releaseLanes,
  type HeldLane,
  type OutboxTarget,
} from '@meterhouse/postgres/outbox';
import type { Logger, RunningService } from '@meterhouse/runtime';
import { Doze } from './doze.ts';
import { LaneWorker, type LaneBounds, type LaneObserver } from './lane-worker.ts';
import type { Target } from './target.ts';

export interface RelayOptions {
  readonly pool: Pool;
  readonly target: Target;
  readonly targetName: OutboxTarget;
  /** Of this process, and of no other. */
  readonly id: string;
  readonly leaseMs: number;
  readonly bounds: LaneBounds;
  readonly logger: Logger;
  readonly random: () => number;
  readonly observer: LaneObserver;
}

export interface RunningRelay extends RunningService {
  /** The lanes that it works, and why those that cannot be worked cannot. */
  standing(): readonly { readonly lane: number; readonly problem: string | null }[];
  /** Claims that were made, for whoever watches whether it lives. */
  claims(): bigint;
}

export function startRelay(options: RelayOptions): RunningRelay {
  return new Relay(options);
}

/** How often a lease is renewed while it runs. */
const RENEWALS = 4;

class Relay implements RunningRelay {
  readonly failed: Promise<never>;
  readonly #options: RelayOptions;
  readonly #fail: (error: unknown) => void;
  readonly #workers = new Map<number, LaneWorker>();
  /** Lanes that are being given back. */
  readonly #ending = new Map<number, Promise<void>>();
  readonly #stopping = new AbortController();
  readonly #doze = new Doze();
  readonly #done: Promise<void>;
  #claims = 0n;
  #quiet = true;

  constructor(options: RelayOptions) {
    const { promise, reject } = Promise.withResolvers<never>();
    // Whoever runs the service awaits it; until then a failure must not count as unhandled.
    promise.catch(() => undefined);
    this.failed = promise;
    this.#fail = reject;
    this.#options = options;
    this.#done = this.#run().catch(reject);
  }

  standing(): readonly { readonly lane: number; readonly problem: string | null }[] {
    return Array.from(this.#workers.values(), ({ held, problem }) => ({ lane: held.lane, problem }));
  }

  claims(): bigint {
    return this.#claims;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#doze.wake();
    await this.#done;
  }

  async #run(): Promise<void> {
    const { pool, logger, random, leaseMs, id } = this.#options;
    const wakeups = listenTo(OUTBOX_CHANNEL, pool, {
      onWake: () => {
        for (const worker of this.#workers.values()) worker.wake();
      },
      onDeaf: (error) => {
        logger.warn({ err: error }, 'not listening for events, polling until reconnected');
      },
      random,
    });
    while (!this.#stopping.signal.aborted) {
      await this.#claim();
      await this.#doze.sleep(leaseMs / RENEWALS, this.#stopping.signal);
    }
    for (const { held } of this.#workers.values()) this.#end(held);
    await Promise.all(this.#ending.values());
    await wakeups.stop();
    try {
      await leaveOutbox(pool, id);
    } catch (error) {
      // Its lanes are free once the lease is over.
      logger.warn({ err: error }, 'the lanes could not be given back');
    }
  }

  async #claim(): Promise<void> {
    const { pool, id, targetName, leaseMs, logger } = this.#options;
    try {
      const { held, surplus } = await claimLanes(pool, { relayId: id, target: targetName, leaseMs });
      this.#claims += 1n;
      if (!this.#quiet) logger.info('lanes are claimed again');
      this.#quiet = true;
      this.#adopt(held);
      if (surplus > 0) for (const lane of held.slice(-surplus)) this.#end(lane);
    } catch (error) {
      if (error instanceof OtherTargetError || !isRetryable(error)) throw error;
      // The workers go on: each statement of theirs checks by itself whether the lane is still held.
      if (this.#quiet)
        logger.warn({ code: errorCode(error) }, 'lanes cannot be claimed while Postgres is away');
      this.#quiet = false;
    }
  }

  /** A worker for each lane that is held, and none for any other. */
  #adopt(held: readonly HeldLane[]): void {
    const epochs = new Map(held.map(({ lane, epoch }) => [lane, epoch]));
    for (const worker of this.#workers.values())
      if (epochs.get(worker.held.lane) !== worker.held.epoch) this.#end(worker.held);
    for (const lane of held)
      if (!this.#workers.has(lane.lane) && !this.#ending.has(lane.lane))
        this.#workers.set(lane.lane, new LaneWorker({ ...this.#options, fail: this.#fail }, lane));
  }

  /**
   * The claim does not wait for it: a batch that hangs in one lane must not cost the leases of the others.
   * Its lane is given back once the batch has ended; one that is somebody else's by now stays as it is.
   */
  #end(held: HeldLane): void {
    const worker = this.#workers.get(held.lane);
    if (worker === undefined) return;
    this.#workers.delete(held.lane);
    const ending = worker
      .stop()
      .then(() => releaseLanes(this.#options.pool, [held]))
      .catch((error: unknown) => {
        // It is free once its lease is over.
        this.#options.logger.warn({ err: error, lane: held.lane }, 'a lane could not be given back');
      })
      .finally(() => {
        this.#ending.delete(held.lane);
      });
    this.#ending.set(held.lane, ending);
  }
}
