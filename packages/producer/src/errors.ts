/** How recording can fail. The list of codes is closed. */
import type { UsageEvent } from '@meterhouse/usage';

export type MeterErrorCode =
  /** The event is not one that can be counted; `reason` and `field` say why. */
  | 'refused'
  /** The buffer, or the spool, is at its bound: events are taken more slowly than they come, or not at all. */
  | 'buffer_full'
  /** The spool's disk does not take it. */
  | 'not_stored'
  /** The meter has been closed. */
  | 'closed'
  /** No acknowledgement in time. The event may or may not be on the topic. */
  | 'not_acknowledged';

/** `rejected`: the receiver will never take it; the message has its words. */
export type RefusalReason = 'invalid_event' | 'invalid_value' | 'too_large' | 'rejected';

interface MeterErrorDetails {
  readonly reason?: RefusalReason;
  readonly field?: string;
  readonly event?: UsageEvent;
  readonly cause?: unknown;
}

export class MeterError extends Error {
  readonly code: MeterErrorCode;
  /** Whether recording `event` again can succeed. */
  readonly canRetry: boolean;
  /** Set with code `refused`. */
  readonly reason: RefusalReason | null;
  readonly field: string | null;
  /** The event as it was to be sent, its id included: recorded again like this, it counts once. */
  readonly event: UsageEvent | null;

  constructor(code: MeterErrorCode, message: string, details: MeterErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'MeterError';
    this.code = code;
    this.canRetry = code === 'buffer_full' || code === 'not_stored' || code === 'not_acknowledged';
    this.reason = details.reason ?? null;
    this.field = details.field ?? null;
    this.event = details.event ?? null;
  }
}

/**
 * A whole buffer is given up at once, at a deadline: stacks, all of them a timer's, would take most of the
 * time, half a second for 100,000 events.
 */
export function notAcknowledged(event: UsageEvent, why: string): MeterError {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return new MeterError('not_acknowledged', `usage event ${event.id}: ${why}`, { event });
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}
