/** The way from HTTP to the broker: one meter for all requests, bounded so that no request waits long. */
import { createMeter, type KafkaTarget, type Meter } from '@meterhouse/producer';
import type { Logger } from '@meterhouse/runtime';
import { MAX_EVENTS } from './bounds.ts';
import { IntakeBudget } from './intake-budget.ts';

export interface EventIntake {
  readonly meter: Meter;
  readonly budget: IntakeBudget;
  /** Whether as many events as a request brings may wait for the broker now. */
  hasRoom(events: number): boolean;
  /** Takes no more, and delivers what it has. */
  close(deadlineMs: number): Promise<void>;
}

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
): EventIntake {
  // Its source is in no event: each names its own, or the key that sent it.
  const meter = createMeter({ adapter: 'kafka', kafka, source: 'api', bounds: { ...limits } }, { logger });
  return {
    meter,
    budget: new IntakeBudget(),
    hasRoom: (events) => meter.counters().buffered + events <= limits.bufferEvents,
    close: async (deadlineMs) => {
      await meter.close({ deadlineMs });
    },
  };
}
