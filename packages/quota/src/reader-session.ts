/** One kafkajs consumer, from its start until it breaks or is closed. */
import { fetchLogRange } from '@meterhouse/kafka';
import type { Logger } from '@meterhouse/runtime';
import type { Consumer, EachBatchPayload, Kafka, KafkaMessage } from 'kafkajs';
import { PublicationBound } from './publication-bound.ts';

export interface Session {
  /** Resolves when all that the topic held at the start has been taken; rejects when it broke off before. */
  readonly caughtUp: Promise<undefined>;
  /** Why the session broke off, once everything of it is closed; null when it was told to close. */
  readonly ended: Promise<Error | null>;
}

export interface SessionOptions {
  readonly kafka: Kafka;
  readonly topic: string;
  readonly groupId: string;
  readonly logger: Logger;
  readonly monotonicMs: () => number;
  readonly closing: AbortSignal;
  /**
   * Takes a message.
   * @param publishedAfterMs monotonic instant after which it was surely published, or -Infinity
   * @param alive to be called now and then by whoever waits; rejects when the session is over
   */
  readonly take: (
    message: KafkaMessage,
    publishedAfterMs: number,
    alive: () => Promise<void>,
  ) => Promise<void>;
}

/** The topic has one partition in use: the order of messages is what counts. */
const PARTITION = 0;
/** Also how much older than it is an answer may look. */
const MAX_WAIT_MS = 250;
/** Messages between two heartbeats to the group. */
const HEARTBEAT_EVERY = 1_000;

export function startSession(options: SessionOptions): Session {
  const session = new ConsumerSession(options);
  return { caughtUp: session.caughtUp.promise, ended: session.run() };
}

class ConsumerSession {
  readonly caughtUp = Promise.withResolvers<undefined>();
  readonly #options: SessionOptions;
  readonly #bound = new PublicationBound();
  readonly #broken = Promise.withResolvers<Error | null>();
  /** Where the log ended when the session began. */
  #target = 0n;
  /** When each broker was last asked for messages, by its number; as many as there are brokers. */
  readonly #fetchStartsMs = new Map<number, number>();
  /** Monotonic instant at which nothing was left of the last batch. */
  #idleSinceMs: number;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#idleSinceMs = options.monotonicMs();
    // Whoever does not wait for it hears of the end all the same.
    this.caughtUp.promise.catch(() => undefined);
  }

  async run(): Promise<Error | null> {
    const { kafka, groupId, closing } = this.#options;
    const consumer = kafka.consumer({
      groupId,
      allowAutoTopicCreation: false,
      maxWaitTimeInMs: MAX_WAIT_MS,
      // Only what is committed: never half a batch, nor what a fenced publisher left behind.
      readUncommitted: false,
      retry: {
        retries: 5,
        initialRetryTime: 200,
        maxRetryTime: 3_000,
        // kafkajs would restart a consumer several times at once, and go on with offsets of another topic.
        restartOnFailure: () => Promise.resolve(false),
      },
    });
    const close = (): void => this.#broken.resolve(null);
    closing.addEventListener('abort', close, { once: true });
    if (closing.aborted) close();
    this.#start(consumer).catch((error: unknown) => this.#broken.resolve(asError(error)));
    const why = await this.#broken.promise;
    closing.removeEventListener('abort', close);
    this.caughtUp.reject(why ?? new Error('closed'));
    await this.#close(consumer);
    return why;
  }

  async #start(consumer: Consumer): Promise<void> {
    const { topic, monotonicMs } = this.#options;
    const { CRASH, END_BATCH_PROCESS, FETCH_START, GROUP_JOIN } = consumer.events;
    let joins = 0;
    consumer.on(CRASH, ({ payload }) => this.#broken.resolve(payload.error));
    // Alone in its group, a consumer joins again only after trouble. The topic may be another by then,
    // of which kafkajs would go on reading from where it was in the old one.
    consumer.on(GROUP_JOIN, () => {
      if (++joins > 1) this.#broken.resolve(new Error('the consumer had to join its group again'));
    });
    consumer.on(FETCH_START, ({ payload }) => {
      this.#fetchStartsMs.set(payload.nodeId, monotonicMs());
    });
    // Also told of batches that hold nothing but control records or what was aborted.
    consumer.on(END_BATCH_PROCESS, ({ payload }) => {
      if (payload.partition === PARTITION) this.#reached(BigInt(payload.lastOffset) + 1n);
    });
    await this.#lookAtTheEnd();
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({ autoCommit: false, eachBatch: (payload) => this.#takeBatch(payload) });
  }

  async #lookAtTheEnd(): Promise<void> {
    const { kafka, topic, monotonicMs } = this.#options;
    const admin = kafka.admin();
    await admin.connect();
    try {
      const askedAtMs = monotonicMs();
      const range = (await fetchLogRange(admin, topic)).get(PARTITION);
      if (range === undefined) throw new Error(`topic ${topic} has no partition ${PARTITION}`);
      this.#bound.observe(range.high, askedAtMs);
      this.#target = range.high;
      if (range.low === range.high) this.caughtUp.resolve(undefined);
    } finally {
      await admin.disconnect();
    }
  }

  async #takeBatch(payload: EachBatchPayload): Promise<void> {
    const { batch } = payload;
    if (batch.partition !== PARTITION) return;
    this.#bound.observe(BigInt(batch.highWatermark), this.#askedAtMs());
    const alive = async (): Promise<void> => {
      if (!payload.isRunning() || payload.isStale()) throw new Error('the session is over');
      await payload.heartbeat();
    };
    let taken = 0;
    for (const message of batch.messages) {
      if (++taken % HEARTBEAT_EVERY === 0) await alive();
      await this.#options.take(message, this.#bound.publishedAfter(BigInt(message.offset)), alive);
    }
    this.#idleSinceMs = this.#options.monotonicMs();
  }

  /**
   * An instant before the broker was asked for the batch in hand, and so before it told the log's end.
   * kafkajs does not say which broker that was; it was asked after the batch before was done.
   */
  #askedAtMs(): number {
    let earliest = Infinity;
    for (const startMs of this.#fetchStartsMs.values())
      if (startMs >= this.#idleSinceMs) earliest = Math.min(earliest, startMs);
    return earliest === Infinity ? this.#idleSinceMs : earliest;
  }

  #reached(offset: bigint): void {
    if (offset >= this.#target) this.caughtUp.resolve(undefined);
  }

  async #close(consumer: Consumer): Promise<void> {
    const { kafka, groupId, logger } = this.#options;
    const admin = kafka.admin();
    try {
      await consumer.disconnect();
      await admin.connect();
      await admin.deleteGroups([groupId]);
    } catch (error) {
      // Nothing was committed, so the broker forgets an empty group by itself.
      logger.debug({ err: error, groupId }, 'the group of a snapshot reader was not deleted');
    } finally {
      await admin.disconnect();
    }
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
