/** How far the group has come in each partition, as Kafka says it. */
import { fetchLogRange } from '@meterhouse/kafka';
import type { DecisionLogStand } from '@meterhouse/postgres/decisions';
import type { Logger } from '@meterhouse/runtime';
import type { Kafka } from 'kafkajs';

export interface Stand extends DecisionLogStand {
  /** The log does not hold what comes next: retention was faster, or the topic was made anew. */
  readonly lost: boolean;
}

export async function readStands(kafka: Kafka, topic: string, groupId: string): Promise<Stand[]> {
  const admin = kafka.admin();
  await admin.connect();
  try {
    // The ends first: what is committed by the time the offsets are asked for was there at those ends.
    const ranges = await fetchLogRange(admin, topic);
    const [group] = await admin.fetchOffsets({ groupId, topics: [topic] });
    const committed = new Map(
      (group?.partitions ?? []).map(({ partition, offset }) => [partition, BigInt(offset)]),
    );
    // In one order, so that two instances that note it lock the rows alike.
    const sorted = [...ranges].sort(([a], [b]) => a - b);
    return sorted.map(([partition, { low, high }]) => {
      const offset = committed.get(partition) ?? -1n;
      // Never told an offset, a member begins at the start of the log.
      const nextOffset = offset < 0n ? low : offset;
      return {
        partition,
        logStart: low,
        nextOffset,
        logEnd: high,
        lost: nextOffset < low || nextOffset > high,
      };
    });
  } finally {
    await admin.disconnect();
  }
}

export function tellLosses(stands: readonly Stand[], logger: Logger): void {
  for (const { partition, nextOffset, logStart, logEnd, lost } of stands)
    if (lost)
      logger.error(
        { partition, nextOffset, logStart, logEnd },
        'the topic lost decisions before they were kept: see docs/runbooks/decisions-behind.md',
      );
}
