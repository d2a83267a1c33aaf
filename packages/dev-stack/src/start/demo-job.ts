/** Drives the demonstration day through the producer, and shows it until everything has come all the way. */
import { fileURLToPath } from 'node:url';
import { createMeter } from '@meterhouse/producer';
import { saveProducerReport } from '@meterhouse/postgres';
import type { Releases } from '@meterhouse/runtime';
import { dayFor, sourceOf } from './day/remembered-day.ts';
import { newDaySending, sendDay, type DaySending } from './day/send-day.ts';
import type { DayPlan } from './day/usage-day.ts';
import { arrivedSince, dayLine, dayLines, type Arrived } from './live/live-lines.ts';
import { StuckError, type PipelineWatch } from './live/pipeline-watch.ts';
import type { PipelineStand } from './live/pipeline-stand.ts';
import type { RunMeterhouse } from './meterhouse-command.ts';
import { applyRegistry } from './registry-apply.ts';
import type { Screen } from './screen/screen.ts';
import { counted, formatInstant, withThousands } from './screen/words.ts';
import type { RunningSystem } from './system/bring-up.ts';

const registryFile = fileURLToPath(new URL('demo-registry.yaml', import.meta.url));

/** Longer than a dead broker or aggregator needs to come back; after it, the event is given up and said so. */
const DELIVERY_MS = 5 * 60_000;
/** Without any movement for so long, nobody should wait on. */
const PATIENCE_MS = 60_000;
const REDRAW_MS = 250;
const LINE_EVERY_MS = 5_000;
const RATES_SHOWN = 48;

export interface JobTools {
  readonly system: RunningSystem;
  readonly screen: Screen;
  readonly meterhouse: RunMeterhouse;
  readonly releases: Releases;
  readonly signal: AbortSignal;
}

export async function runDemo(asked: { seed: number; events: number }, tools: JobTools): Promise<void> {
  const { system, screen, meterhouse } = tools;
  screen.say(`  ${await applyRegistry(meterhouse, registryFile)}`);
  screen.say();
  const { plan, again } = dayFor(system.dataDir, asked, Date.now());
  const day = `A day of usage up to ${formatInstant(plan.through)}: ${counted(plan.events, 'event')}, seed ${plan.seed}`;
  screen.say(screen.paint.bold(day));
  if (again)
    screen.say(
      `  This data dir has had this day before: it is sent again, and ${screen.paint.bold('nothing is counted twice')}.`,
    );
  screen.draw([screen.paint.dim('  waiting for the services')]);
  // What came before the day is not the day's.
  const before = await system.watch.waitThrough(0, PATIENCE_MS);
  const sending = newDaySending(plan);
  const display = showDay(plan, sending, before, tools);
  try {
    await send(plan, sending, tools);
    await system.watch.waitThrough(Date.now(), PATIENCE_MS);
  } finally {
    display.stop();
  }
  screen.say(`  ${summary(sending, arrivedOf(system.watch, before))}`);
  if (sending.undelivered > 0)
    throw new StuckError(
      `${counted(sending.undelivered, 'event')} could not be delivered: start again, the day is sent again and counts once`,
    );
}

async function send(plan: DayPlan, sending: DaySending, tools: JobTools): Promise<void> {
  const { system, releases, signal } = tools;
  const source = sourceOf(plan);
  const { kafka, schemaRegistry } = system.endpoints;
  const meter = createMeter({
    adapter: 'kafka',
    kafka: { brokers: kafka.split(','), schemaRegistryUrl: schemaRegistry },
    source,
    bounds: { deliveryMs: DELIVERY_MS },
  });
  releases.add('the producer', async () => {
    await meter.close({ deadlineMs: 2_000 });
  });
  await sendDay(plan, sending, meter, signal);
  await meter.close();
  // A report of less than all would make a later reconciliation fail for the wrong reason.
  if (sending.undelivered === 0) await saveProducerReport(system.operator, source, sending.totals.byMetric);
}

/** Draws on a terminal, and writes a line now and then elsewhere. */
function showDay(
  plan: DayPlan,
  sending: DaySending,
  before: PipelineStand,
  { system, screen }: JobTools,
): { stop: () => void } {
  const rates: number[] = [];
  let acknowledged = 0;
  let measuredAt = performance.now();
  const everyMs = screen.isLive ? REDRAW_MS : LINE_EVERY_MS;
  const timer = setInterval(() => {
    const now = performance.now();
    rates.push(((sending.acknowledged - acknowledged) * 1_000) / (now - measuredAt));
    if (rates.length > RATES_SHOWN) rates.shift();
    acknowledged = sending.acknowledged;
    measuredAt = now;
    const figures = {
      planned: plan.events,
      sent: sending.totals.sent,
      acknowledged,
      dayTime: sending.dayTime,
      rates,
    };
    const arrived = arrivedOf(system.watch, before);
    if (screen.isLive) screen.draw(dayLines(figures, system.watch, arrived, Date.now(), screen.paint));
    else screen.say(dayLine(figures, system.watch, arrived, Date.now(), screen.paint));
  }, everyMs);
  return {
    stop: () => {
      clearInterval(timer);
      screen.draw([]);
    },
  };
}

function arrivedOf(watch: PipelineWatch, before: PipelineStand): Arrived | null {
  return watch.stand === null ? null : arrivedSince(before, watch.stand);
}

function summary(sending: DaySending, arrived: Arrived | null): string {
  const sent = `${counted(sending.acknowledged, 'event')} acknowledged`;
  if (arrived === null) return sent;
  return `${sent}: ${withThousands(arrived.counted)} counted, ${withThousands(arrived.quarantined)} in quarantine, ${withThousands(arrived.repeated)} known already and not counted again`;
}
