/**
 * Outbox → Kafka. In order: read the lane's first rows, send them all, wait for every acknowledgement, take
 * the rows out. A relay that dies in between leaves rows that have arrived; the next one sends them again,
 * in the same order, and their ids count once.
 *
 * Why a relay that was paused cannot reorder: it reads no row once its epoch is over, so what it may still
 * send late is a run of rows that it read while the lane was its own. Each of these was the lane's head
 * then: whoever came after it has sent them before anything newer. They arrive as repetitions, behind or
 * between what they repeat; the first delivery of each event is always in the lane's order.
 *
 * Not by Kafka transactions, which would spare the repetitions: kafkajs hands its consumers no batch that
 * holds nothing but a transaction's end, so a partition would end with an offset that counting never
 * reaches, and its watermark would stand still.
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
  readonly logger: Logger;
}

export function kafkaTarget(options: KafkaTargetOptions): Target {
  return { open: (held) => openLane(options, held) };
}

async function openLane(options: KafkaTargetOptions, held: HeldLane): Promise<OpenLane> {
  const { kafka, pool, logger } = options;
  const producer = kafka.producer({
    idempotent: true,
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
  const partition = unacknowledged(messages, await producer.send({ topic, acks: -1, messages }));
  if (partition !== null) throw new Error(`partition ${partition} did not acknowledge its part of a batch`);
}

/** What cannot be read as an event goes as it is: the aggregator quarantines it, and nothing waits behind it. */
function toMessage({ tenantId, event }: OutboxRow, encode: KafkaTargetOptions['encode']): Message {
  const decoded = eventFromJson(event);
  return { key: tenantId, value: 'reason' in decoded ? Buffer.from(event) : encode(decoded) };
}
