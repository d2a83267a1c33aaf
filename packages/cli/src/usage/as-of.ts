/** Up to when an answer about usage is complete, for a person (I6). */
import type { AsOf } from '@meterhouse/postgres';
import { formatInstant } from '../output/instants.ts';
import { counted } from '../output/numbers.ts';
import type { Palette } from '../output/palette.ts';

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
