/**
 * Follows the compacted snapshot topic into a SnapshotTable: from its beginning, without committing
 * anything, for as long as the process lives. Whatever happens to the consumer, another one is made
 * and reads again from the beginning; the table ignores what it knows. Meanwhile the answers only
 * grow older.
 *
 * kafkajs cannot read without a group, so each session has one of its own, deleted at its end.
 */
import { randomUUID } from 'node:crypto';
import {
  createSnapshotDecoder,
  isRefusal,
  isUnknownSchema,
  type Decoder,
  type SchemaRegistry,
  type UsageSnapshot,
} from '@meterhouse/kafka';
import { backoffMs, DeadlineError, pause, type Logger } from '@meterhouse/runtime';
import type { Period } from '@meterhouse/usage';
import type { Kafka } from 'kafkajs';
import { startSession, type Session } from './reader-session.ts';
import type { PolicyView } from './registry/policy-set.ts';
import { SnapshotTable, type Now, type SnapshotReading } from './snapshot-table.ts';

export interface SnapshotReaderOptions {
  readonly kafka: Kafka;
  readonly registry: SchemaRegistry;
  readonly topic: string;
  readonly logger: Logger;
  /** Keys held at most; see SnapshotTable. */
  readonly maxKeys?: number;
  /** Begins the names of the groups, where the broker's rules ask for one. */
  readonly groupPrefix?: string;
  readonly clock?: () => Now;
  readonly random?: () => number;
}

export interface SnapshotReaderStatus {
  readonly state: 'catching_up' | 'following' | 'reconnecting' | 'closed';
  readonly keys: number;
  /** Epoch ms through which everything is in; null before the first heartbeat. */
  readonly asOf: number | null;
  /** How old that is; Infinity until something was heard live. */
  readonly ageMs: number;
  /** Consumers made so far: above 1, the broker or the network had trouble. */
  readonly sessions: number;
  /** Messages that could not be read. */
  readonly unreadable: number;
  /** Version of the registry that decisions go by. */
  readonly registryVersion: bigint;
  /** Documents of the registry that this build cannot read; what depends on them is denied. */
  readonly unreadableDocuments: number;
  /** The last error while reconnecting. */
  readonly error: string | null;
}

export interface SnapshotReader {
  /** What is known at this moment; from memory, in about a microsecond. Never throws. */
  get(tenantId: string, metric: string, period: Period): SnapshotReading;
  /** For decide(): the same table, with the clock as an argument. */
  readonly usage: Pick<SnapshotTable, 'freshness' | 'read'>;
  /** The registry as far as it is complete; empty before `ready`. */
  readonly policy: PolicyView;
  /**
   * Resolves once the table holds all that the topic held when reading began.
   * @throws DeadlineError
   */
  ready(options?: { readonly deadlineMs?: number }): Promise<void>;
  status(): SnapshotReaderStatus;
  close(): Promise<void>;
}

const RETRY = { baseMs: 200, maxMs: 10_000 };
/** How long the schema registry is waited for before the group hears from us again. */
const LEARN_MS = 2_000;

export function readSnapshots(options: SnapshotReaderOptions): SnapshotReader {
  return new Reader(options);
}

class Reader implements SnapshotReader {
  readonly #options: SnapshotReaderOptions;
  readonly #clock: () => Now;
  readonly #table: SnapshotTable;
  readonly #decoder: Decoder<UsageSnapshot>;
  readonly #closing = new AbortController();
  readonly #caughtUp = Promise.withResolvers<undefined>();
  readonly #done: Promise<void>;
  #state: SnapshotReaderStatus['state'] = 'catching_up';
  #sessions = 0;
  #unreadable = 0;
  #error: string | null = null;

  constructor(options: SnapshotReaderOptions) {
    this.#options = options;
    this.#clock = options.clock ?? bothClocks;
    this.#table = new SnapshotTable(options.maxKeys === undefined ? undefined : { maxKeys: options.maxKeys });
    this.#decoder = createSnapshotDecoder(options.registry);
    this.#done = this.#run();
  }

  get usage(): Pick<SnapshotTable, 'freshness' | 'read'> {
    return this.#table;
  }

  get policy(): PolicyView {
    return this.#table.policy;
  }

  get(tenantId: string, metric: string, period: Period): SnapshotReading {
    return this.#table.get(tenantId, metric, period, this.#clock());
  }

  async ready({ deadlineMs = 30_000 }: { readonly deadlineMs?: number } = {}): Promise<void> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      late.reject(new DeadlineError(`the snapshots of ${this.#options.topic}`, deadlineMs, this.#error));
    }, deadlineMs);
    try {
      await Promise.race([this.#caughtUp.promise, late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  status(): SnapshotReaderStatus {
    const { asOf, ageMs } = this.#table.freshness(this.#clock());
    return {
      state: this.#state,
      keys: this.#table.keys,
      asOf,
      ageMs,
      sessions: this.#sessions,
      unreadable: this.#unreadable,
      registryVersion: this.#table.policy.version,
      unreadableDocuments: this.#table.policy.problems,
      error: this.#error,
    };
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#done;
    this.#state = 'closed';
  }

  async #run(): Promise<void> {
    const { logger, topic, random } = this.#options;
    const signal = this.#closing.signal;
    for (let failures = 0; !signal.aborted;) {
      const session = this.#startSession();
      // Told by `ended` too, which is waited for next.
      session.caughtUp.then(
        () => {
          failures = 0;
          this.#error = null;
          this.#state = 'following';
          this.#table.caughtUp();
          this.#caughtUp.resolve(undefined);
        },
        () => undefined,
      );
      const error = await session.ended;
      if (error === null) return;
      failures += 1;
      this.#state = 'reconnecting';
      this.#error = error.message;
      logger.warn(
        { err: error, topic, failures },
        'reading snapshots broke off; answers grow older until it works',
      );
      await pause(backoffMs(failures, RETRY, random ?? Math.random), signal);
    }
  }

  #startSession(): Session {
    const { kafka, topic, logger, groupPrefix } = this.#options;
    this.#sessions += 1;
    return startSession({
      kafka,
      topic,
      logger,
      groupId: `${groupPrefix ?? 'meterhouse-snapshot-reader'}-${randomUUID()}`,
      monotonicMs: () => this.#clock().monotonicMs,
      closing: this.#closing.signal,
      take: (message, publishedAfterMs, alive) => this.#take(message, publishedAfterMs, alive),
    });
  }

  async #take(
    message: { readonly key: Buffer | null; readonly value: Buffer | null; readonly offset: string },
    publishedAfterMs: number,
    alive: () => Promise<void>,
  ): Promise<void> {
    for (;;) {
      const outcome = this.#decoder.decode(message.value);
      if (isUnknownSchema(outcome)) {
        await this.#decoder.learn(outcome.unknownSchemaId, { deadlineMs: LEARN_MS });
        await alive();
        continue;
      }
      if (isRefusal(outcome)) this.#distrust(message, outcome.detail);
      else this.#table.apply(outcome, publishedAfterMs);
      return;
    }
  }

  #distrust(message: { readonly key: Buffer | null; readonly offset: string }, detail: string): void {
    const key = message.key?.toString() ?? '';
    this.#table.distrust(key);
    this.#unreadable += 1;
    const { topic, logger } = this.#options;
    if (this.#unreadable === 1)
      logger.error(
        { topic, offset: message.offset, key, detail },
        'a snapshot cannot be read; its key is unknown until the next one. Further ones are only counted',
      );
  }
}

function bothClocks(): Now {
  return { wallMs: Date.now(), monotonicMs: performance.now() };
}
