/** The way from HTTP to the broker: one meter for all requests, bounded so that no request waits long. */
import { createMeter, type KafkaTarget, type Meter } from '@meterhouse/producer';
import { ignore, type Logger } from '@meterhouse/runtime';
import { ApiProblem } from '../http/problem.ts';
import { MAX_EVENTS } from './bounds.ts';
import { IntakeBudget, type BudgetRefusal } from './intake-budget.ts';

/** Why a whole request was sent back: there was no room for it. */
export type IntakeRefusal = BudgetRefusal | 'waiting_events';

export interface EventIntake {
  readonly meter: Meter;
  readonly budget: IntakeBudget;
  /** Events that wait for the broker's acknowledgement. */
  waitingEvents(): number;
  /** Events that wait no more, whichever way they went. */
  settledEvents(): number;
  readonly maxWaitingEvents: number;
  /** @throws ApiProblem `overloaded` where as many events as a request brings may not wait for the broker now */
  requireRoom(events: number): void;
  /** Takes no more, and delivers what it has. */
  close(deadlineMs: number): Promise<void>;
}

const RETRY_SECONDS = 2;

export interface IntakeLimits {
  /** Events that may wait for their acknowledgement. */
  readonly bufferEvents: number;
  /** How long an event waits for the broker before it is answered as not acknowledged. */
  readonly deliveryMs: number;
  /** How long one send may take; an event waits at most for `deliveryMs` and one of these. */
  readonly attemptMs: number;
}

const LIMITS: IntakeLimits = { bufferEvents: 50 * MAX_EVENTS, deliveryMs: 8_000, attemptMs: 4_000 };

export function createEventIntake(
  kafka: KafkaTarget,
  logger: Logger,
  limits: IntakeLimits = LIMITS,
  onRefused: (reason: IntakeRefusal) => void = ignore,
): EventIntake {
  // Its source is in no event: each names its own, or the key that sent it.
  const meter = createMeter({ adapter: 'kafka', kafka, source: 'api', bounds: { ...limits } }, { logger });
  const waitingEvents = (): number => meter.counters().buffered;
  return {
    meter,
    budget: new IntakeBudget(undefined, onRefused),
    waitingEvents,
    settledEvents: () => {
      const { accepted, buffered } = meter.counters();
      return accepted - buffered;
    },
    maxWaitingEvents: limits.bufferEvents,
    requireRoom: (events) => {
      if (waitingEvents() + events <= limits.bufferEvents) return;
      onRefused('waiting_events');
      throw new ApiProblem('overloaded', 'Too many events wait for the broker. Nothing was taken.', {
        retryAfterSeconds: RETRY_SECONDS,
      });
    },
    close: async (deadlineMs) => {
      await meter.close({ deadlineMs });
    },
  };
}
