/**
 * Two ways of kafkajs that would break the word "acknowledged":
 *  - Its retry chooses partitions anew, so another set of messages could go out under the same sequence
 *    numbers: a message keeps the partition that it was given first.
 *  - When a partition's leader moves between its attempts to a broker that has answered already, the
 *    partition's messages are never sent, yet the send succeeds: every partition must be in the answer.
 */
import type { ICustomPartitioner, Message, RecordMetadata } from 'kafkajs';
import { createPartitioner } from './client.ts';

/** The Java client's choice of partition, made once for each message and kept on it. */
export function keepingPartitions(): ReturnType<ICustomPartitioner> {
  const choose = createPartitioner();
  return (args) => (args.message.partition ??= choose(args));
}

/** @returns the first partition of a message that the broker's answer does not cover; null when all are */
export function unacknowledged(
  messages: readonly Message[],
  answer: readonly RecordMetadata[],
): number | '?' | null {
  const acknowledged = new Set<number>();
  for (const { partition, errorCode } of answer) if (errorCode === 0) acknowledged.add(partition);
  for (const { partition } of messages)
    if (partition === undefined || !acknowledged.has(partition)) return partition ?? '?';
  return null;
}
