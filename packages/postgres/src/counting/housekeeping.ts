/** What has to be done now and then by one worker: forgetting old ids, pruning the change log. */
import type { Pool } from 'pg';
import type { Logger } from '@meterhouse/runtime';
import { DAY_MS, type Window } from '@meterhouse/usage';
import { dedupPeriod, DIRECT_SOURCE, dropPeriodsBefore } from '../flush/index.ts';
import { readCountingProgress } from '../lag-queries.ts';
import { pruneChangeLog } from '../tailer-pruning.ts';
import { QUARANTINE_SOURCE } from './quarantine-replay.ts';
import type { DedupPeriods } from './dedup-periods.ts';

/** Ids are kept this much longer than the window, for repetitions that arrive at its very edge. */
const SLACK_MS = DAY_MS;

export interface HousekeepingDeps {
  readonly pool: Pool;
  /** That events are counted from, beside direct counting; null: every one that there ever was. */
  readonly topic: string | null;
  readonly window: Window;
  readonly periods: DedupPeriods;
  readonly maxChangeLogRows: number;
  readonly logger: Logger;
}

/**
 * The first period whose ids must be kept: no event that is still to come, however late it is and
 * however far counting is behind, can lie before it. Null while a partition's watermark is unknown,
 * because then nothing can be said.
 */
export async function firstRememberedPeriod(
  pool: Pool,
  topic: string | null,
  window: Window,
): Promise<number | null> {
  let oldest = Number.POSITIVE_INFINITY;
  for (const row of await readCountingProgress(pool)) {
    // What waits in quarantine has been received long ago; its replay asks by itself whether that is known.
    if (row.source === QUARANTINE_SOURCE) continue;
    if (topic !== null && row.source !== topic && row.source !== DIRECT_SOURCE) continue;
    if (row.processedThrough === null) return null;
    oldest = Math.min(oldest, row.processedThrough.getTime());
  }
  return Number.isFinite(oldest) ? dedupPeriod(oldest - window.backMs - SLACK_MS) : null;
}

export async function keepHouse(deps: HousekeepingDeps): Promise<void> {
  const first = await firstRememberedPeriod(deps.pool, deps.topic, deps.window);
  if (first !== null) {
    const dropped = await dropPeriodsBefore(deps.pool, first);
    deps.periods.forget(dropped);
    if (dropped.length > 0) deps.logger.info({ dropped }, 'ids of old periods forgotten');
  }
  const pruned = await pruneChangeLog(deps.pool, { maxRows: deps.maxChangeLogRows });
  if (pruned.overtaken.length > 0)
    deps.logger.error(
      { tailers: pruned.overtaken, maxRows: deps.maxChangeLogRows },
      'the change log reached its bound; these tailers start again from usage_hourly',
    );
}
