/** What a reconciliation comes to. Pure. */
import type { MirrorComparison } from '@meterhouse/clickhouse';
import type { Reconciliation } from './reconcile.ts';

/**
 * `equal`: everything was compared, and nothing differs.
 * `equal_as_far_as_kept`: nothing differs of what Kafka's retention has left to compare.
 * `different`: something differs, or could not be compared that should have been.
 */
export type Verdict = 'equal' | 'equal_as_far_as_kept' | 'different';

export function verdictOf(reconciliation: Reconciliation, mirror: MirrorComparison | null): Verdict {
  if (problemsOf(reconciliation, mirror).length > 0) return 'different';
  return reconciliation.comparable.kind === 'all' ? 'equal' : 'equal_as_far_as_kept';
}

export type Problem =
  | 'buckets_differ'
  | 'messages_unaccounted'
  | 'quarantine_without_message'
  | 'producers_differ'
  | 'expected_differs'
  | 'log_ends_below_next_offset'
  | 'mirror_differs'
  | 'mirror_behind'
  | 'mirror_moving';

export function problemsOf(one: Reconciliation, mirror: MirrorComparison | null): readonly Problem[] {
  const problems: Problem[] = [];
  if (one.buckets.different > 0) problems.push('buckets_differ');
  if (one.kafka.unaccountedCount > 0n) problems.push('messages_unaccounted');
  if (one.kafka.orphanCount > 0n) problems.push('quarantine_without_message');
  if ((one.reportDifferences?.length ?? 0) > 0) problems.push('producers_differ');
  if ((one.expectedDifferences?.length ?? 0) > 0) problems.push('expected_differs');
  if (one.beyondEnd.length > 0) problems.push('log_ends_below_next_offset');
  if (mirror === null) return problems;
  if (mirror.mirrorBehind) problems.push('mirror_behind');
  else if (mirror.different > 0) problems.push('mirror_differs');
  // Neither the same nor different: nothing was proved of them.
  if (mirror.moving > 0) problems.push('mirror_moving');
  return problems;
}
