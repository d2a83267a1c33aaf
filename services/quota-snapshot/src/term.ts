/**
 * One term of leadership, in order:
 * 1. Open the publication: whoever published before can no more.
 * 2. Load the current periods. What is loaded now is at least as new as all that was published.
 * 3. Follow the change log, and publish: the whole state once, then what changes.
 * The term ends when it is stopped, when the lock may be another's, or when the broker fences us.
 */
import { startTailer, type Pool } from '@meterhouse/postgres';
import { ignore, isAborted, type Logger, pause } from '@meterhouse/runtime';
import { CurrentUsage } from './current-usage.ts';
import type { Leadership } from './leadership.ts';
import type { SnapshotObserver } from './observe/observer.ts';
import type { PublicationTraces } from './observe/publication-traces.ts';
import { PendingSnapshots } from './pending-snapshots.ts';
import { Publisher, type PublisherBounds, type PublisherStatus } from './publisher.ts';
import type { Publication } from './transactional-publication.ts';
import { TooManyBucketsError } from './usage-table.ts';

export interface TermOptions {
  readonly pool: Pool;
  readonly eventsTopic: string;
  readonly countPartitions: () => Promise<number>;
  readonly openPublication: () => Promise<Publication>;
  readonly publishing: PublisherBounds;
  readonly maxBuckets: number;
  /** How often watermarks and the registry are looked at when no usage changes. */
  readonly refreshMs: number;
  readonly observer: SnapshotObserver;
  /** Null: batches are not traced. */
  readonly traces: PublicationTraces | null;
  readonly logger: Logger;
  readonly now: () => number;
  readonly random: () => number;
}

export interface TermStatus extends PublisherStatus {
  readonly epoch: number;
  /** Epoch ms at which the term began. */
  readonly since: number;
  /** Hour buckets held; null before they are loaded. */
  readonly buckets: number | null;
  /** Epoch ms through which the usage held is complete; null before it is loaded. */
  readonly asOf: number | null;
  readonly unregisteredBuckets: number;
}

/** In the change log's table of tailers. */
const TAILER = 'quota-snapshot';
/** Of the refreshes, every how many also counts the topic's partitions. */
const COUNT_PARTITIONS_EVERY = 60;

export class Term {
  readonly #options: TermOptions;
  readonly #leadership: Leadership;
  readonly #usage: CurrentUsage;
  readonly #publisher: Publisher;
  readonly #over = new AbortController();
  readonly #since: number;
  #partitions = Infinity;
  #loaded = false;

  constructor(options: TermOptions, leadership: Leadership) {
    const { logger, observer, now, random } = options;
    this.#since = now();
    const pending = new PendingSnapshots(leadership.epoch);
    this.#options = options;
    this.#leadership = leadership;
    this.#usage = new CurrentUsage({ ...options, pending, partitions: () => this.#partitions });
    this.#publisher = new Publisher({
      open: options.openPublication,
      prove: () => leadership.prove(),
      pending,
      bounds: options.publishing,
      observer,
      traces: options.traces,
      logger,
      now,
      random,
    });
  }

  status(): TermStatus {
    return {
      ...this.#publisher.status(),
      epoch: this.#leadership.epoch,
      since: this.#since,
      buckets: this.#loaded ? this.#usage.table.buckets : null,
      asOf: this.#loaded ? this.#usage.asOf() : null,
      unregisteredBuckets: this.#usage.unregistered,
    };
  }

  /**
   * Resolves once stopped.
   * @throws LeadershipLostError and TopicReplacedError, after which another term may begin; FencedError
   *   and TooManyBucketsError, after which the process must end
   */
  async run(stopping: AbortSignal): Promise<void> {
    const { lost } = this.#leadership;
    const end = (): void => this.#over.abort();
    for (const signal of [stopping, lost]) signal.addEventListener('abort', end, { once: true });
    if (stopping.aborted || lost.aborted) end();
    try {
      await this.#publish();
      if (!stopping.aborted) lost.throwIfAborted();
    } finally {
      for (const signal of [stopping, lost]) signal.removeEventListener('abort', end);
      end();
      this.#publisher.close();
    }
  }

  async #publish(): Promise<void> {
    const over = this.#over.signal;
    await this.#publisher.open(over);
    await this.#countPartitions();
    if (over.aborted) return;
    const following = this.#follow();
    const refreshing = this.#refresh();
    try {
      await following.loaded;
      if (!isAborted(over)) await Promise.race([this.#publisher.run(this.#usage, over), following.failed]);
    } finally {
      this.#over.abort();
      await following.stop();
      await refreshing;
    }
  }

  /** Starts the tailer. `loaded` resolves with the first load or at the term's end, `failed` only rejects. */
  #follow(): { loaded: Promise<undefined>; failed: Promise<never>; stop: () => Promise<void> } {
    const { pool, logger } = this.#options;
    const loaded = Promise.withResolvers<undefined>();
    const failed = Promise.withResolvers<never>();
    failed.promise.catch(ignore);
    this.#over.signal.addEventListener('abort', () => loaded.resolve(undefined), { once: true });
    const fatal = (error: unknown): never => {
      // The tailer tries again whatever fails, but too little memory does not pass.
      if (error instanceof TooManyBucketsError) {
        loaded.reject(error);
        failed.reject(error);
      }
      throw error;
    };
    const tailer = startTailer({
      pool,
      name: TAILER,
      log: logger,
      state: {
        kept: 'in_memory',
        load: async (point) => {
          await this.#usage.load(point).catch(fatal);
          this.#loaded = true;
          loaded.resolve(undefined);
          this.#publisher.notice();
        },
      },
      apply: async (batch) => {
        await this.#usage.apply(batch).catch(fatal);
        this.#options.traces?.applied(batch.flushes);
        this.#publisher.notice();
      },
    });
    return { loaded: loaded.promise, failed: failed.promise, stop: () => tailer.stop() };
  }

  async #refresh(): Promise<void> {
    const over = this.#over.signal;
    for (let count = 1; !over.aborted; count++) {
      await pause(this.#options.refreshMs, over);
      if (isAborted(over) || !this.#loaded) continue;
      if (count % COUNT_PARTITIONS_EVERY === 0 || this.#partitions === Infinity)
        await this.#countPartitions();
      try {
        await this.#usage.refresh();
      } catch (error) {
        // The tailer meets the same Postgres and says so louder; as-of stands still meanwhile.
        this.#options.logger.warn({ err: error }, 'cannot look at watermarks and registry');
      }
    }
  }

  /** Where Kafka cannot be asked, what was known stays; if nothing was, nothing is complete. */
  async #countPartitions(): Promise<void> {
    try {
      this.#partitions = await this.#options.countPartitions();
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'cannot count the partitions of the events topic');
    }
  }
}
