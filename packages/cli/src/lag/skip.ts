import { counted, withThousands } from '../output/numbers.ts';

/** In words, what moving a partition's next offset gives up. */
export function describeSkip(from: bigint, to: bigint): string {
  if (to > from)
    return `skipped: offsets ${withThousands(from)} to ${withThousands(to - 1n)}, up to ${counted(to - from, 'event')} that will never be counted`;
  if (to < from)
    return `read again from ${withThousands(to)}: what has been counted before stays counted once; events that were between there and ${withThousands(from)} in the old log and are not in this one are lost`;
  return 'nothing is skipped';
}
