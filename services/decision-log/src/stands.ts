/** How far the group has come in each partition, as Kafka says it. */
import { readGroupStand } from '@meterhouse/kafka';
import type { DecisionLogStand } from '@meterhouse/postgres/decisions';
import type { Logger } from '@meterhouse/runtime';
import type { Kafka } from 'kafkajs';

export interface Stand extends DecisionLogStand {
  /** The log does not hold what comes next: retention was faster, or the topic was made anew. */
  readonly lost: boolean;
}

export async function readStands(kafka: Kafka, topic: string, groupId: string): Promise<Stand[]> {
  const stands = await readGroupStand(kafka, topic, groupId);
  return stands.map((stand) => {
    const { nextOffset, logStart, logEnd } = stand;
    return { ...stand, lost: nextOffset < logStart || nextOffset > logEnd };
  });
}

export function tellLosses(stands: readonly Stand[], logger: Logger): void {
  for (const { partition, nextOffset, logStart, logEnd, lost } of stands)
    if (lost)
      logger.error(
        { partition, nextOffset, logStart, logEnd },
        'the topic lost decisions before they were kept: see docs/runbooks/decisions-behind.md',
      );
}
