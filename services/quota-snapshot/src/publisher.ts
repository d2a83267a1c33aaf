/**
 * Publishes what changed, at most once in an interval, and a heartbeat when nothing did.
 *
 * In order, for every batch:
 * 1. The periods move on to now, so that nothing of a past period passes for current usage.
 * 2. Up to a bound of waiting keys is taken, with the values and the as-of of this moment.
 * 3. The batch is published in one transaction.
 * 4. Published: readers have it. Fenced: this process must not publish any more. Anything else:
 *    nobody knows, so its keys wait again, and a new publication is opened after a jittered pause.
 *
 * Opening is always followed by a proof that the lock was still ours afterwards. Whoever leads later
 * opens later, and the broker fences us; without the proof, a leader that lost the lock while it
 * opened would itself fence its successor, and publish what is old.
 */
import { backoffMs, isAborted, type Logger, pause } from '@meterhouse/runtime';
import { HOUR_MS } from '@meterhouse/usage';
import type { SnapshotObserver } from './observe/observer.ts';
import type { PublicationTraces } from './observe/publication-traces.ts';
import { Alarm } from './waits.ts';
import type { PendingSnapshots, SnapshotBatch } from './pending-snapshots.ts';
import { FencedError, TopicReplacedError, type Publication } from './transactional-publication.ts';
import type { UsageTable } from './usage-table.ts';

/** Usage as far as it is known. */
export interface UsageSource {
  readonly table: UsageTable;
  /** Epoch ms through which the table is complete. */
  asOf(): number;
}

export interface PublisherOptions {
  readonly open: () => Promise<Publication>;
  /** Rejects when another may lead. */
  readonly prove: () => Promise<void>;
  readonly pending: PendingSnapshots;
  readonly bounds: PublisherBounds;
  readonly observer: SnapshotObserver;
  /** Null: batches are not traced. */
  readonly traces: PublicationTraces | null;
  readonly logger: Logger;
  /** Epoch ms. */
  readonly now: () => number;
  readonly random: () => number;
}

export interface PublisherBounds {
  /** Changes are published at most once in this time. */
  readonly minIntervalMs: number;
  /** After this time without one, a heartbeat. */
  readonly heartbeatMs: number;
  /** Usage messages in one transaction. */
  readonly maxBatchMessages: number;
}

export interface PublisherStatus {
  /** Keys whose usage readers do not have yet. */
  readonly pendingKeys: number;
  /** Keys of which readers have usage. */
  readonly publishedKeys: number;
  /** Batches published so far. */
  readonly batches: number;
  /** Messages so far, those of unknown fate among them. */
  readonly sequence: number;
  /** Epoch ms through which everything is published; null before the whole state is. */
  readonly publishedThrough: number | null;
  /** The last error while publishing fails. */
  readonly error: string | null;
}

const RETRY = { baseMs: 200, maxMs: 10_000 };
/** A broker that stays away is said to be so this often, not at each attempt. */
const REMIND_EVERY = 20;

export class Publisher {
  readonly #options: PublisherOptions;
  readonly #alarm = new Alarm();
  #publication: Publication | null = null;
  #lastBatchAt = -Infinity;
  #lastHeartbeatAt = -Infinity;
  #publishedThrough: number | null = null;
  #batches = 0;
  #failures = 0;
  #error: string | null = null;

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  status(): PublisherStatus {
    const { pending } = this.#options;
    return {
      pendingKeys: pending.size,
      publishedKeys: pending.publishedKeys,
      batches: this.#batches,
      sequence: pending.sequence,
      publishedThrough: this.#publishedThrough,
      error: this.#error,
    };
  }

  /** Something waits to be published. */
  notice(): void {
    this.#alarm.ring();
  }

  /**
   * Fences whoever published before. What is loaded after this is at least as new as all that they
   * have published. Tries until it works or the signal is aborted.
   * @throws LeadershipLostError
   */
  async open(signal: AbortSignal): Promise<void> {
    while (this.#publication === null && !signal.aborted) {
      try {
        this.#publication = await this.#options.open();
      } catch (error) {
        if (error instanceof FencedError) throw error;
        await this.#failed(error, signal);
        continue;
      }
      await this.#options.prove();
    }
  }

