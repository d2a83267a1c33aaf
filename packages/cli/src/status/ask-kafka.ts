import { createKafka, fetchLogRange } from '@meterhouse/kafka';
import type { Stores } from '../connect/stores.ts';
import type { KafkaFacts } from './facts.ts';

/** A client of its own for each look: one that has met a broker that is away would go on missing it. */
export async function askKafka(stores: Stores, deadlineMs: number): Promise<KafkaFacts> {
  const topic = stores.names.usageEventsTopic;
  const kafka = createKafka({
    ...stores.kafkaAccess(),
    clientId: 'meterhouse-command',
    logger: stores.logger,
    // The next look is the retry.
    retry: { retries: 0, initialRetryTime: 50, maxRetryTime: 50 },
    requestTimeoutMs: deadlineMs,
    connectTimeoutMs: deadlineMs,
  });
  const admin = kafka.admin();
  try {
    await admin.connect();
    const { brokers } = await admin.describeCluster();
    // Asking for the offsets of a topic that is not there could make it.
    const isThere = (await admin.listTopics()).includes(topic);
    return { brokers: brokers.length, ranges: isThere ? await fetchLogRange(admin, topic) : null };
  } finally {
    await admin.disconnect();
  }
}
