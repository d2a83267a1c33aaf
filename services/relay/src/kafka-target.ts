/**
 * Outbox → Kafka. A lane has one transactional id, whichever relay works it: whoever opens it fences the one
 * before by the broker's own word, so a relay that was paused cannot put old events behind new ones.
 *
 * In order: open (fences), read the rows, send and commit, take the rows out. A relay that dies in between
 * leaves rows that have arrived; the next one sends them again, in the same order, and their ids count once.
 */
import { keepingPartitions, unacknowledged } from '@meterhouse/kafka';
import type { Pool } from '@meterhouse/postgres';
import { removeRows, type HeldLane, type OutboxRow } from '@meterhouse/postgres/outbox';
import type { Logger } from '@meterhouse/runtime';
import { eventFromJson, type UsageEvent } from '@meterhouse/usage';
import type { Kafka, Message, Producer } from 'kafkajs';
import type { OpenLane, Target } from './target.ts';

export interface KafkaTargetOptions {
  readonly pool: Pool;
  readonly kafka: Kafka;
  readonly topic: string;
  readonly encode: (event: UsageEvent) => Buffer;
  readonly transactionTimeoutMs: number;
  readonly logger: Logger;
}

export function kafkaTarget(options: KafkaTargetOptions): Target {
  return { open: (held) => openLane(options, held) };
}

async function openLane(options: KafkaTargetOptions, held: HeldLane): Promise<OpenLane> {
  const { kafka, topic, pool, logger } = options;
  const producer = kafka.producer({
    transactionalId: `meterhouse-outbox-${topic}-${held.lane}`,
    transactionTimeout: options.transactionTimeoutMs,
    maxInFlightRequests: 1,
    allowAutoTopicCreation: false,
    createPartitioner: keepingPartitions,
  });
  const close = async (): Promise<void> => {
    try {
      await producer.disconnect();
    } catch (error) {
      logger.debug({ err: error, lane: held.lane }, 'a producer did not disconnect cleanly');
    }
  };
  try {
    await producer.connect();
    // kafkajs asks for the producer's epoch, which fences the others, with the first transaction.
    const empty = await producer.transaction();
    await empty.commit();
  } catch (error) {
    await close();
    throw error;
  }
  return {
    deliver: async (rows) => {
      await publish(producer, options, rows);
      await removeRows(pool, held.lane, rows);
      return true;
    },
    close,
  };
}

async function publish(
  producer: Producer,
  { topic, encode }: KafkaTargetOptions,
  rows: readonly OutboxRow[],
): Promise<void> {
  const messages = rows.map((row) => toMessage(row, encode));
  const transaction = await producer.transaction();
  const partition = unacknowledged(messages, await transaction.send({ topic, acks: -1, messages }));
  if (partition !== null) {
    await transaction.abort();
    throw new Error(`partition ${partition} did not acknowledge its part of a batch`);
  }
  await transaction.commit();
}

/** What cannot be read as an event goes as it is: the aggregator quarantines it, and nothing waits behind it. */
function toMessage({ tenantId, event }: OutboxRow, encode: KafkaTargetOptions['encode']): Message {
  const decoded = eventFromJson(event);
  return { key: tenantId, value: 'reason' in decoded ? Buffer.from(event) : encode(decoded) };
}
