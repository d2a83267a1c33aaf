/**
 * Follows the change log: reads what is new, hands it on, remembers how far it came.
 *
 * In order, for every batch:
 * 1. One snapshot of Postgres: the tailer's stand, the log after its cursors, and progress.
 * 2. `apply` makes the changes take effect. It may run again with the same changes, or with more.
 * 3. The cursors move by compare-and-set. Refused means that somebody else moved them (a second
 *    instance, a rebuild, pruning): the next read starts from what is stored.
 *
 * A crash after 2 repeats the batch. There is no way to skip one: rows must continue the cursors
 * exactly, and where they do not the tailer starts again from usage_hourly.
 *
 * Terms
 * - stand: cursors, version and resync request of a named tailer in Postgres.
 * - kept in_store: what `apply` writes survives this process (ClickHouse), so the stored cursors say
 *   what is applied.
 * - kept in_memory: the state is in this process. It always starts by loading it, follows cursors of
 *   its own, and stores them only to hold the log back from pruning.
 */
import type { Pool } from 'pg';
import { backoffMs } from '@meterhouse/runtime';
import { inTransaction } from './transaction.ts';
import {
  cursorsOf,
  readAfter,
  type ChangeBatch,
  type Cursors,
  type ReadBounds,
  type ReadResult,
  type ResyncReason,
} from './change-log-reading.ts';
import { atOnePoint, type ConsistentPoint } from './tailer-buckets.ts';
import {
  holdLogFromHere,
  moveTailer,
  readTailer,
  registerTailer,
  type TailerStand,
} from './tailer-cursors.ts';
import { listenToChangeLog } from './tailer-wakeups.ts';

/** What pino's Logger offers of this. */
export interface TailerLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export type TailerState =
  | {
      readonly kept: 'in_store';
      /**
       * Brings the store to a point of the log, moves the tailer's cursors there and takes
       * resync_requested back. Throw to have it tried again.
       */
      readonly resync: (reason: ResyncReason, signal: AbortSignal) => Promise<void>;
      /**
       * Asked before each `apply`: does the store hold what the cursors say that it holds? A reason
       * leads to `resync`; null goes on.
       */
      readonly verify: (
        cursors: Cursors,
        batch: ChangeBatch,
        signal: AbortSignal,
      ) => Promise<ResyncReason | null>;
    }
  | {
      readonly kept: 'in_memory';
      /** Replaces the whole state by what the point says. Throw to have it tried again. */
      readonly load: (point: ConsistentPoint, reason: ResyncReason, signal: AbortSignal) => Promise<void>;
    };

export interface TailerOptions {
  readonly pool: Pool;
  readonly name: string;
  readonly state: TailerState;
  /**
   * Idempotent: the same changes may come again, alone or with later ones. Also called with no
   * changes when only the completeness moved. Throw to have the batch tried again.
   */
  readonly apply: (batch: ChangeBatch, signal: AbortSignal) => Promise<void>;
  readonly log: TailerLog;
  readonly bounds?: ReadBounds;
  /** How often the log is looked at when nothing notifies. */
  readonly pollMs?: number;
  /** The least time between the starts of two reads: a store that likes large batches gets them. */
  readonly minIntervalMs?: number;
  readonly random?: () => number;
}

export interface TailerStatus {
  readonly phase: 'starting' | 'resyncing' | 'following' | 'failing' | 'stopped';
  /** Epoch ms up to which everything counted has been applied; null before it is known. */
  readonly completeThrough: number | null;
  /** The last error while failing. */
  readonly error: string | null;
  readonly resyncs: number;
  readonly batches: number;
}

export interface Tailer {
  /** Ends after the batch under way, which `apply` may cut short by its signal. */
  stop(): Promise<void>;
  status(): TailerStatus;
}

const DEFAULT_BOUNDS: ReadBounds = { maxRows: 256, maxBytes: 8 * 1024 * 1024 };
const RETRY = { baseMs: 200, maxMs: 15_000 };
/** A store that stays away is said to be so this often, not at each attempt. */
const REMIND_MS = 60_000;

export function startTailer(options: TailerOptions): Tailer {
  const loop = new TailerLoop(options);
  return { stop: () => loop.stop(), status: () => loop.status() };
}

class TailerLoop {
  readonly #options: TailerOptions;
  readonly #bounds: ReadBounds;
  readonly #stopping = new AbortController();
  readonly #done: Promise<void>;
  #phase: TailerStatus['phase'] = 'starting';
  #completeThrough: number | null = null;
  #resyncs = 0;
  #batches = 0;
  #failure: { attempt: number; message: string; since: number; remindedAt: number } | null = null;
  /** Cursors of a state kept in memory; null before it is loaded. */
  #held: Cursors | null = null;
  #wake: () => void = () => undefined;
  #woken = false;

  constructor(options: TailerOptions) {
    this.#options = options;
    this.#bounds = options.bounds ?? DEFAULT_BOUNDS;
    this.#done = this.#run();
  }

  status(): TailerStatus {
    return {
      phase: this.#phase,
      completeThrough: this.#completeThrough,
      error: this.#failure?.message ?? null,
      resyncs: this.#resyncs,
      batches: this.#batches,
    };
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#wake();
    await this.#done;
  }

