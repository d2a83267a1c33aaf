/** What publishing tells whoever watches it. Called between two awaits: it must be quick and not throw. */
import type { UsageSnapshot } from '@meterhouse/kafka';

export interface SnapshotObserver {
  readonly termBegan: () => void;
  readonly published: (messages: readonly UsageSnapshot[], durationMs: number) => void;
  /** An attempt failed and is made again. */
  readonly failed: () => void;
}

export const NOBODY: SnapshotObserver = {
  termBegan: () => undefined,
  published: () => undefined,
  failed: () => undefined,
};
