/**
 * Keeps ClickHouse's copy of the hour buckets (I5). Any number of processes may start it: one is
 * active, the others stand by. The lock only saves work; two that were active at the same time would
 * write the same absolute values, and only one would move the cursors.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { ClickHouse } from '@meterhouse/clickhouse';
import {
  beginPassingOn,
  CLICKHOUSE_MIRROR,
  releaseDeadRebuild,
  startTailer,
  tryLock,
  type Pool,
  type ReadBounds,
  type SessionLock,
  type Tailer,
  type TailerStatus,
} from '@meterhouse/postgres';
import { backoffMs, type Logger } from '@meterhouse/runtime';
import type { BeginSpan } from '@meterhouse/runtime/tracing';
import { Mirroring } from './mirroring.ts';

export interface MirrorOptions {
  /** Besides what it uses now and then, the mirror holds two connections of its own with this pool's settings. */
  readonly pool: Pool;
  readonly clickhouse: ClickHouse;
  readonly logger: Logger;
  /** Epoch ms. */
  readonly now: () => number;
  readonly random: () => number;
  /** A new UUID. */
  readonly unique: () => string;
  readonly times?: Partial<MirrorTimes>;
  /** Traces each batch that passes traced flushes on; by default none. */
  readonly beginSpan?: BeginSpan | null;
  /** What one batch may hold. */
  readonly bounds?: ReadBounds;
}

interface MirrorTimes {
  /** How often one that stands by asks for the lock. */
  readonly standbyMs: number;
  readonly pollMs: number;
  /** The least time between two inserts: ClickHouse wants few large ones. */
  readonly minIntervalMs: number;
}

const TIMES: MirrorTimes = { standbyMs: 1_000, pollMs: 1_000, minIntervalMs: 500 };
const RETRY = { baseMs: 200, maxMs: 10_000 };

type MirrorStatus =
  ({ readonly role: 'active' } & TailerStatus) | { readonly role: 'standby' } | { readonly role: 'stopped' };

export interface Mirror {
  /** Cuts short what is under way; the next start does it again. */
  stop(): Promise<void>;
  status(): MirrorStatus;
}

export function startMirror(options: MirrorOptions): Mirror {
  const times = { ...TIMES, ...options.times };
  const stopping = new AbortController();
  let active: Tailer | null = null;
  let stopped = false;

  const lead = async (lock: SessionLock): Promise<void> => {
    const { pool, logger } = options;
    if (await releaseDeadRebuild(pool)) logger.warn('a rebuild had died; the change log is let go');
    const tailer = startTailer(tailerOptions(options, times));
    active = tailer;
    try {
      await aborted(AbortSignal.any([stopping.signal, lock.lost]));
      if (!stopping.signal.aborted) logger.warn('the mirror lost its lock; standing by');
    } finally {
      await tailer.stop();
      active = null;
    }
  };

  const run = async (): Promise<void> => {
    const { pool, logger, random } = options;
    let failures = 0;
    while (!stopping.signal.aborted) {
      let pauseMs = times.standbyMs;
      try {
        const lock = await tryLock(pool, `meterhouse.mirror.${CLICKHOUSE_MIRROR}`);
        failures = 0;
        if (lock !== null) {
          logger.info('mirroring to ClickHouse');
          await lead(lock).finally(() => lock.release());
        }
      } catch (error) {
        if (failures === 0) logger.warn({ err: error }, 'the mirror cannot reach Postgres; trying again');
        pauseMs = backoffMs(failures++, RETRY, random);
      }
      await delay(pauseMs, undefined, { signal: stopping.signal }).catch(ignore);
    }
    stopped = true;
  };
  const done = run();

  return {
    stop: async () => {
      stopping.abort();
      await done;
    },
    status: () => {
      if (stopped) return { role: 'stopped' };
      return active === null ? { role: 'standby' } : { role: 'active', ...active.status() };
    },
  };
}

function tailerOptions(options: MirrorOptions, times: MirrorTimes): Parameters<typeof startTailer>[0] {
  const { pool, logger, random, bounds } = options;
  const mirroring = new Mirroring(options);
  return {
    pool,
    name: CLICKHOUSE_MIRROR,
    state: {
      kept: 'in_store',
      verify: (cursors, batch, signal) => mirroring.verify(cursors, batch, signal),
      resync: (reason, signal) => mirroring.resync(reason, signal),
    },
    apply: traced(options.beginSpan ?? null, (batch, signal) => mirroring.apply(batch, signal)),
    log: logger,
    random,
    pollMs: times.pollMs,
    minIntervalMs: times.minIntervalMs,
    ...(bounds === undefined ? {} : { bounds }),
  };
}

type Apply = Parameters<typeof startTailer>[0]['apply'];

function traced(beginSpan: BeginSpan | null, apply: Apply): Apply {
  if (beginSpan === null) return apply;
  return async (batch, signal) => {
    if (batch.flushes.length === 0) {
      await apply(batch, signal);
      return;
    }
    const span = beginPassingOn(beginSpan, 'usage.mirror', batch.flushes, {
      'db.system.name': 'clickhouse',
      'meterhouse.changes': batch.changes.length,
    });
    try {
      await apply(batch, signal);
      span.end();
    } catch (error) {
      span.end({}, { error });
      throw error;
    }
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

/** `stop` cuts the pause short. */
function ignore(): void {
  return undefined;
}
