/** `consumer.run({ eachMessage: meterEachMessage(handler, options) })`, and the same for `eachBatch`. */
import type { EachBatchPayload, EachMessagePayload, KafkaMessage } from 'kafkajs';
import {
  meterMessages,
  type MessageIdentity,
  type MessageMetering,
  type MessageUsageOptions,
} from '../messages/message-usage.ts';
import type { ProblemCounts } from '../problems.ts';
import { keepAlive } from './keep-alive.ts';

export { UsageNotRecordedError, type MessageUsage } from '../messages/message-usage.ts';

/** A message and where it lies. */
export interface KafkaDelivery {
  readonly topic: string;
  readonly partition: number;
  readonly message: KafkaMessage;
}

export interface KafkaUsageOptions<Result = void> extends MessageUsageOptions<KafkaDelivery, Result> {
  /** How often the group is told that we live while usage is being recorded; default 3,000. */
  readonly heartbeatEveryMs?: number;
}

export interface KafkaBatchOptions extends KafkaUsageOptions {
  /** As given to `consumer.run`; default true: a batch whose handler returns is handled whole. */
  readonly eachBatchAutoResolve?: boolean;
}

const HEARTBEAT_EVERY_MS = 3_000;
/** Usage that is on its way to the broker at once, of a batch. */
const RECORDING_AT_ONCE = 1_000;

type WithProblems<Handler> = Handler & { readonly problems: () => ProblemCounts };

/** A handler that does what the given one does; its message's usage is recorded before the offset moves on. */
export function meterEachMessage<Result = void>(
  handler: (payload: EachMessagePayload) => Promise<Result>,
  options: KafkaUsageOptions<Result>,
): WithProblems<(payload: EachMessagePayload) => Promise<void>> {
  const metering = meterMessages('kafkajs', options, identityOf);
  const everyMs = options.heartbeatEveryMs ?? HEARTBEAT_EVERY_MS;
  const metered = async (payload: EachMessagePayload): Promise<void> => {
    let result: Result;
    try {
      result = await handler(payload);
    } catch (error) {
      // It is told already if that cannot be recorded; the message comes again in any case.
      await metering.failed(payload).catch(() => undefined);
      throw error;
    }
    await keepAlive(metering.handled(payload, result), () => payload.heartbeat(), everyMs);
  };
  return Object.assign(metered, { problems: () => metering.problems.counts() });
}

/**
 * A handler that does what the given one does. An offset that it resolves is resolved once the usage
 * of all messages up to it is recorded; the rest of the batch when it returns, if kafkajs resolves it.
 */
export function meterEachBatch(
  handler: (payload: EachBatchPayload) => Promise<void>,
  options: KafkaBatchOptions,
): WithProblems<(payload: EachBatchPayload) => Promise<void>> {
  const metering = meterMessages('kafkajs', options, identityOf);
  const everyMs = options.heartbeatEveryMs ?? HEARTBEAT_EVERY_MS;
  const metered = async (payload: EachBatchPayload): Promise<void> => {
    const progress = followBatch(payload, metering);
    try {
      await handler({
        ...payload,
        resolveOffset: (offset) => {
          progress.resolve(offset);
        },
        commitOffsetsIfNecessary: async (offsets) => {
          await progress.recorded();
          await payload.commitOffsetsIfNecessary(offsets);
        },
      });
    } catch (error) {
      // What it had resolved before is handled; kafkajs commits it.
      await progress.recorded().catch(() => undefined);
      throw error;
    }
    if (options.eachBatchAutoResolve ?? true) progress.resolve(payload.batch.lastOffset());
    await keepAlive(progress.recorded(), () => payload.heartbeat(), everyMs);
  };
  return Object.assign(metered, { problems: () => metering.problems.counts() });
}

interface BatchProgress {
  resolve(offset: string): void;
  /** @throws UsageNotRecordedError; then nothing is resolved from there on */
  recorded(): Promise<void>;
}

function followBatch(
  payload: EachBatchPayload,
  metering: MessageMetering<KafkaDelivery, void>,
): BatchProgress {
  const { topic, partition, messages } = payload.batch;
  let taken = 0;
  let recorded = Promise.resolve();
  return {
    resolve: (offset) => {
      const from = taken;
      while (taken < messages.length && BigInt(messages[taken]?.offset ?? 0) <= BigInt(offset)) taken += 1;
      const handled = messages.slice(from, taken);
      recorded = recorded.then(async () => {
        for (let at = 0; at < handled.length; at += RECORDING_AT_ONCE)
          await Promise.all(
            handled
              .slice(at, at + RECORDING_AT_ONCE)
              .map((message) => metering.handled({ topic, partition, message }, undefined)),
          );
        payload.resolveOffset(offset);
      });
      // It is awaited at the end of the batch; until then nobody else may be told of it.
      recorded.catch(() => undefined);
    },
    recorded: () => recorded,
  };
}

function identityOf({ topic, partition, message }: KafkaDelivery): MessageIdentity | null {
  const ts = Number(message.timestamp);
  return ts > 0 ? { id: `kafka:${topic}-${partition}-${message.offset}`, ts } : null;
}
