/**
 * Delivers to Kafka with an idempotent kafkajs producer. Three of its ways would break the word
 * "acknowledged", and are kept out here:
 *  - After a failed send its sequence numbers are rolled back, so the broker could take the next
 *    batch for a repetition of the failed one and drop it: a failed producer is never used again.
 *  - Its retry chooses partitions anew, so another set of messages could go out under the same
 *    sequence numbers: a message keeps the partition that it was given first.
 *  - When a partition's leader moves between its attempts to a broker that has answered already, the
 *    partition's messages are never sent, yet the send succeeds: every partition must be in the answer.
 */
import {
  createEventEncoder,
  createKafka,
  createRegistry,
  keepingPartitions,
  registerEventSchema,
  unacknowledged,
} from '@meterhouse/kafka';
import type { UsageEvent } from '@meterhouse/usage';
import type { Message, Producer, RecordMetadata } from 'kafkajs';
import type { Logger } from 'pino';
import { abortable } from '../../abortable.ts';
import { beginSending, type Sending } from '../../traces.ts';
import { TransportError, type Transport } from '../../transport.ts';
import type { KafkaOptions } from './options.ts';

/** kafkajs wants one retry at least; more would only hide from us what goes on. */
const KAFKAJS_RETRY = { retries: 1, initialRetryTime: 100, maxRetryTime: 1_000 };
const REQUEST_TIMEOUT_MS = 10_000;
/** Where the broker says that the batch is too much for it. */
const TOO_LARGE = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE']);

export function createKafkaTransport(options: KafkaOptions, clientId: string, logger: Logger): Transport {
  const { topic, brokers, tls, login } = options;
  const registry = createRegistry(options.schemaRegistryUrl);
  const kafka = createKafka({
    brokers,
    clientId,
    logger,
    retry: KAFKAJS_RETRY,
    requestTimeoutMs: REQUEST_TIMEOUT_MS,
    tls,
    ...(login === undefined ? {} : { login }),
  });
  let encode: ((event: UsageEvent) => Buffer) | null = null;
  let connection: Producer | null = null;
  let remakes = 0;

  const connect = async (): Promise<Producer> => {
    const producer = kafka.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      retry: KAFKAJS_RETRY,
      createPartitioner: keepingPartitions,
    });
    connection = producer;
    await producer.connect();
    return producer;
  };

  const deliver = async (events: readonly UsageEvent[], signal: AbortSignal): Promise<void> => {
    encode ??= createEventEncoder(await registerEventSchema(registry, topic, signal));
    // What the meter has given up must not go on behind its back, beside the next attempt.
    signal.throwIfAborted();
    const producer = connection ?? (await connect());
    signal.throwIfAborted();
    const toMessage = encode;
    const messages: Message[] = events.map((event) => ({ key: event.tenantId, value: toMessage(event) }));
    const sending = beginSending(topic, events);
    try {
      if (sending !== null) addHeaders(messages, events, sending);
      const answer = await producer.send({ topic, acks: -1, messages });
      requireAllAcknowledged(messages, answer);
      sending?.end();
    } catch (error) {
      sending?.end({ error });
      throw error;
    }
  };

  const abandon = (): void => {
    if (connection === null) return;
    const producer = connection;
    connection = null;
    remakes += 1;
    // It may hang on a frozen broker; nothing waits for it.
    producer.disconnect().catch((error: unknown) => {
      logger.debug({ error }, 'an abandoned producer did not disconnect cleanly');
    });
  };

  return {
    send: async (events, signal) => {
      try {
        await abortable(deliver(events, signal), signal);
      } catch (error) {
        abandon();
        throw asTransportError(error);
      }
    },
    close: async () => {
      const open = connection;
      connection = null;
      await open?.disconnect();
    },
    remakes: () => remakes,
  };
}

function addHeaders(messages: readonly Message[], events: readonly UsageEvent[], sending: Sending): void {
  for (const [index, event] of events.entries()) {
    const headers = sending.headersOf(event);
    const message = messages[index];
    if (headers !== undefined && message !== undefined) message.headers = headers;
  }
}

/** @throws TransportError unless the broker's answer covers the partition of every message */
export function requireAllAcknowledged(
  messages: readonly Message[],
  answer: readonly RecordMetadata[],
): void {
  const partition = unacknowledged(messages, answer);
  if (partition !== null)
    throw new TransportError('unavailable', `partition ${partition} was not acknowledged`);
}

function asTransportError(error: unknown): TransportError {
  if (error instanceof TransportError) return error;
  const tooLarge = causes(error).some((cause) => 'type' in cause && TOO_LARGE.has(String(cause.type)));
  const message = error instanceof Error ? error.message : String(error);
  return new TransportError(tooLarge ? 'too_large' : 'unavailable', message, { cause: error });
}

/** The error and what caused it, innermost last. */
function causes(error: unknown): Error[] {
  const chain: Error[] = [];
  for (let at = error; at instanceof Error && chain.length < 10; at = at.cause) chain.push(at);
  return chain;
}
