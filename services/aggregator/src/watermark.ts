import { setTimeout as delay } from 'node:timers/promises';
import { fetchLogRange, type LogRange } from '@meterhouse/kafka';
import type { Pool } from '@meterhouse/postgres';
import { advanceProcessedThrough, haltIfLost } from '@meterhouse/postgres/flush';
import type { Logger } from '@meterhouse/runtime';
import type { Admin } from 'kafkajs';
import type { LogEnds } from './log-ends.ts';

/** A loss must be seen this many times in a row: a broker that has just become leader may answer low. */
const SIGHTINGS_OF_A_LOSS = 8;

export interface WatermarkDeps {
  readonly admin: Admin;
  readonly pool: Pool;
  readonly topic: string;
  readonly ends: LogEnds;
  readonly everyMs: number;
  readonly now: () => Date;
  readonly logger: Logger;
  /** The next offset of each partition that this worker holds, as far as it has committed. */
  readonly positions: () => ReadonlyMap<number, bigint>;
  readonly onHalted: (partition: number, reason: string) => void;
}

/** Asks for the log ends over and over, until stopped. */
export function followLogEnds(deps: WatermarkDeps): { stop: () => Promise<void> } {
  const stopped = new AbortController();
  const losses = new Map<number, number>();
  let quiet = true;
  const loop = async (): Promise<void> => {
    while (!stopped.signal.aborted) {
      try {
        await step(deps, losses);
        if (!quiet) deps.logger.info('the watermark moves again');
        quiet = true;
      } catch (error) {
        // Kafka or Postgres is away: the watermark stands still, which is what readers must see.
        if (quiet) deps.logger.warn({ err: error }, 'the watermark stands still');
        quiet = false;
      }
      await delay(deps.everyMs, undefined, { signal: stopped.signal }).catch(() => undefined);
    }
  };
  const done = loop();
  return {
    stop: async () => {
      stopped.abort();
      await done;
    },
  };
}

async function step(deps: WatermarkDeps, losses: Map<number, number>): Promise<void> {
  // Order matters: our positions and the clock first, the log ends after them.
  const positions = deps.positions();
  const at = deps.now();
  if (positions.size === 0) return;
  const ranges = await fetchLogRange(deps.admin, deps.topic);
  deps.ends.observe(at, ranges);
  const marks = [];
  for (const [partition, position] of positions) {
    const range = ranges.get(partition);
    if (range === undefined) continue;
    await lookForLoss(deps, losses, partition, position, range);
    const complete = deps.ends.completeAt(partition, position);
    if (complete !== null) marks.push({ partition, logEnd: position, at: complete });
  }
  if (marks.length > 0) await advanceProcessedThrough(deps.pool, deps.topic, marks);
}

async function lookForLoss(
  deps: WatermarkDeps,
  losses: Map<number, number>,
  partition: number,
  position: bigint,
  range: LogRange,
): Promise<void> {
  if (position >= range.low && position <= range.high) {
    losses.delete(partition);
    return;
  }
  const seen = (losses.get(partition) ?? 0) + 1;
  losses.set(partition, seen);
  if (seen < SIGHTINGS_OF_A_LOSS) return;
  const reason = await haltIfLost(deps.pool, deps.topic, partition, range);
  if (reason !== null) deps.onHalted(partition, reason);
  losses.delete(partition);
}
