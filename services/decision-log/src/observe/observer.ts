/** What keeping tells whoever watches it. Called between two awaits: it must be quick and not throw. */
import type { KeptDecision, UnreadableDecision } from '@meterhouse/postgres/decisions';
import type { Stand } from '../stands.ts';

export interface DecisionLogObserver {
  readonly assigned: (partitions: readonly number[]) => void;
  readonly consumerRestarted: () => void;
  /** One statement took effect. @param isNew how many of the decisions were not kept before */
  readonly kept: (
    decisions: readonly Pick<KeptDecision, 'outcome' | 'reason'>[],
    isNew: number,
    unreadable: readonly Pick<UnreadableDecision, 'reason'>[],
  ) => void;
  /** A batch is kept whole. */
  readonly batchKept: (durationMs: number) => void;
  /** How far the group is in every partition. */
  readonly stands: (stands: readonly Stand[]) => void;
}

export const NOBODY: DecisionLogObserver = {
  assigned: () => undefined,
  consumerRestarted: () => undefined,
  kept: () => undefined,
  batchKept: () => undefined,
  stands: () => undefined,
};
