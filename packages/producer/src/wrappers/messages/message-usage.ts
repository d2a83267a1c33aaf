/**
 * Usage of handled messages, recorded so that a message that is delivered again counts once:
 *  1. the handler has done its work
 *  2. its usage is recorded, under an id that follows from the message, and the broker has it
 *  3. the message is acknowledged
 * A crash before 3 brings the message again, and its events with the same ids.
 */
import { derivedUuid, EVENT_LIMITS } from '@meterhouse/usage';
import { MeterError } from '../../errors.ts';
import type { UsageEventInput } from '../../event-input.ts';
import type { AddsUsage, RecordsUsage, WrapperOptions } from '../port.ts';
import { addSafely, ask, createProblems, type Problems } from '../problems.ts';

/** What handling a message used. Its id and time are the message's. */
export interface MessageUsage {
  readonly tenantId: string;
  readonly metric: string;
  /** Default 1. */
  readonly value?: UsageEventInput['value'];
  readonly unit?: string;
  readonly attrs?: Readonly<Record<string, string>>;
  readonly attribution?: Readonly<Record<string, string>>;
  readonly correlationId?: string;
}

export interface MessageUsageOptions<Message, Result> extends WrapperOptions {
  readonly meter: AddsUsage & RecordsUsage;
  /** Names this consumer in the ids: two consumers of the same messages count apart by two names. */
  readonly consumer: string;
  /**
   * What was used: one, several, or nothing. The same for the same message: delivered again with
   * another value it would contradict what was counted (`id_conflict`), so no durations.
   * @param result what the handler returned; undefined where it failed
   */
  readonly usage: (
    message: Message,
    result: Result | undefined,
  ) => MessageUsage | readonly MessageUsage[] | null | undefined;
  /** `recorded` (default): the message is acknowledged when the broker has its usage. `buffered`: at once; a crash may lose it. */
  readonly durability?: 'recorded' | 'buffered';
  /** Whether a message whose handler failed is usage too; default `skip`. */
  readonly failures?: 'skip' | 'count';
  /** The message's time, epoch ms, where its own is not the one to count by. */
  readonly timestamp?: (message: Message) => number;
}

/** What makes a message the same when it comes again. */
export interface MessageIdentity {
  readonly id: string;
  /** Epoch ms. */
  readonly ts: number;
}

/** The usage could not be recorded; the message is not acknowledged and comes again. */
export class UsageNotRecordedError extends Error {
  constructor(cause: unknown) {
    super('the usage of a message could not be recorded; it must be delivered again', { cause });
    this.name = 'UsageNotRecordedError';
  }
}

export interface MessageMetering<Message, Result> {
  /**
   * To be called when the handler is done, before the message is acknowledged.
   * @throws UsageNotRecordedError if the message must not be acknowledged
   */
  handled(message: Message, result: Result): Promise<void>;
  /** The same where the handler failed. */
  failed(message: Message): Promise<void>;
  readonly problems: Problems;
}

/** @param identify null where a message has nothing that would be the same when it comes again */
export function meterMessages<Message, Result>(
  boundary: string,
  options: MessageUsageOptions<Message, Result>,
  identify: (message: Message) => MessageIdentity | null,
): MessageMetering<Message, Result> {
  const problems = createProblems(boundary, options);
  const { meter, timestamp } = options;

  const eventsOf = (message: Message, result: Result | undefined): UsageEventInput[] => {
    const identity = ask('identity', () => identify(message), problems);
    const used = ask('usage', () => options.usage(message, result), problems);
    if (used === null || used === undefined) return [];
    if (identity === null) {
      problems.report('no_identity', 'a message without an id or a time of its own is not metered');
      return [];
    }
    const given = timestamp === undefined ? null : ask('timestamp', () => timestamp(message), problems);
    return withIds(used, `${options.consumer}:${identity.id}`, given ?? identity.ts);
  };

  const settle = async (message: Message, result: Result | undefined): Promise<void> => {
    const events = eventsOf(message, result);
    if (options.durability === 'buffered') for (const event of events) addSafely(meter, event, problems);
    else await Promise.all(events.map((event) => record(meter, event, problems)));
  };
  return {
    handled: settle,
    failed: (message) => (options.failures === 'count' ? settle(message, undefined) : Promise.resolve()),
    problems,
  };
}

function withIds(
  used: MessageUsage | readonly MessageUsage[],
  identity: string,
  ts: number,
): UsageEventInput[] {
  const times = new Map<string, number>();
  return [used].flat().map((usage) => {
    const name = `${usage.tenantId} ${usage.metric}`;
    const nth = (times.get(name) ?? 0) + 1;
    times.set(name, nth);
    return {
      ...usage,
      // Content too: it must not come from a context that may be another one the next time.
      attribution: usage.attribution ?? null,
      id: boundedId(`${identity}:${usage.metric}${nth === 1 ? '' : `:${nth}`}`),
      ts,
    };
  });
}

function boundedId(id: string): string {
  return id.length <= EVENT_LIMITS.idLength && id.isWellFormed() ? id : derivedUuid(id);
}

async function record(meter: RecordsUsage, event: UsageEventInput, problems: Problems): Promise<void> {
  try {
    await meter.record(event);
  } catch (error) {
    // It would be refused again however often the message came.
    if (error instanceof MeterError && error.code === 'refused') {
      problems.report('not_taken', `an event of ${event.metric} is refused`, error);
      return;
    }
    problems.report('not_acknowledged', 'a message waits to be delivered again', error);
    throw new UsageNotRecordedError(error);
  }
}
