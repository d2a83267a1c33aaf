/** Sends a day of usage through the real producer, as fast as a short film of it. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Meter } from '@meterhouse/producer';
import { DAY_MS } from '@meterhouse/usage';
import { DayTotals } from './day-totals.ts';
import { usageDay, type DayEvent, type DayPlan } from './usage-day.ts';

/** How long a day of so many events is shown for: long enough to watch, short enough to wait for. */
const EVENTS_PER_SECOND = 4_000;
const SHORTEST_MS = 3_000;
const LONGEST_MS = 20_000;
/** Waiting less would cost more than it paces. */
const STEP_MS = 15;

export interface DaySending {
  readonly totals: DayTotals;
  acknowledged: number;
  /** Refused by the producer, or never acknowledged. */
  undelivered: number;
  /** Where in the day the sending is, epoch ms. */
  dayTime: number;
}

export function newDaySending(plan: DayPlan): DaySending {
  return { totals: new DayTotals(), acknowledged: 0, undelivered: 0, dayTime: plan.through - DAY_MS };
}

/**
 * Resolves when every event is acknowledged or given up.
 * @param sending kept up to date on the way
 */
export async function sendDay(
  plan: DayPlan,
  sending: DaySending,
  meter: Meter,
  signal: AbortSignal,
): Promise<void> {
  await meter.recordMany(paced(plan, sending, signal), (_, outcome) => {
    switch (outcome.kind) {
      case 'acknowledged':
        sending.acknowledged += 1;
        return;
      case 'refused':
      case 'not_acknowledged':
        sending.undelivered += 1;
        return;
    }
  });
}

async function* paced(plan: DayPlan, sending: DaySending, signal: AbortSignal): AsyncGenerator<DayEvent> {
  const lengthMs = filmLengthMs(plan.events);
  const from = plan.through - DAY_MS;
  const startedAt = performance.now();
  for (const each of usageDay(plan)) {
    const dueMs = ((each.sentAt - from) / DAY_MS) * lengthMs;
    const earlyMs = dueMs - (performance.now() - startedAt);
    if (earlyMs > STEP_MS) await delay(earlyMs, undefined, { signal });
    signal.throwIfAborted();
    sending.totals.add(each);
    sending.dayTime = each.sentAt;
    yield each.event;
  }
}

function filmLengthMs(events: number): number {
  return Math.min(LONGEST_MS, Math.max(SHORTEST_MS, (events / EVENTS_PER_SECOND) * 1_000));
}
