/** Results that fit on a line. Pure. */
import type { QuarantineCount } from '@meterhouse/postgres';
import type { SnapshotReading } from '@meterhouse/quota';
import { counted, formatAge, formatInstant, withThousands } from '../screen/words.ts';
import type { Palette } from '../screen/palette.ts';

export function quarantineLine(counts: readonly QuarantineCount[], paint: Palette): string {
  const open = counts.filter(({ status }) => status === 'waiting' || status === 'replay_requested');
  const byReason = Map.groupBy(open, ({ reason }) => reason);
  const total = (some: readonly QuarantineCount[]): bigint =>
    some.reduce((sum, { events }) => sum + events, 0n);
  if (open.length === 0) return paint.good('nothing waits');
  const reasons = [...byReason].map(([reason, some]) => `${reason} ${withThousands(total(some))}`);
  return `${counted(total(open), 'event')} ${total(open) === 1n ? 'waits' : 'wait'}: ${reasons.sort().join(paint.dim(' · '))}`;
}

export interface SnapshotQuestion {
  readonly tenantName: string;
  readonly metric: string;
  readonly unit: string;
}

export function snapshotLine(question: SnapshotQuestion, reading: SnapshotReading, paint: Palette): string {
  const { tenantName, metric, unit } = question;
  const asOf = (instant: number | null): string => (instant === null ? 'unknown' : formatInstant(instant));
  switch (reading.state) {
    case 'known':
      return `${tenantName} has used ${paint.bold(withThousands(reading.used))} ${unit} of ${metric} this month, as of ${asOf(reading.asOf)}, ${formatAge(reading.ageMs)} old`;
    case 'absent':
      return `${tenantName} has used no ${metric} yet, as of ${asOf(reading.asOf)}, ${formatAge(reading.ageMs)} old`;
    case 'unknown':
      return paint.warn(`how much ${metric} ${tenantName} has used is not known: ${reading.reason}`);
  }
}
