/**
 * Where denials, warnings and sampled allows go: recorded with all that they looked at, and published. Bounded: what
 * does not fit is counted and said, because an answer must not wait for its record.
 */
import { once } from 'node:events';
import {
  ALL_PPM,
  recordDecision,
  type DecisionRecord,
  type DecisionRequest,
  type Facts,
} from '@meterhouse/quota';
import { backoffMs, pause, type Logger } from '@meterhouse/runtime';
import type { Kafka, Producer } from 'kafkajs';

export interface DecisionSink {
  /** @param keptPpm of how many such decisions this one is kept, in millionths */
  took(id: string, request: DecisionRequest, facts: Facts, keptPpm: number): void;
}

export interface DecisionPublisherOptions {
  readonly kafka: Kafka;
  /** `quota_decisions` */
  readonly topic: string;
  readonly encode: (record: DecisionRecord) => Buffer;
  readonly logger: Logger;
  /** Records that may wait for the broker, samples up to half of them; default 10,000. */
  readonly maxWaiting?: number;
  readonly random?: () => number;
}

interface DecisionPublisherStatus {
  readonly waiting: number;
  readonly published: number;
  /** Never published: more came than the broker took. */
  readonly overflowed: number;
  /** Never published: they could not be encoded. */
  readonly refused: number;
  readonly error: string | null;
}

const BATCH = 500;
const RETRY = { baseMs: 200, maxMs: 10_000 };
const CLOSE_MS = 5_000;

export class DecisionPublisher implements DecisionSink {
  readonly #options: DecisionPublisherOptions;
  readonly #producer: Producer;
  readonly #waiting: DecisionRecord[] = [];
  readonly #closing = new AbortController();
  /** Nothing is tried again any more. */
  readonly #givenUp = new AbortController();
  #wake = Promise.withResolvers<undefined>();
  #published = 0;
  #overflowed = 0;
  #refused = 0;
  #error: string | null = null;
  readonly #done: Promise<void>;

  constructor(options: DecisionPublisherOptions) {
    this.#options = options;
    this.#producer = options.kafka.producer({ allowAutoTopicCreation: false });
    this.#done = this.#run();
  }

  took(id: string, request: DecisionRequest, facts: Facts, keptPpm: number = ALL_PPM): void {
    const maxWaiting = this.#options.maxWaiting ?? 10_000;
    // What was allowed must not take the room of what was denied.
    if (this.#waiting.length >= (keptPpm === ALL_PPM ? maxWaiting : maxWaiting / 2)) {
      this.#overflowed += 1;
      if (this.#overflowed === 1)
        this.#options.logger.error(
          { correlationId: request.correlationId },
          'decisions come faster than they can be published: this one is not kept. Further ones are only counted',
        );
      return;
    }
    this.#waiting.push(recordDecision(id, request, facts, keptPpm));
    this.#wake.resolve(undefined);
  }

  status(): DecisionPublisherStatus {
    return {
      waiting: this.#waiting.length,
      published: this.#published,
      overflowed: this.#overflowed,
      refused: this.#refused,
      error: this.#error,
    };
  }

  /**
   * Takes no more, and publishes what waits until the deadline, also where the broker comes back meanwhile.
   * @returns how many records were never published
   */
  async close({ deadlineMs = CLOSE_MS }: { readonly deadlineMs?: number } = {}): Promise<number> {
    this.#closing.abort();
    this.#wake.resolve(undefined);
    const deadline = setTimeout(() => this.#givenUp.abort(), deadlineMs);
    // A send to a broker that hangs outlasts every deadline.
    await Promise.race([this.#done, once(this.#givenUp.signal, 'abort')]);
    clearTimeout(deadline);
    const unpublished = this.#waiting.length;
    if (unpublished > 0)
      this.#options.logger.error(
        { unpublished, error: this.#error },
        'decisions were not published before the end: they are not kept',
      );
    await this.#producer.disconnect();
    return unpublished;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    let failures = 0;
    let connected = false;
    for (;;) {
      if (this.#waiting.length === 0) {
        if (signal.aborted) return;
        await this.#wake.promise;
        this.#wake = Promise.withResolvers();
        continue;
      }
      try {
        if (!connected) await this.#producer.connect();
        connected = true;
        await this.#publish();
        failures = 0;
        this.#error = null;
      } catch (error) {
        failures += 1;
        this.#error = error instanceof Error ? error.message : String(error);
        this.#options.logger.error(
          { err: error, failures, waiting: this.#waiting.length },
          'decisions cannot be published',
        );
        if (this.#givenUp.signal.aborted) return;
        await pause(
          backoffMs(failures, RETRY, this.#options.random ?? Math.random),
          signal.aborted ? this.#givenUp.signal : signal,
        );
      }
    }
  }

  async #publish(): Promise<void> {
    const { topic } = this.#options;
    const batch = this.#waiting.slice(0, BATCH);
    const messages = batch.flatMap((record) => this.#messageOf(record));
    // Sent twice after a lost answer, a record is kept once: its id is its key in the store.
    if (messages.length > 0) await this.#producer.send({ topic, messages, acks: -1 });
    this.#waiting.splice(0, batch.length);
    this.#published += messages.length;
    this.#refused += batch.length - messages.length;
  }

  /** None where it cannot be encoded: trying again would hold up all that come after it. */
  #messageOf(record: DecisionRecord): { key: string; value: Buffer }[] {
    try {
      return [{ key: record.request.tenantId, value: this.#options.encode(record) }];
    } catch (error) {
      this.#options.logger.error(
        { err: error, id: record.id },
        'a decision cannot be encoded: it is not kept',
      );
      return [];
    }
  }
}
