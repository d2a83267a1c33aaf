/** How far the pipeline is, at one instant: the log's end from Kafka, all else from Postgres at one point. */
import type { Admin } from 'kafkajs';
import { fetchLogRange, type LogRange } from '@meterhouse/kafka';
import {
  countQuarantine,
  inTransaction,
  readCountingProgress,
  readTailerLag,
  type CountingProgress,
  type Pool,
  type TailerLag,
} from '@meterhouse/postgres';

export interface PipelineStand {
  /** When it was asked for, epoch ms. */
  readonly at: number;
  /** Messages that the log has ever held. */
  readonly logEnd: bigint;
  /** Messages that are counted, quarantined, or known to be repetitions. */
  readonly processed: bigint;
  /** Events in the hour buckets. */
  readonly counted: bigint;
  /** Deliveries that ended in quarantine. */
  readonly quarantined: bigint;
  /** Everything that the broker had before it is processed; null while a partition does not say. */
  readonly processedThrough: number | null;
  /** What is counted through this instant has been passed on. */
  readonly mirrorThrough: number | null;
  readonly snapshotsThrough: number | null;
  /** Why a partition does not go on, or null. */
  readonly halted: string | null;
}

export interface StandSources {
  readonly pool: Pool;
  readonly admin: Admin;
  readonly topic: string;
  readonly tailers: { readonly mirror: string; readonly snapshots: string };
  /** Epoch ms. */
  readonly now: () => number;
}

export async function readPipelineStand(sources: StandSources): Promise<PipelineStand> {
  const { pool, topic, tailers } = sources;
  const at = sources.now();
  // The log first: what is processed by the time we ask Postgres can only be more.
  const ranges = await fetchLogRange(sources.admin, topic);
  return inTransaction(
    pool,
    async (client) => {
      const progress = (await readCountingProgress(client)).filter(({ source }) => source === topic);
      const lags = await readTailerLag(client);
      const quarantine = await countQuarantine(client, {});
      const counted = await client.query<{ counted: string }>(
        'SELECT coalesce(sum(count), 0)::text AS counted FROM meterhouse.usage_hourly',
      );
      return {
        at,
        ...positions(ranges, progress),
        counted: BigInt(counted.rows[0]?.counted ?? 0),
        quarantined: quarantine.reduce((sum, { occurrences }) => sum + occurrences, 0n),
        mirrorThrough: completeThrough(lags, tailers.mirror),
        snapshotsThrough: completeThrough(lags, tailers.snapshots),
      };
    },
    'repeatable read',
  );
}

/** Pure. */
export function positions(
  ranges: ReadonlyMap<number, LogRange>,
  progress: readonly CountingProgress[],
): Pick<PipelineStand, 'logEnd' | 'processed' | 'processedThrough' | 'halted'> {
  let logEnd = 0n;
  let processed = 0n;
  let processedThrough: number | null = Infinity;
  for (const [partition, { high }] of ranges) {
    const at = progress.find((one) => one.partition === partition);
    logEnd += high;
    processed += at?.nextOffset ?? 0n;
    const through = at?.processedThrough?.getTime() ?? null;
    // One partition that does not know makes the whole unknown.
    processedThrough =
      through === null || processedThrough === null ? null : Math.min(processedThrough, through);
  }
  const halted = progress.find(({ haltedReason }) => haltedReason !== null);
  return {
    logEnd,
    processed,
    processedThrough: processedThrough === Infinity ? null : processedThrough,
    halted: halted === undefined ? null : `partition ${halted.partition}: ${halted.haltedReason ?? ''}`,
  };
}

function completeThrough(lags: readonly TailerLag[], name: string): number | null {
  const lag = lags.find((one) => one.name === name);
  return lag === undefined || lag.resyncRequested ? null : (lag.completeThrough?.getTime() ?? null);
}

export function lagEvents(stand: PipelineStand): bigint {
  return stand.logEnd > stand.processed ? stand.logEnd - stand.processed : 0n;
}

/** What is not through `instant` yet, in words; null when all is. */
export function notThrough(stand: PipelineStand, instant: number): string | null {
  const isBehind = (through: number | null): boolean => through === null || through < instant;
  if (stand.halted !== null) return `counting is halted (${stand.halted})`;
  if (lagEvents(stand) > 0n) return `${lagEvents(stand)} events are not counted yet`;
  if (isBehind(stand.processedThrough)) return 'the watermark has not passed the last event yet';
  if (isBehind(stand.mirrorThrough)) return 'the ClickHouse mirror has not caught up yet';
  if (isBehind(stand.snapshotsThrough)) return 'the snapshots have not caught up yet';
  return null;
}
