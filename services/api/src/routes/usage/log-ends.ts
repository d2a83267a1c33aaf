/** How far the topic's log goes, for the answers' "events behind": asked when it is needed, at most once a second. */
import { createKafka, fetchLogEnds, type KafkaConnection } from '@meterhouse/kafka';
import type { LogEnds } from '@meterhouse/postgres';
import { ignore, pause } from '@meterhouse/runtime';
import type { Admin } from 'kafkajs';

export interface LogEndsReader {
  /** At most a second old; null where Kafka does not say it in time, or has no such topic. Never throws. */
  read(): Promise<LogEnds | null>;
  close(): Promise<void>;
}

const MAX_AGE_MS = 1_000;
/** An answer about usage is worth more than knowing how much is behind it. */
const PATIENCE_MS = 500;
const QUICK = {
  requestTimeoutMs: 2_000,
  retry: { retries: 1, initialRetryTime: 100, maxRetryTime: 500 },
};

export function createLogEndsReader(connection: KafkaConnection, topic: string): LogEndsReader {
  return new Reader(connection, topic);
}

class Reader implements LogEndsReader {
  readonly #connection: KafkaConnection;
  readonly #topic: string;
  readonly #closing = new AbortController();
  #admin: Admin | null = null;
  #known: { readonly ends: LogEnds | null; readonly at: number } | null = null;
  #asking: Promise<void> | null = null;

  constructor(connection: KafkaConnection, topic: string) {
    this.#connection = connection;
    this.#topic = topic;
  }

  async read(): Promise<LogEnds | null> {
    if (!this.#isFresh()) {
      this.#asking ??= this.#ask().finally(() => {
        this.#asking = null;
      });
      const patience = new AbortController();
      await Promise.race([this.#asking, pause(PATIENCE_MS, patience.signal)]);
      patience.abort();
    }
    return this.#isFresh() ? (this.#known?.ends ?? null) : null;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#asking;
    await this.#disconnect();
  }

  #isFresh(): boolean {
    return this.#known !== null && performance.now() - this.#known.at < MAX_AGE_MS;
  }

  /** Never rejects. */
  async #ask(): Promise<void> {
    const at = performance.now();
    try {
      this.#known = { ends: await this.#fetch(), at };
    } catch (error) {
      this.#connection.logger.warn({ err: error, topic: this.#topic }, 'how much is behind cannot be asked');
      this.#known = { ends: null, at: performance.now() };
      await this.#disconnect();
    }
  }

  async #fetch(): Promise<LogEnds | null> {
    if (this.#closing.signal.aborted) return null;
    if (this.#admin === null) {
      const admin = createKafka({ ...this.#connection, ...QUICK }).admin();
      await admin.connect();
      this.#admin = admin;
    }
    // Asking for the offsets of a topic that is not there could make it.
    const topics = await this.#admin.listTopics();
    return topics.includes(this.#topic) ? fetchLogEnds(this.#admin, this.#topic) : null;
  }

  async #disconnect(): Promise<void> {
    const admin = this.#admin;
    this.#admin = null;
    // It is given up: whether it could say goodbye changes nothing.
    await admin?.disconnect().catch(ignore);
  }
}
