/** Counting from the outbox without Kafka, and what an aggregator would do besides: replays, housekeeping. */
import type { Pool } from '@meterhouse/postgres';
import {
  createWakeUp,
  DedupPeriods,
  decodeStored,
  firstRememberedPeriod,
  keepHouse,
  periodically,
  RegistryCache,
  replayOnce,
  UNOBSERVED,
  type CountingDeps,
} from '@meterhouse/postgres/counting';
import { DIRECT_SOURCE, ensureDirectLanes } from '@meterhouse/postgres/flush';
import { Releases, type Logger, type RunningService } from '@meterhouse/runtime';
import type { Window } from '@meterhouse/usage';
import { directTarget } from './direct-target.ts';
import type { Target } from './target.ts';

const HOUSEKEEPING_EVERY_MS = 30_000;
const REPLAY_EVERY_MS = 1_000;
const MIB = 1024 * 1024;

export interface DirectOptions {
  readonly config: { readonly POSTGRES_TIMEOUT_MS: number; readonly MAX_CHANGE_LOG_ROWS: number };
  readonly window: Window;
  readonly pool: Pool;
  readonly logger: Logger;
}

export async function startDirect(
  options: DirectOptions,
): Promise<RunningService & { readonly target: Target }> {
  const { config, window, pool, logger } = options;
  const { promise: failed, reject: fail } = Promise.withResolvers<never>();
  // Whoever runs the service awaits it; until then a failure must not count as unhandled.
  failed.catch(() => undefined);
  await ensureDirectLanes(pool);
  const counting: CountingDeps = {
    ...{ pool, window, logger },
    registry: new RegistryCache(pool),
    periods: new DedupPeriods(pool),
    failpoint: () => Promise.resolve(),
    random: Math.random,
    observer: UNOBSERVED,
    postgresTimeoutMs: config.POSTGRES_TIMEOUT_MS,
  };
  const wake = createWakeUp(pool, logger);
  let isStopped = false;
  const stopped = (): boolean => isStopped;
  const releases = new Releases();
  const replaying = periodically({
    name: 'replaying the quarantine',
    everyMs: REPLAY_EVERY_MS,
    ...{ logger, fail },
    job: async (abandoned) => {
      const settled = await replayOnce(
        {
          ...counting,
          // What came from Kafka is for the aggregator to read.
          from: DIRECT_SOURCE,
          decode: (records) => Promise.resolve(records.map(decodeStored)),
          firstRememberedPeriod: () => firstRememberedPeriod(pool, null, window),
          maxEvents: 1_000,
          maxBytes: 4 * MIB,
        },
        abandoned,
      );
      if (settled > 0) wake();
      return { more: settled > 0 };
    },
  });
  releases.add('replays', replaying.stop);
  const housekeeping = periodically({
    name: 'housekeeping',
    everyMs: HOUSEKEEPING_EVERY_MS,
    ...{ logger, fail },
    job: async () => {
      await keepHouse({
        ...{ pool, window, logger },
        topic: null,
        periods: counting.periods,
        maxChangeLogRows: config.MAX_CHANGE_LOG_ROWS,
      });
      return { more: false };
    },
  });
  releases.add('housekeeping', housekeeping.stop);
  return {
    failed,
    target: directTarget({ counting, onCounted: wake, stopped }),
    stop: async (drain) => {
      isStopped = true;
      await releases.releaseAll(drain);
    },
  };
}
