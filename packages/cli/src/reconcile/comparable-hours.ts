/** What retention leaves comparable. Pure. */
import { HOUR_MS } from '@meterhouse/usage';
import type { Comparable } from './compare.ts';
import { hourStart } from './ledger-of-buckets.ts';

/** What is left of a partition's log. */
export interface PartitionRemains {
  readonly partition: number;
  /** Records below have been deleted; 0 where none have. */
  readonly logStart: bigint;
  /** Epoch ms of the first record that is left; null where none of those that were counted is left. */
  readonly firstReceivedAt: number | null;
}

/**
 * An event that was deleted came before the first one that is left, and was at most `aheadMs` ahead
 * of its receipt: hours that begin later than that have lost nothing.
 */
export function comparableHours(partitions: readonly PartitionRemains[], aheadMs: number): Comparable {
  const cut = partitions.filter((one) => one.logStart > 0n);
  if (cut.length === 0) return { kind: 'all' };
  const times = cut.map((one) => one.firstReceivedAt);
  if (times.includes(null)) return { kind: 'none' };
  const latest = Math.max(...times.map((time) => time ?? 0)) + aheadMs;
  return { kind: 'from', hour: hourStart(latest) + HOUR_MS };
}
