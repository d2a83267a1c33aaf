/**
 * Delivers under changing keys, and damages what is to be damaged: what the real producer's own
 * transport would never do. Not idempotent, so a send whose answer was lost is on the topic twice.
 */
import { createHash } from 'node:crypto';
import { createEventEncoder, createKafka, createRegistry, registerEventSchema } from '@meterhouse/kafka';
import { TransportError, type Transport } from '@meterhouse/producer';
import type { Logger } from '@meterhouse/runtime';
import type { UsageEvent } from '@meterhouse/usage';
import { CompressionTypes, type Message, type Producer } from 'kafkajs';
import type { Random } from '../random.ts';
import type { Damage } from './planned-event.ts';

export interface SpreadTarget {
  readonly broker: string;
  readonly schemaRegistry: string;
  readonly topic: string;
  readonly partitions: number;
}

/** What was done to the message of an event, by tenant and id. */
export interface Damages {
  readonly wanted: Map<string, Damage>;
  /** Hex SHA-256 of the damaged message. */
  readonly payloads: Map<string, string>;
}

export function damageKey(event: { readonly tenantId: string; readonly id: string }): string {
  return `${event.tenantId}\0${event.id}`;
}

export function createSpreadTransport(
  target: SpreadTarget,
  damages: Damages,
  random: Random,
  logger: Logger,
): Transport {
  const registry = createRegistry(target.schemaRegistry);
  const kafka = createKafka({
    brokers: [target.broker],
    clientId: 'faults-spread',
    logger,
    requestTimeoutMs: 8_000,
    retry: { retries: 1, initialRetryTime: 100, maxRetryTime: 500 },
  });
  let encode: ((event: UsageEvent) => Buffer) | null = null;
  let producer: Producer | null = null;
  let remakes = 0;

  const toMessage = (event: UsageEvent, partition: number): Message & { partition: number } => {
    if (encode === null) throw new Error('the schema is not known yet');
    const damage = damages.wanted.get(damageKey(event));
    if (damage === undefined) return { partition, value: encode(event) };
    const value = damaged(event, damage, encode);
    damages.payloads.set(damageKey(event), createHash('sha256').update(value).digest('hex'));
    return { partition, value };
  };

  const deliver = async (events: readonly UsageEvent[], signal: AbortSignal): Promise<void> => {
    encode ??= createEventEncoder(await registerEventSchema(registry, target.topic, signal));
    if (producer === null) {
      producer = kafka.producer({ allowAutoTopicCreation: false });
      await producer.connect();
    }
    signal.throwIfAborted();
    const messages = events.map((event) => toMessage(event, random.between(0, target.partitions - 1)));
    const answer = await producer.send({
      topic: target.topic,
      acks: -1,
      compression: CompressionTypes.None,
      messages,
    });
    const acknowledged = new Set(
      answer.filter(({ errorCode }) => errorCode === 0).map(({ partition }) => partition),
    );
    if (!messages.every(({ partition }) => acknowledged.has(partition)))
      throw new Error('not every partition was acknowledged');
  };

  return {
    send: async (events, signal) => {
      try {
        await deliver(events, signal);
      } catch (error) {
        const failed = producer;
        producer = null;
        remakes += 1;
        // It may hang on a frozen broker; nothing waits for it.
        failed?.disconnect().catch((problem: unknown) => {
          logger.debug({ err: problem }, 'a failed producer did not disconnect');
        });
        const message = error instanceof Error ? error.message : String(error);
        throw new TransportError('unavailable', message, { cause: error });
      }
    },
    close: async () => {
      await producer?.disconnect();
    },
    remakes: () => remakes,
  };
}

function damaged(event: UsageEvent, damage: Damage, encode: (event: UsageEvent) => Buffer): Buffer {
  switch (damage) {
    case 'cut_short': {
      const whole = encode(event);
      return whole.subarray(0, whole.length - 3);
    }
    case 'wrong_magic':
      return Buffer.concat([Buffer.from([1]), encode(event).subarray(1)]);
    case 'unknown_schema':
      return Buffer.concat([Buffer.from([0, 0x7f, 0xff, 0xff, 0xf0]), encode(event).subarray(5)]);
    case 'value_not_a_number':
      return encode({ ...event, value: 'NaN' });
    case 'value_with_exponent':
      return encode({ ...event, value: '1e3' });
    case 'attribute_too_long':
      return encode({ ...event, attrs: { note: 'x'.repeat(1_000) } });
    default:
      return damage satisfies never;
  }
}
