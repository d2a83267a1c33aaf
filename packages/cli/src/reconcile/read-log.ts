/** Reads stretches of a topic's partitions once, from start to end, with a consumer of its own. */
import { randomUUID } from 'node:crypto';
import type { Admin, Kafka } from 'kafkajs';
import { consumeTopic, type FetchedChunk, type FetchedRecord, type TopicConsumer } from '@meterhouse/kafka';
import { CommandError } from '../exit.ts';

export interface Stretch {
  readonly partition: number;
  readonly from: bigint;
  /** Not included. */
  readonly to: bigint;
}

/** Returns a promise only where it has to wait: most records need none. */
export type OnRecord = (partition: number, record: FetchedRecord) => Promise<void> | undefined;

const MIB = 1024 * 1024;
const FETCH = { maxBytes: 16 * MIB, maxBytesPerPartition: 4 * MIB, maxWaitMs: 100 };
const SESSION_TIMEOUT_MS = 30_000;
/** With nothing arriving for so long, something is wrong that waiting will not mend. */
const SILENCE_MS = 60_000;

/**
 * @param onRecord for each record of each stretch, in the order of its partition
 * @throws CommandError when the log no longer holds a stretch, or Kafka falls silent
 */
export async function readLog(options: {
  readonly kafka: Kafka;
  readonly admin: Admin;
  readonly topic: string;
  readonly stretches: readonly Stretch[];
  readonly onRecord: OnRecord;
  readonly onProgress: (records: bigint) => void;
  readonly signal: AbortSignal;
}): Promise<void> {
  const reading = new Reading(options.stretches, options.onRecord, options.onProgress);
  if (reading.isDone) return;
  const groupId = `meterhouse-reconcile-${randomUUID()}`;
  let consumer: TopicConsumer | null = null;
  consumer = await consumeTopic({
    kafka: options.kafka,
    groupId,
    topic: options.topic,
    sessionTimeoutMs: SESSION_TIMEOUT_MS,
    fetch: FETCH,
    onAssigned: () => undefined,
    deliver: async (chunk, heartbeat) => {
      try {
        await reading.take(chunk);
      } catch (error) {
        reading.fail(error);
        return;
      }
      if (reading.isRead(chunk.partition)) consumer?.pause(chunk.partition);
      await heartbeat();
    },
    onCrash: (error) => {
      reading.fail(error);
    },
  });
  const stop = (): void => {
    reading.fail(new CommandError('interrupted', null));
  };
  options.signal.addEventListener('abort', stop, { once: true });
  try {
    await reading.done();
  } finally {
    options.signal.removeEventListener('abort', stop);
    await consumer.stop();
    // It committed nothing; without this its name would stay for a week.
    await options.admin.deleteGroups([groupId]).catch(() => undefined);
  }
}

class Reading {
  readonly #next = new Map<number, bigint>();
  readonly #to = new Map<number, bigint>();
  readonly #onRecord: OnRecord;
  readonly #onProgress: (records: bigint) => void;
  readonly #settled = Promise.withResolvers<undefined>();
  #records = 0n;
  #lastAt = performance.now();

  constructor(stretches: readonly Stretch[], onRecord: OnRecord, onProgress: (records: bigint) => void) {
    for (const { partition, from, to } of stretches) {
      if (from >= to) continue;
      this.#next.set(partition, from);
      this.#to.set(partition, to);
    }
    this.#onRecord = onRecord;
    this.#onProgress = onProgress;
  }

  get isDone(): boolean {
    return [...this.#to.keys()].every((partition) => this.isRead(partition));
  }

  isRead(partition: number): boolean {
    return (this.#next.get(partition) ?? 0n) >= (this.#to.get(partition) ?? 0n);
  }

  async take(chunk: FetchedChunk): Promise<void> {
    this.#lastAt = performance.now();
    const next = this.#next.get(chunk.partition);
    const to = this.#to.get(chunk.partition);
    if (next === undefined || to === undefined || next >= to) return;
    if (chunk.fromOffset > next)
      throw new CommandError(
        `partition ${chunk.partition} no longer holds offset ${next}: its log begins at ${chunk.fromOffset} now`,
        'run it again',
      );
    for (const record of chunk.records) {
      // kafkajs hands out a whole batch of the log when asked for an offset inside it.
      if (record.offset < next || record.offset >= to) continue;
      const waiting = this.#onRecord(chunk.partition, record);
      if (waiting !== undefined) await waiting;
      this.#records += 1n;
    }
    if (chunk.nextOffset > next) this.#next.set(chunk.partition, chunk.nextOffset);
    this.#onProgress(this.#records);
    if (this.isDone) this.#settled.resolve(undefined);
  }

  fail(error: unknown): void {
    this.#settled.reject(error);
  }

  async done(): Promise<void> {
    const watch = setInterval(() => {
      if (performance.now() - this.#lastAt > SILENCE_MS)
        this.fail(
          new CommandError(`Kafka has sent nothing for ${SILENCE_MS / 1000} s`, 'is the broker well?'),
        );
    }, 1_000);
    try {
      await this.#settled.promise;
    } finally {
      clearInterval(watch);
    }
  }
}
