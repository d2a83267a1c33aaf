/** How far a consumer group has come in each partition of a topic, as Kafka says it. */
import type { Kafka } from 'kafkajs';
import { fetchLogRange } from './topics.ts';

export interface GroupStand {
  readonly partition: number;
  readonly logStart: bigint;
  /** Where the group goes on. */
  readonly nextOffset: bigint;
  readonly logEnd: bigint;
}

export async function readGroupStand(kafka: Kafka, topic: string, groupId: string): Promise<GroupStand[]> {
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
      return { partition, logStart: low, nextOffset: offset < 0n ? low : offset, logEnd: high };
    });
  } finally {
    await admin.disconnect();
  }
}
