/** What a person sees while the day goes by. Pure. */
import type { Palette } from '../screen/palette.ts';
import { formatAge, formatInstant, progressBar, sparkline, withThousands } from '../screen/words.ts';
import { lagEvents, type PipelineStand } from './pipeline-stand.ts';

/** How far the sending is. */
export interface Sending {
  readonly planned: number;
  readonly acknowledged: number;
  /** Where in the day it is, epoch ms. */
  readonly dayTime: number;
  /** Events acknowledged a second, one value a look, the newest last. */
  readonly rates: readonly number[];
}

/** What the watch over the pipeline says. */
export interface Pipeline {
  readonly stand: PipelineStand | null;
  /** Why it could not be asked just now, or null. */
  readonly problem: string | null;
}

/** What came in since the job began. */
export interface Arrived {
  readonly counted: bigint;
  readonly quarantined: bigint;
  readonly repeated: bigint;
}

const BAR_WIDTH = 28;

export function arrivedSince(before: PipelineStand, stand: PipelineStand): Arrived {
  const counted = stand.counted - before.counted;
  const quarantined = stand.quarantined - before.quarantined;
  const repeated = stand.processed - before.processed - counted - quarantined;
  return { counted, quarantined, repeated };
}

/** The block on a terminal. */
export function dayLines(
  sending: Sending,
  pipeline: Pipeline,
  arrived: Arrived | null,
  now: number,
  paint: Palette,
): string[] {
  const rate = sending.rates.at(-1) ?? 0;
  const figure = (value: number | bigint | null): string =>
    paint.bold((value === null ? '–' : withThousands(value)).padStart(9));
  const share = sending.planned === 0 ? 1 : sending.acknowledged / sending.planned;
  return [
    `  ${formatInstant(sending.dayTime).slice(0, 16)}Z  ${paint.dim(sparkline(sending.rates))}`,
    `  acknowledged ${figure(sending.acknowledged)}  ${progressBar(share, BAR_WIDTH)}  ${withThousands(Math.round(rate))} events/s`,
    `  counted      ${figure(arrived?.counted ?? null)}  ${paint.dim(restWords(arrived))}`,
    `  ${freshnessWords(pipeline, now, paint)}`,
  ];
}

function restWords(arrived: Arrived | null): string {
  if (arrived === null) return '';
  return `quarantined ${withThousands(arrived.quarantined)}, sent twice and counted once ${withThousands(arrived.repeated)}`;
}

/** `lag 310 events · complete to 0.4 s ago · ClickHouse 0.9 s · snapshots 0.5 s`. */
export function freshnessWords({ stand, problem }: Pipeline, now: number, paint: Palette): string {
  if (problem !== null) return paint.warn(`the pipeline cannot be looked at: ${problem}`);
  if (stand === null) return paint.dim('waiting for the services');
  if (stand.halted !== null) return paint.bad(`counting is halted: ${stand.halted}`);
  const age = (through: number | null): string => (through === null ? '–' : formatAge(now - through));
  return [
    `lag ${withThousands(lagEvents(stand))} events`,
    `complete to ${age(stand.processedThrough)} ago`,
    `ClickHouse ${age(stand.mirrorThrough)}`,
    `snapshots ${age(stand.snapshotsThrough)}`,
  ].join(paint.dim(' · '));
}

/** The line now and then where there is no terminal. */
export function dayLine(
  sending: Sending,
  pipeline: Pipeline,
  arrived: Arrived | null,
  now: number,
  paint: Palette,
): string {
  const rate = withThousands(Math.round(sending.rates.at(-1) ?? 0));
  const counted = arrived === null ? '–' : withThousands(arrived.counted);
  return `  ${formatInstant(sending.dayTime).slice(11, 16)}  ${withThousands(sending.acknowledged)} acknowledged (${rate}/s), ${counted} counted, ${freshnessWords(pipeline, now, paint)}`;
}
