/**
 * Batches on the topic, all or nothing, from one publisher at a time by the broker's own word: the
 * transactional id is the same for all instances, and whoever opened last fences everybody before.
 * Readers read what is committed, so they never see half a batch.
 */
import { createPartitioner, type UsageSnapshot } from '@meterhouse/kafka';
import { keyOf } from '@meterhouse/quota';
import type { Logger } from '@meterhouse/runtime';
import type { Kafka, Message, Producer } from 'kafkajs';

export interface Publication {
  /**
   * Resolves once the whole batch is published. After any rejection nobody knows whether it is, and
   * the publication is of no more use.
   * @throws FencedError when another has opened since; TopicReplacedError
   */
  publish(messages: readonly UsageSnapshot[]): Promise<void>;
  close(): Promise<void>;
}

/** Another instance publishes: this one must not, and must not open again either, or it would fence that one. */
export class FencedError extends Error {
  constructor(cause: unknown) {
    super('the broker has fenced this publisher: another instance has taken over', { cause });
    this.name = 'FencedError';
  }
}

/**
 * The topic was made anew: what was published before is gone from it, so nothing may be called
 * complete until the whole state is published again.
 */
export class TopicReplacedError extends Error {
  constructor(topic: string) {
    super(`topic ${topic} has been made anew`);
    this.name = 'TopicReplacedError';
  }
}

export interface PublicationOptions {
  readonly kafka: Kafka;
  readonly topic: string;
  readonly encode: (snapshot: UsageSnapshot) => Buffer;
  /** After which the broker gives up a transaction whose publisher has gone; readers wait for it until then. */
  readonly transactionTimeoutMs: number;
  /** The last batch's offset, over all publications of a term. */
  readonly reached: { offset: bigint };
  readonly logger: Logger;
}

/** One partition, whatever the topic has: the order of messages is what readers rely on. */
const PARTITION = 0;

/**
 * Opens for publishing and fences whoever opened before, at the latest when this resolves.
 */
export async function openPublication(options: PublicationOptions): Promise<Publication> {
  const { kafka, topic, encode } = options;
  const producer = kafka.producer({
    transactionalId: `meterhouse-quota-snapshot-${topic}`,
    transactionTimeout: options.transactionTimeoutMs,
    maxInFlightRequests: 1,
    allowAutoTopicCreation: false,
    createPartitioner,
  });
  const close = (): Promise<void> => producer.disconnect();
  try {
    await producer.connect();
    // kafkajs asks for the producer's epoch, which fences the others, with the first transaction.
    const empty = await producer.transaction();
    await empty.commit();
  } catch (error) {
    close().catch((closing: unknown) => options.logger.debug({ err: closing }, 'closing a producer failed'));
    throw asFenced(error);
  }
  const { reached } = options;
  return {
    publish: async (messages) => {
      const records = messages.map((message) => toRecord(message, encode));
      try {
        reached.offset = await publishAll(producer, topic, records, reached.offset);
      } catch (error) {
        throw asFenced(error);
      }
    },
    close,
  };
}

/** @returns the offset of the batch; the next one's has to be above it */
async function publishAll(
  producer: Producer,
  topic: string,
  messages: Message[],
  reached: bigint,
): Promise<bigint> {
  const transaction = await producer.transaction();
  const sent = await transaction.send({ topic, messages, acks: -1 });
  const offset = BigInt(sent[0]?.baseOffset ?? -1);
  if (offset <= reached) throw new TopicReplacedError(topic);
  await transaction.commit();
  return offset;
}

function toRecord(message: UsageSnapshot, encode: (snapshot: UsageSnapshot) => Buffer): Message {
  return { key: keyOfMessage(message), value: encode(message), partition: PARTITION };
}

/** What compaction keeps the last message of. No tenant's id is empty, so none begins with `|`. */
function keyOfMessage(message: UsageSnapshot): string {
  switch (message.kind) {
    case 'usage':
      return keyOf(message.tenantId, message.metric, message.period);
    case 'document':
      return `|${message.documentKind}|${message.id}`;
    case 'heartbeat':
    case 'registry':
      return message.kind;
  }
}

/** kafkajs knows PRODUCER_FENCED (90) only as an unknown code; to the requests it sends, brokers answer 47. */
const FENCED_TYPE = 'INVALID_PRODUCER_EPOCH';

function asFenced(error: unknown): Error {
  for (let at = error, depth = 0; at instanceof Error && depth < 10; at = at.cause, depth++)
    if ('type' in at && at.type === FENCED_TYPE) return new FencedError(error);
  return error instanceof Error ? error : new Error(String(error));
}
