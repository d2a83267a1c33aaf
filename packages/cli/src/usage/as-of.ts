/** Up to when an answer about usage is complete (I6). Pure. */
import type { CountingProgress } from '@meterhouse/postgres';
import { formatInstant } from '../output/instants.ts';
import { counted } from '../output/numbers.ts';
import type { Palette } from '../output/palette.ts';
import { eventsBehind, type LogEnds } from '../import/counted-wait.ts';

export interface AsOf {
  /** Every event that the broker had before this instant is in; epoch ms, null while it is not known. */
  readonly completeThrough: number | null;
  /** Null: Kafka could not be asked. */
  readonly eventsBehind: bigint | null;
  readonly haltedPartitions: readonly number[];
}

/** @param ends of the topic's partitions, null when Kafka could not be asked */
export function asOf(topic: string, progress: readonly CountingProgress[], ends: LogEnds | null): AsOf {
  const ours = progress.filter((one) => one.source === topic);
  const instants = ours.map((one) => one.processedThrough?.getTime() ?? null);
  // A partition that nobody has counted yet makes the whole unknown.
  const unseen =
    ends === null ? 0 : [...ends.keys()].filter((p) => !ours.some((one) => one.partition === p)).length;
  const known = unseen === 0 && instants.length > 0 && instants.every((instant) => instant !== null);
  return {
    completeThrough: known ? Math.min(...instants) : null,
    eventsBehind: ends === null ? null : eventsBehind(ends, ours),
    haltedPartitions: ours.filter((one) => one.haltedReason !== null).map((one) => one.partition),
  };
}

export function renderAsOf(as: AsOf, palette: Palette): string {
  const through =
    as.completeThrough === null
      ? palette.warn('not known to be complete through any instant yet')
      : `complete through ${formatInstant(as.completeThrough)}`;
  const behind = as.eventsBehind === null ? '' : `, ${counted(as.eventsBehind, 'event')} behind`;
  const halted =
    as.haltedPartitions.length === 0
      ? ''
      : `; ${palette.bad(`partition ${as.haltedPartitions.join(', ')} halted`)}, see "meterhouse lag"`;
  return `${through}${behind}${halted}`;
}
