/** How far everything is, put together from what Kafka and Postgres say. Pure. */
import type { CountingProgress, QuarantineCount, TailerLag } from '@meterhouse/postgres';
import { DIRECT_SOURCE } from '@meterhouse/postgres/flush';
import type { OutboxStand } from '@meterhouse/postgres/outbox';

/** First offset and end of a partition's log. */
export interface LogRange {
  readonly low: bigint;
  readonly high: bigint;
}

export interface PartitionLag {
  readonly partition: number;
  readonly logStart: bigint;
  readonly logEnd: bigint;
  /** Null: nothing of it has been counted yet. */
  readonly nextOffset: bigint | null;
  readonly eventsBehind: bigint;
  /** Everything before this instant is counted or quarantined, epoch ms. */
  readonly processedThrough: number | null;
  /** Age of processedThrough. */
  readonly secondsBehind: number | null;
  readonly haltedReason: string | null;
}

export interface TailerReport {
  readonly name: string;
  readonly rowsBehind: bigint;
  readonly completeThrough: number | null;
  readonly secondsBehind: number | null;
  /** It is starting again from usage_hourly. */
  readonly resyncing: boolean;
}

/** Counting without Kafka: never behind, because what is acknowledged is counted. */
interface DirectReport {
  readonly lanes: number;
  /** Counted, repeated and quarantined together. */
  readonly events: bigint;
  readonly completeThrough: number | null;
}

/** Events recorded in transactions, on their way. */
interface OutboxReport {
  readonly target: string | null;
  readonly relays: number;
  readonly waiting: number;
  /** Age of the one that has waited longest; null: nothing waits. */
  readonly oldestSeconds: number | null;
  readonly unheldLanes: number;
}

export interface LagReport {
  readonly partitions: readonly PartitionLag[];
  /** Null: nothing was ever counted directly. */
  readonly direct: DirectReport | null;
  /** Null: nothing waits, and no relay runs. */
  readonly outbox: OutboxReport | null;
  readonly tailers: readonly TailerReport[];
  readonly eventsBehind: bigint;
  /** The least watermark of the partitions and of direct counting; null while one of them has none. */
  readonly completeThrough: number | null;
  readonly quarantine: readonly QuarantineCount[];
  readonly quarantineOpen: bigint;
}

export interface LagFacts {
  readonly topic: string;
  /** Null: Kafka was not asked, or does not answer. */
  readonly ranges: ReadonlyMap<number, LogRange> | null;
  readonly progress: readonly CountingProgress[];
  readonly tailers: readonly TailerLag[];
  readonly outbox: OutboxStand;
  readonly quarantine: readonly QuarantineCount[];
  /** Epoch ms. */
  readonly now: number;
}

export function lagReport(facts: LagFacts): LagReport {
  const { topic, ranges, now } = facts;
  const counted = new Map(
    facts.progress.filter((one) => one.source === topic).map((one) => [one.partition, one]),
  );
  const numbers = [...new Set([...(ranges?.keys() ?? []), ...counted.keys()])].sort((a, b) => a - b);
  const partitions = numbers.map((partition) =>
    partitionLag(partition, ranges?.get(partition) ?? null, counted.get(partition) ?? null, now),
  );
  const direct = directReport(facts.progress);
  const through = partitions.map((one) => one.processedThrough);
  return {
    partitions,
    direct,
    outbox: outboxReport(facts.outbox, now),
    tailers: facts.tailers.filter((tailer) => !isHolder(tailer)).map((tailer) => tailerReport(tailer, now)),
    eventsBehind: partitions.reduce((sum, one) => sum + one.eventsBehind, 0n),
    completeThrough: least(direct === null ? through : [...through, direct.completeThrough]),
    quarantine: facts.quarantine,
    quarantineOpen: facts.quarantine.reduce((sum, one) => sum + one.events, 0n),
  };
}

function directReport(progress: readonly CountingProgress[]): DirectReport | null {
  const lanes = progress.filter((one) => one.source === DIRECT_SOURCE);
  if (lanes.length === 0) return null;
  return {
    lanes: lanes.length,
    events: lanes.reduce((sum, one) => sum + one.nextOffset, 0n),
    completeThrough: least(lanes.map((one) => one.processedThrough?.getTime() ?? null)),
  };
}

function outboxReport(stand: OutboxStand, now: number): OutboxReport | null {
  const waiting = stand.lanes.reduce((sum, one) => sum + one.waiting, 0);
  if (waiting === 0 && stand.relays === 0) return null;
  const oldest = Math.min(...stand.lanes.map((one) => one.oldest ?? Infinity));
  return {
    target: stand.target,
    relays: stand.relays,
    waiting,
    oldestSeconds: ageSeconds(Number.isFinite(oldest) ? oldest : null, now),
    unheldLanes: stand.lanes.filter((one) => !one.isHeld).length,
  };
}

function partitionLag(
  partition: number,
  range: LogRange | null,
  progress: CountingProgress | null,
  now: number,
): PartitionLag {
  const next = progress?.nextOffset ?? null;
  const low = range?.low ?? 0n;
  const high = range?.high ?? next ?? 0n;
  const from = next ?? low;
  const processedThrough = progress?.processedThrough?.getTime() ?? null;
  return {
    partition,
    logStart: low,
    logEnd: high,
    nextOffset: next,
    eventsBehind: high > from ? high - from : 0n,
    processedThrough,
    secondsBehind: ageSeconds(processedThrough, now),
    haltedReason: progress?.haltedReason ?? null,
  };
}

function tailerReport(tailer: TailerLag, now: number): TailerReport {
  const completeThrough = tailer.completeThrough?.getTime() ?? null;
  return {
    name: tailer.name,
    rowsBehind: tailer.rowsBehind,
    completeThrough,
    secondsBehind: ageSeconds(completeThrough, now),
    resyncing: tailer.resyncRequested,
  };
}

/** A rebuild holds the log under a name of its own; once it is done the name stays, and means nothing. */
function isHolder(tailer: TailerLag): boolean {
  return tailer.resyncRequested && tailer.name.endsWith('_rebuild');
}

/** Clocks of two machines may differ by a little: never below zero. */
function ageSeconds(instant: number | null, now: number): number | null {
  return instant === null ? null : Math.max(0, Math.round((now - instant) / 100) / 10);
}

function least(instants: readonly (number | null)[]): number | null {
  let result: number | null = null;
  for (const instant of instants) {
    if (instant === null) return null;
    if (result === null || instant < result) result = instant;
  }
  return result;
}
