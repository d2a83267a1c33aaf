/**
 * A consumer that only hands over what it fetched. Where to read from is the caller's decision
 * (`seek`), offsets committed to Kafka are only for monitoring, and kafkajs' word on which partitions
 * it owns is a hint: whoever counts must be safe when two consumers hold the same partition.
 */
import type { Consumer, Kafka, KafkaMessage } from 'kafkajs';

export interface FetchedRecord {
  readonly offset: bigint;
  /** Epoch ms; with the topic's message.timestamp.type=LogAppendTime, the broker's clock at receipt. */
  readonly receivedAt: number;
  readonly payload: Buffer | null;
  /** The `traceparent` header as it came, where it was asked for and is there. */
  readonly traceparent?: string;
}

/** Records that lie next to each other in the log: no record between fromOffset and nextOffset is missing. */
export interface FetchedChunk {
  readonly partition: number;
  /** The offset that was asked for. */
  readonly fromOffset: bigint;
  readonly nextOffset: bigint;
  readonly records: readonly FetchedRecord[];
}

export interface TopicConsumerOptions {
  readonly kafka: Kafka;
  readonly groupId: string;
  readonly topic: string;
  readonly sessionTimeoutMs: number;
  readonly fetch: FetchBounds;
  /** The partitions that this member was given; called after every rebalance with all of them. */
  readonly onAssigned: (partitions: readonly number[]) => void;
  /**
   * Takes a chunk. Until it resolves nothing more is fetched, so waiting here is back-pressure;
   * whoever waits calls `heartbeat`, which rejects when the group has moved on.
   */
  readonly deliver: (chunk: FetchedChunk, heartbeat: () => Promise<void>) => Promise<void>;
  /** Whether records bring their `traceparent`; without it no header is looked at. */
  readonly withTraceparent?: boolean;
  /** kafkajs gave up and will not start again by itself. */
  readonly onCrash: (error: Error) => void;
  /** kafkajs gave up a connection to the group and starts again by itself. */
  readonly onRestart?: ((error: Error) => void) | undefined;
}

export interface FetchBounds {
  readonly maxBytes: number;
  readonly maxBytesPerPartition: number;
  readonly maxWaitMs: number;
}

export interface TopicConsumer {
  seek(partition: number, offset: bigint): void;
  pause(partition: number): void;
  resume(partition: number): void;
  /** Tells Kafka how far we are. Advice for monitoring only. */
  commit(offsets: readonly { partition: number; offset: bigint }[]): Promise<void>;
  /** Leaves the group. Not to be called from within `deliver`: kafkajs would wait for itself. */
  stop(): Promise<void>;
}

export async function consumeTopic(options: TopicConsumerOptions): Promise<TopicConsumer> {
  const { topic } = options;
  const consumer = options.kafka.consumer({
    groupId: options.groupId,
    sessionTimeout: options.sessionTimeoutMs,
    rebalanceTimeout: Math.max(options.sessionTimeoutMs, 10_000),
    heartbeatInterval: Math.floor(options.sessionTimeoutMs / 5),
    maxBytes: options.fetch.maxBytes,
    maxBytesPerPartition: options.fetch.maxBytesPerPartition,
    maxWaitTimeInMs: options.fetch.maxWaitMs,
    allowAutoTopicCreation: false,
    retry: { retries: 8, initialRetryTime: 100, maxRetryTime: 3_000 },
  });
  watch(consumer, options);
  const toRecord = options.withTraceparent === true ? recordInTrace : recordOf;
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    // The position moves in memory when deliver has taken the chunk; what counts is in Postgres.
    eachBatchAutoResolve: true,
    partitionsConsumedConcurrently: 16,
    eachBatch: async ({ batch, ...group }) => {
      await options.deliver(
        {
          partition: batch.partition,
          fromOffset: BigInt(fetchedOffsetOf(batch)),
          nextOffset: BigInt(batch.lastOffset()) + 1n,
          records: batch.messages.map(toRecord),
        },
        () => group.heartbeat(),
      );
    },
  });
  return {
    seek: (partition, offset) => {
      consumer.seek({ topic, partition, offset: offset.toString() });
    },
    pause: (partition) => {
      consumer.pause([{ topic, partitions: [partition] }]);
    },
    resume: (partition) => {
      consumer.resume([{ topic, partitions: [partition] }]);
    },
    commit: (offsets) =>
      consumer.commitOffsets(
        offsets.map(({ partition, offset }) => ({ topic, partition, offset: offset.toString() })),
      ),
    stop: () => consumer.disconnect(),
  };
}

function recordOf(message: KafkaMessage): FetchedRecord {
  return {
    offset: BigInt(message.offset),
    receivedAt: Number(message.timestamp),
    payload: message.value,
  };
}

/** Longer ones are of no version that we know. */
const TRACEPARENT_BYTES = 55;

function recordInTrace(message: KafkaMessage): FetchedRecord {
  const header = message.headers?.['traceparent'];
  return Buffer.isBuffer(header) && header.length === TRACEPARENT_BYTES
    ? { ...recordOf(message), traceparent: header.toString('latin1') }
    : recordOf(message);
}

/**
 * kafkajs has the offset it asked for but leaves it out of its types. It tells a hole in the log
 * (control records, compaction) from records that we skipped.
 */
function fetchedOffsetOf(batch: object): string {
  const fetched: unknown = 'fetchedOffset' in batch ? batch.fetchedOffset : undefined;
  if (typeof fetched === 'string' || typeof fetched === 'number') return String(fetched);
  throw new Error('kafkajs no longer says which offset it fetched');
}

function watch(consumer: Consumer, options: TopicConsumerOptions): void {
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    options.onAssigned(payload.memberAssignment[options.topic] ?? []);
  });
  consumer.on(consumer.events.CRASH, ({ payload }) => {
    if (payload.restart) options.onRestart?.(payload.error);
    else options.onCrash(payload.error);
  });
}
