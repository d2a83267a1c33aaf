/** What counting from Kafka tells whoever watches it, beside what all counting does. */
import { UNOBSERVED, type CountingObserver } from '@meterhouse/postgres/counting';

export interface ConsumingObserver extends CountingObserver {
  readonly assigned: (partitions: readonly number[]) => void;
  readonly consumerRestarted: () => void;
}

export const NOBODY: ConsumingObserver = {
  ...UNOBSERVED,
  assigned: () => undefined,
  consumerRestarted: () => undefined,
};