  async #run(): Promise<void> {
    const { pool, log, name } = this.#options;
    const wakeups = listenToChangeLog(
      pool,
      () => this.#notice(),
      (error) =>
        log.warn({ tailer: name, err: error }, 'not listening for changes, polling until reconnected'),
      this.#options.random,
    );
    while (!this.#stopping.signal.aborted) {
      const startedAt = performance.now();
      // What is notified from here on may not be in the read that follows.
      this.#woken = false;
      const pause = await this.#attempt();
      const rest = (this.#options.minIntervalMs ?? 0) - (performance.now() - startedAt);
      if (rest > 0) await this.#sleep(rest);
      if (pause.kind === 'idle' && !this.#wasWoken()) await this.#wakeOr(this.#options.pollMs ?? 1_000);
      if (pause.kind === 'retry') await this.#sleep(pause.afterMs);
    }
    this.#phase = 'stopped';
    await wakeups.stop();
  }

  /** One round; a failure becomes a pause. Nothing but `stop` ends the loop. */
  async #attempt(): Promise<{ kind: 'more' | 'idle' } | { kind: 'retry'; afterMs: number }> {
    try {
      const more = await this.#round();
      this.#recovered();
      return { kind: more ? 'more' : 'idle' };
    } catch (error) {
      return { kind: 'retry', afterMs: this.#failed(error) };
    }
  }

  /** @returns whether there is more to do at once */
  async #round(): Promise<boolean> {
    const { pool, name, state } = this.#options;
    if (state.kept === 'in_memory' && this.#held === null) {
      await this.#resync('first_start');
      return true;
    }
    const read = await this.#read();
    switch (read.kind) {
      case 'unregistered':
        await registerTailer(pool, name);
        await this.#resync('first_start');
        return true;
      case 'resync':
        await this.#resync(read.reason);
        return true;
      case 'batch':
        return this.#take(read.batch, read);
      default:
        return read satisfies never;
    }
  }

  async #read(): Promise<(ReadResult & TailerStand) | { kind: 'unregistered' }> {
    return inTransaction(
      this.#options.pool,
      async (client) => {
        const stand = await readTailer(client, this.#options.name);
        if (stand === null) return { kind: 'unregistered' };
        if (stand.resyncRequested)
          return { ...stand, kind: 'resync', reason: 'requested', source: '', partition: 0 };
        return { ...stand, ...(await readAfter(client, this.#held ?? stand.cursors, this.#bounds)) };
      },
      'repeatable read',
    );
  }

  async #take(batch: ChangeBatch, stand: TailerStand): Promise<boolean> {
    const { pool, name, state } = this.#options;
    this.#phase = 'following';
    const nothingNew =
      batch.changes.length === 0 && batch.completeThrough === this.#completeThrough && !batch.more;
    if (nothingNew && this.#batches > 0) return false;
    if (state.kept === 'in_store') {
      const reason = await state.verify(stand.cursors, batch, this.#stopping.signal);
      if (reason !== null) {
        await this.#resync(reason);
        return true;
      }
    }
    await this.#options.apply(batch, this.#stopping.signal);
    this.#batches += 1;
    const cursors = cursorsOf(batch.positions);
    if (state.kept === 'in_memory') this.#held = cursors;
    const moved = await moveTailer(pool, name, {
      fromVersion: stand.version,
      cursors: cursors.values(),
      completeThrough: batch.completeThrough,
    });
    // A state in this process took the changes whoever else moved the stored cursors.
    if (!moved && state.kept === 'in_store') return true;
    this.#completeThrough = batch.completeThrough ?? this.#completeThrough;
    return batch.more;
  }

  async #resync(reason: ResyncReason): Promise<void> {
    const { pool, name, state, log } = this.#options;
    this.#phase = 'resyncing';
    log.warn({ tailer: name, reason }, 'starting again from usage_hourly');
    const startedAt = performance.now();
    switch (state.kept) {
      case 'in_store':
        await state.resync(reason, this.#stopping.signal);
        break;
      case 'in_memory':
        // First the log is held, then the state is read: what is counted in between is in both.
        await holdLogFromHere(pool, name);
        this.#held = await atOnePoint(pool, async (point) => {
          await state.load(point, reason, this.#stopping.signal);
          return point.cursors;
        });
        break;
      default:
        state satisfies never;
    }
    this.#resyncs += 1;
    log.info({ tailer: name, reason, tookMs: Math.round(performance.now() - startedAt) }, 'started again');
  }

  #failed(error: unknown): number {
    const { log, name, random } = this.#options;
    const message = error instanceof Error ? error.message : String(error);
    if (this.#stopping.signal.aborted) return 0;
    const now = performance.now();
    const fields = { tailer: name, err: error };
    if (this.#failure === null) {
      log.error(fields, 'cannot pass changes on; trying again until it works, nothing is lost');
      this.#failure = { attempt: 0, message, since: now, remindedAt: now };
    } else {
      this.#failure.attempt += 1;
      this.#failure.message = message;
      if (now - this.#failure.remindedAt >= REMIND_MS) {
        this.#failure.remindedAt = now;
        const failingForMs = Math.round(now - this.#failure.since);
        log.error(
          { ...fields, failingForMs, attempts: this.#failure.attempt },
          'still cannot pass changes on',
        );
      }
    }
    this.#phase = 'failing';
    return backoffMs(this.#failure.attempt, RETRY, random ?? Math.random);
  }

  #recovered(): void {
    if (this.#failure === null) return;
    const failedForMs = Math.round(performance.now() - this.#failure.since);
    this.#options.log.info({ tailer: this.#options.name, failedForMs }, 'passing changes on again');
    this.#failure = null;
  }

  /** Set from outside the loop, which the compiler cannot see. */
  #wasWoken(): boolean {
    return this.#woken;
  }

  #notice(): void {
    this.#woken = true;
    this.#wake();
  }

  /** Sleeps to the end; only `stop` cuts it short. */
  async #sleep(ms: number): Promise<void> {
    const until = performance.now() + ms;
    while (!this.#stopping.signal.aborted && performance.now() < until)
      await this.#wakeOr(Math.max(1, until - performance.now()));
  }

  #wakeOr(ms: number): Promise<void> {
    if (this.#stopping.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