  /**
   * Publishes until the signal is aborted.
   * @throws FencedError, LeadershipLostError, TopicReplacedError
   */
  async run(usage: UsageSource, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#untilDue(signal);
      await this.open(signal);
      const publication = this.#publication;
      if (publication === null || isAborted(signal)) return;
      const batch = this.#take(usage);
      if (batch.messages.length === 0) {
        this.#publishedThrough = batch.completeThrough ?? this.#publishedThrough;
        continue;
      }
      const startedAt = performance.now();
      const span = this.#options.traces?.begin(batch.messages.length) ?? null;
      try {
        await publication.publish(batch.messages);
        span?.published();
        this.#published(batch, performance.now() - startedAt);
      } catch (error) {
        span?.failed(error);
        this.#options.pending.uncertain(batch);
        if (error instanceof FencedError || error instanceof TopicReplacedError) throw error;
        this.close();
        await this.#failed(error, signal);
      }
    }
  }

  /** Not waited for: a broker that is away would hold up what matters. */
  close(): void {
    this.#publication?.close().catch((error: unknown) => {
      this.#options.logger.debug({ err: error }, 'closing a producer failed');
    });
    this.#publication = null;
  }

  #take(usage: UsageSource): SnapshotBatch {
    const { pending, bounds, now } = this.#options;
    const asOf = usage.asOf();
    const publishedAt = now();
    // A period that the as-of has reached has begun, whatever our clock says.
    if (usage.table.advance(Math.max(publishedAt, asOf))) pending.markBegun(usage.table);
    pending.mark(usage.table.takeTouched());
    this.#lastBatchAt = performance.now();
    return pending.take(usage.table, {
      maxMessages: bounds.maxBatchMessages,
      asOf,
      now: publishedAt,
      heartbeat: this.#heartbeatInMs() <= 0,
    });
  }

  #published(batch: SnapshotBatch, durationMs: number): void {
    const { pending, logger, observer } = this.#options;
    pending.published(batch);
    this.#batches += 1;
    observer.published(batch.messages, durationMs);
    if (batch.messages.at(-1)?.kind === 'heartbeat') this.#lastHeartbeatAt = this.#lastBatchAt;
    this.#publishedThrough = batch.completeThrough ?? this.#publishedThrough;
    if (this.#error === null) return;
    logger.info({ failures: this.#failures, pendingKeys: pending.size }, 'publishing snapshots again');
    this.#failures = 0;
    this.#error = null;
  }

  async #failed(error: unknown, signal: AbortSignal): Promise<void> {
    const { logger, pending, random, observer } = this.#options;
    observer.failed();
    this.#error = error instanceof Error ? error.message : String(error);
    if (this.#failures % REMIND_EVERY === 0)
      logger.error(
        { err: error, failures: this.#failures, pendingKeys: pending.size },
        'cannot publish snapshots; what changed waits, one message a key, and is tried again until it works',
      );
    this.#failures += 1;
    await pause(backoffMs(this.#failures, RETRY, random), signal);
  }

  /** Returns when there is something to publish and it may be published. */
  async #untilDue(signal: AbortSignal): Promise<void> {
    for (;;) {
      const waitMs = this.#dueInMs();
      if (waitMs <= 0 || signal.aborted) return;
      await this.#alarm.wait(waitMs, signal);
    }
  }

  #heartbeatInMs(): number {
    return this.#lastHeartbeatAt + this.#options.bounds.heartbeatMs - performance.now();
  }

  #dueInMs(): number {
    const { pending, bounds, now } = this.#options;
    const changesMayGoIn = this.#lastBatchAt + bounds.minIntervalMs - performance.now();
    // A long round goes on without a pause: a key is in it once.
    if (pending.size > 0) return pending.inRound ? 0 : changesMayGoIn;
    const toNextHour = HOUR_MS - (now() % HOUR_MS);
    return Math.max(changesMayGoIn, Math.min(this.#heartbeatInMs(), toNextHour));
  }
}
