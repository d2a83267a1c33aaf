/** Counts what comes in over `POST /v1/events`, and shows how full the intake is. */
import type { Metrics } from '@meterhouse/runtime/metrics';
import { ProgressWatch, type Health } from '@meterhouse/runtime/service';
import type { EventIntake, IntakeRefusal } from '../events/intake.ts';
import type { EventOutcome } from '../events/outcomes.ts';
import { INTAKE_METRICS } from './metrics.ts';

const REFUSALS = ['waiting_events', 'body_memory', 'key_share'] as const satisfies readonly IntakeRefusal[];
/** Of what was acknowledged. */
const NO_REASON = 'none';

/** @returns to be told of each request that was sent back whole */
export function intakeRefusals(metrics: Metrics): (reason: IntakeRefusal) => void {
  const refused = metrics.counter(INTAKE_METRICS.refused);
  for (const reason of REFUSALS) refused.inc({ reason }, 0);
  return (reason) => refused.inc({ reason });
}

type ShownIntake = Pick<EventIntake, 'waitingEvents' | 'maxWaitingEvents'> & {
  readonly budget: Pick<EventIntake['budget'], 'heldBytes' | 'maxBytes'>;
};

/** @returns to be given the outcomes of each request */
export function intakeInstruments(
  metrics: Metrics,
  intake: ShownIntake,
): (outcomes: readonly EventOutcome[]) => void {
  const events = metrics.counter(INTAKE_METRICS.events);
  const requestEvents = metrics.histogram(INTAKE_METRICS.requestEvents);
  metrics.value(INTAKE_METRICS.waiting, () => intake.waitingEvents());
  metrics.value(INTAKE_METRICS.waitingLimit, () => intake.maxWaitingEvents);
  metrics.value(INTAKE_METRICS.held, () => intake.budget.heldBytes);
  metrics.value(INTAKE_METRICS.heldLimit, () => intake.budget.maxBytes);
  events.inc({ outcome: 'acknowledged', reason: NO_REASON }, 0);
  events.inc({ outcome: 'not_acknowledged', reason: 'broker_unavailable' }, 0);
  return (outcomes) => {
    requestEvents.observe(outcomes.length);
    // Summed first: a thousand look-ups of the same series would cost more than the request.
    let acknowledged = 0;
    for (const event of outcomes) {
      if (event.outcome === 'acknowledged') acknowledged += 1;
      else events.inc({ outcome: event.outcome, reason: event.code });
    }
    if (acknowledged > 0) events.inc({ outcome: 'acknowledged', reason: NO_REASON }, acknowledged);
  };
}

type WatchedIntake = Pick<EventIntake, 'waitingEvents' | 'settledEvents'>;

/**
 * /healthz: whether what waits for the broker is settled. While the broker is away it is too, as not
 * acknowledged; a restart would not bring the broker back, and is not asked for.
 */
export function watchIntake(intake: WatchedIntake, health: Health, stuckAfterMs: number): void {
  const watch = new ProgressWatch(stuckAfterMs);
  health.watch(() => {
    const progress = { position: BigInt(intake.settledEvents()), waiting: intake.waitingEvents() > 0 };
    watch.look(new Map([['the way to the broker', progress]]), performance.now());
    return watch.stuck(performance.now()).map(({ part, forMs }) => ({
      part,
      reason: `events wait and none was answered for ${Math.round(forMs / 1_000)} s`,
    }));
  });
}
