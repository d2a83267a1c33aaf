/** Kafka’s log loses what was not read yet, or holds what does not belong there. */
import { fetchLogEnds, TOPICS } from '@meterhouse/kafka';
import { randomUUID } from 'node:crypto';
import type { TrialBed } from '../trial/bed.ts';
import { handedOn, type Fault } from '../trial/fault.ts';

/** Deletes all that a partition holds, as retention would. @returns its log's new start */
async function deleteAll({ kafka }: TrialBed, topic: string, partition: number): Promise<string> {
  const admin = kafka.admin();
  await admin.connect();
  try {
    const end = (await fetchLogEnds(admin, topic)).get(partition);
    if (end === undefined) throw new Error(`${topic} has no partition ${partition}`);
    await admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: String(end) }] });
    return String(end);
  } finally {
    await admin.disconnect();
  }
}

async function sendGarbage({ kafka }: TrialBed, topic: string, messages: number): Promise<void> {
  const producer = kafka.producer();
  await producer.connect();
  try {
    const garbage = Array.from({ length: messages }, () => ({
      partition: 0,
      value: `no event: ${randomUUID()}`,
    }));
    await producer.send({ topic, acks: -1, messages: garbage });
  } finally {
    await producer.disconnect();
  }
}

const start = handedOn<string>('the start of the log');

export const partitionHalted: Fault = {
  name: 'partition halted',
  alerts: ['MeterhousePartitionHalted'],
  broken:
    'records are deleted from the log of usage_events while the aggregator is frozen and has not read them',
  mended: 'meterhouse resume-partition --partition 0 --from <log start> --because …',
  break: async (bed) => {
    await bed.signal('aggregator', 'SIGSTOP');
    await sendGarbage(bed, TOPICS.usageEvents, 5);
    start.set(await deleteAll(bed, TOPICS.usageEvents, 0));
    await bed.signal('aggregator', 'SIGCONT');
  },
  mend: async ({ meterhouse }) => {
    await meterhouse(
      ...['resume-partition', '--partition', '0', '--from', start.get()],
      ...['--because', 'trial of the alerts', '--by', 'trial'],
    );
  },
};

export const decisionsLost: Fault = {
  name: 'decisions lost',
  alerts: ['MeterhouseDecisionsLost', 'MeterhouseDecisionsUnreadable'],
  broken:
    'messages that are no decisions; some are deleted while decision-log is frozen and has not read them',
  mended: 'noted; it goes on with the next message',
  break: async (bed) => {
    await sendGarbage(bed, TOPICS.quotaDecisions, 5);
    await bed.signal('decision-log', 'SIGSTOP');
    await sendGarbage(bed, TOPICS.quotaDecisions, 5);
    await deleteAll(bed, TOPICS.quotaDecisions, 0);
    await bed.signal('decision-log', 'SIGCONT');
  },
  mend: (bed) => sendGarbage(bed, TOPICS.quotaDecisions, 1),
};
