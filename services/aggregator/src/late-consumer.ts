import {
  consumeTopic,
  type FetchBounds,
  type TopicConsumer,
  type TopicConsumerOptions,
} from '@meterhouse/kafka';
import type { Logger } from '@meterhouse/runtime';
import type { Kafka } from 'kafkajs';

const COMMIT_EVERY_MS = 1_000;

interface ConsumerSettings {
  readonly kafka: Kafka;
  readonly topic: string;
  readonly groupId: string;
  readonly bounds: { readonly fetch: FetchBounds };
  readonly times: { readonly sessionTimeoutMs: number };
  readonly logger: Logger;
  readonly withTraceparent: boolean;
}

/**
 * The consumer as those see it who must exist before it: kafkajs reports the first assignment before
 * it has handed the consumer over, so assignments wait until it has.
 */
export class LateConsumer {
  #consumer: TopicConsumer | null = null;
  #commits: { stop: () => void } | null = null;
  readonly #counted = new Map<number, bigint>();

  async start(
    settings: ConsumerSettings,
    handlers: Pick<TopicConsumerOptions, 'onAssigned' | 'deliver' | 'onCrash' | 'onRestart'>,
  ): Promise<void> {
    const ready = Promise.withResolvers<undefined>();
    const early: (readonly number[])[] = [];
    this.#consumer = await consumeTopic({
      kafka: settings.kafka,
      groupId: settings.groupId,
      topic: settings.topic,
      sessionTimeoutMs: settings.times.sessionTimeoutMs,
      fetch: settings.bounds.fetch,
      withTraceparent: settings.withTraceparent,
      onAssigned: (partitions) => {
        if (this.#consumer === null) early.push(partitions);
        else handlers.onAssigned(partitions);
      },
      deliver: async (chunk, heartbeat) => {
        await ready.promise;
        await handlers.deliver(chunk, heartbeat);
      },
      onCrash: handlers.onCrash,
      onRestart: handlers.onRestart,
    });
    const last = early.at(-1);
    if (last !== undefined) handlers.onAssigned(last);
    ready.resolve(undefined);
    this.#commits = this.#commitNowAndThen(settings.logger);
  }

  seek(partition: number, offset: bigint): void {
    this.#consumer?.seek(partition, offset);
  }

  pause(partition: number): void {
    this.#consumer?.pause(partition);
  }

  resume(partition: number): void {
    this.#consumer?.resume(partition);
  }

  /** What has been counted is told to Kafka too, for tools that watch consumer groups there. */
  counted(partition: number, nextOffset: bigint): void {
    this.#counted.set(partition, nextOffset);
  }

  async stop(): Promise<void> {
    this.#commits?.stop();
    await this.#consumer?.stop();
  }

  #commitNowAndThen(logger: Logger): { stop: () => void } {
    const timer = setInterval(() => {
      if (this.#counted.size === 0) return;
      const offsets = [...this.#counted].map(([partition, offset]) => ({ partition, offset }));
      this.#counted.clear();
      // Advice only (I3): after a rebalance Kafka refuses it, and the next owner tells its own.
      this.#consumer?.commit(offsets).catch((error: unknown) => {
        logger.debug({ err: error }, 'Kafka did not take the offsets');
      });
    }, COMMIT_EVERY_MS);
    timer.unref();
    return {
      stop: () => {
        clearInterval(timer);
      },
    };
  }
}
