/**
 * Sends the consumer back to records that are missing. Where they are still missing after that, the log has
 * lost them or its leader is not up to date yet: kafkajs would go back and forth as fast as the broker
 * answers, log each turn, and hold up all other partitions of that broker, whose fetches fail with it. So the
 * partition rests for a while before each further attempt, until it is found again or declared lost.
 */
import type { TopicConsumer } from '@meterhouse/kafka';

interface Attempt {
  readonly offset: bigint;
  readonly at: number;
  /** Set while the partition rests. */
  readonly rest: NodeJS.Timeout | null;
}

export class Rereading {
  readonly #consumer: Pick<TopicConsumer, 'seek' | 'pause' | 'resume'>;
  readonly #restMs: number;
  readonly #attempts = new Map<number, Attempt>();

  /** @param restMs between two attempts at the same offset, at least */
  constructor(consumer: Pick<TopicConsumer, 'seek' | 'pause' | 'resume'>, restMs: number) {
    this.#consumer = consumer;
    this.#restMs = restMs;
  }

  seek(partition: number, offset: bigint): void {
    const last = this.#attempts.get(partition);
    if (last?.offset === offset && last.rest !== null) return;
    this.#endRest(partition);
    const dueInMs = last?.offset === offset ? last.at + this.#restMs - performance.now() : 0;
    if (dueInMs <= 0) {
      this.#again(partition, offset);
      return;
    }
    this.#consumer.pause(partition);
    const rest = setTimeout(() => {
      this.#consumer.resume(partition);
      this.#again(partition, offset);
    }, dueInMs);
    rest.unref();
    this.#attempts.set(partition, { offset, at: last?.at ?? performance.now(), rest });
  }

  /** The partition is halted: it stays as it is. */
  leave(partition: number): void {
    this.#endRest(partition);
    this.#attempts.delete(partition);
  }

  /** All partitions are anybody's. */
  leaveAll(): void {
    for (const partition of [...this.#attempts.keys()]) this.leave(partition);
  }

  #again(partition: number, offset: bigint): void {
    this.#attempts.set(partition, { offset, at: performance.now(), rest: null });
    this.#consumer.seek(partition, offset);
  }

  #endRest(partition: number): void {
    const rest = this.#attempts.get(partition)?.rest ?? null;
    if (rest === null) return;
    clearTimeout(rest);
    this.#consumer.resume(partition);
  }
}
