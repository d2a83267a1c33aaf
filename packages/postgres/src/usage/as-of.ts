/** Up to when an answer about usage is complete (I6). Pure. */
import { DIRECT_SOURCE } from '../flush/direct.ts';
import type { CountingProgress } from '../lag-queries.ts';

/** Sources that no log stands behind: direct counting, and replays, whose events were received before. */
const WITHOUT_LOG: ReadonlySet<string> = new Set([DIRECT_SOURCE, 'quarantine']);

/** End of the log by partition. */
export type LogEnds = ReadonlyMap<number, bigint>;

export interface AsOf {
  /** Every event that the broker had, or that was counted directly, before this instant is in; epoch ms, null while it is not known. */
  readonly completeThrough: number | null;
  /** Null: Kafka could not be asked. */
  readonly eventsBehind: bigint | null;
  readonly haltedPartitions: readonly number[];
}

/**
 * @param topic that events are counted from, beside direct counting; null: whatever there is
 * @param ends of the topic's partitions, null when Kafka could not be asked
 */
export function asOf(
  topic: string | null,
  progress: readonly CountingProgress[],
  ends: LogEnds | null,
): AsOf {
  const ofKafka = (one: CountingProgress): boolean =>
    topic === null ? !WITHOUT_LOG.has(one.source) : one.source === topic;
  const ours = progress.filter(ofKafka);
  const direct = progress.filter((one) => one.source === DIRECT_SOURCE);
  const instants = [...ours, ...direct].map((one) => one.processedThrough?.getTime() ?? null);
  // A partition that nobody has counted yet makes the whole unknown.
  const unseen =
    ends === null ? 0 : [...ends.keys()].filter((p) => !ours.some((one) => one.partition === p)).length;
  // Where there is a topic, direct counting alone says nothing of it.
  const begun = topic === null ? instants.length > 0 : ours.length > 0;
  const known = unseen === 0 && begun && instants.every((instant) => instant !== null);
  return {
    completeThrough: known ? Math.min(...instants) : null,
    eventsBehind: ends === null ? null : eventsBehind(ends, ours),
    haltedPartitions: ours.filter((one) => one.haltedReason !== null).map((one) => one.partition),
  };
}

/** Events between what is counted and the ends. */
export function eventsBehind(ends: LogEnds, progress: readonly CountingProgress[]): bigint {
  let behind = 0n;
  for (const [partition, end] of ends) {
    const next = progress.find((one) => one.partition === partition)?.nextOffset ?? 0n;
    if (end > next) behind += end - next;
  }
  return behind;
}

/** Rows of usage, or their sums. */
interface Counted {
  readonly count: bigint;
  readonly late: bigint | null;
}

export type LateShare =
  | { readonly share: string; readonly unknown: null }
  | { readonly share: null; readonly unknown: 'no_events' | 'not_recorded' };

const SHARE_DIGITS = 6;

/**
 * Which part of the rows' events came late, as a decimal of six places, rounded up: only what is nothing
 * shows as nothing.
 */
export function lateShare(rows: readonly Counted[]): LateShare {
  let events = 0n;
  let late = 0n;
  for (const row of rows) {
    if (row.late === null) return { share: null, unknown: 'not_recorded' };
    events += row.count;
    late += row.late;
  }
  if (events === 0n) return { share: null, unknown: 'no_events' };
  const scaled = (late * 10n ** BigInt(SHARE_DIGITS) + events - 1n) / events;
  const digits = scaled.toString().padStart(SHARE_DIGITS + 1, '0');
  return { share: `${digits.slice(0, -SHARE_DIGITS)}.${digits.slice(-SHARE_DIGITS)}`, unknown: null };
}
