/** `channel.consume(queue, meterConsumer(channel, handler, options))` */
import { setTimeout as delay } from 'node:timers/promises';
import type { Channel, ConsumeMessage } from 'amqplib';
import { meterMessages, type MessageMetering, type MessageUsageOptions } from '../messages/message-usage.ts';
import type { ProblemCounts } from '../problems.ts';
import { identityOf, type WithoutMessageId } from './identity.ts';

export { UsageNotRecordedError, type MessageUsage } from '../messages/message-usage.ts';

export interface AmqpUsageOptions<Result> extends MessageUsageOptions<ConsumeMessage, Result> {
  /** What becomes of a message whose handler failed: `requeue`, or `discard` (to the dead letter exchange, if there is one). */
  readonly onFailure: (error: unknown, message: ConsumeMessage) => 'requeue' | 'discard';
  /**
   * A message without `messageId`: `refuse` (default) handles and does not meter it, and tells so;
   * `digest` makes its id of its content, so that two equal messages of one instant count once.
   */
  readonly withoutMessageId?: WithoutMessageId;
  /** The broker ended the subscription. */
  readonly onCancel?: () => void;
  /** How long a message is kept back whose usage could not be recorded; default 1,000. */
  readonly requeueAfterMs?: number;
}

const REQUEUE_AFTER_MS = 1_000;

type Settling = Pick<Channel, 'ack' | 'nack'>;

/** A listener that acknowledges a message once its handler is done and its usage recorded. */
export function meterConsumer<Result>(
  channel: Settling,
  handler: (message: ConsumeMessage) => Result | Promise<Result>,
  options: AmqpUsageOptions<Result>,
): ((message: ConsumeMessage | null) => void) & { readonly problems: () => ProblemCounts } {
  const policy = options.withoutMessageId ?? 'refuse';
  const metering = meterMessages('amqplib', options, (message: ConsumeMessage) =>
    identityOf(message, policy),
  );
  const listener = (message: ConsumeMessage | null): void => {
    if (message === null) {
      options.onCancel?.();
      return;
    }
    consume(channel, message, handler, options, metering).catch((error: unknown) => {
      // The channel has gone: the broker delivers the message again by itself.
      metering.problems.report('not_acknowledged', 'a message could not be settled', error);
    });
  };
  return Object.assign(listener, { problems: () => metering.problems.counts() });
}

async function consume<Result>(
  channel: Settling,
  message: ConsumeMessage,
  handler: (message: ConsumeMessage) => Result | Promise<Result>,
  options: AmqpUsageOptions<Result>,
  metering: MessageMetering<ConsumeMessage, Result>,
): Promise<void> {
  let failure: { readonly error: unknown } | null = null;
  let result: Result | undefined;
  try {
    result = await handler(message);
  } catch (error) {
    failure = { error };
  }
  try {
    await (failure === null ? metering.handled(message, result as Result) : metering.failed(message));
  } catch {
    // Told already. Not at once: the broker would bring it back as fast as it can.
    await delay(options.requeueAfterMs ?? REQUEUE_AFTER_MS, undefined, { ref: false });
    channel.nack(message, false, true);
    return;
  }
  if (failure === null) channel.ack(message);
  else channel.nack(message, false, decide(failure.error, message, options) === 'requeue');
}

function decide<Result>(
  error: unknown,
  message: ConsumeMessage,
  options: AmqpUsageOptions<Result>,
): 'requeue' | 'discard' {
  try {
    return options.onFailure(error, message);
  } catch {
    return 'requeue'; // nobody has decided to give it up
  }
}
