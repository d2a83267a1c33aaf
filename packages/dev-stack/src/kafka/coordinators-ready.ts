import { Kafka, logLevel } from 'kafkajs';
import { groupPartitions, transactionPartitions } from './server-properties.ts';

/**
 * Throws until every group and transaction coordinator has loaded. A listening broker is not enough: kafkajs
 * crashes a consumer once when it meets "The coordinator is loading".
 */
export async function coordinatorsReady(broker: string): Promise<void> {
  const kafka = new Kafka({
    clientId: 'dev-stack-ready',
    brokers: [broker],
    connectionTimeout: 2000,
    requestTimeout: 5000,
    retry: { retries: 0 },
    logLevel: logLevel.NOTHING,
  });
  const admin = kafka.admin();
  try {
    await admin.connect();
    await admin.listTopics(); // kafkajs looks for coordinators only among brokers that it has been told of
    for (const groupId of namesCoveringPartitions(groupPartitions)) await admin.fetchOffsets({ groupId });
  } finally {
    await admin.disconnect();
  }
  for (const transactionalId of namesCoveringPartitions(transactionPartitions)) {
    await initializeProducer(kafka, transactionalId);
  }
}

async function initializeProducer(kafka: Kafka, transactionalId: string): Promise<void> {
  // kafkajs insists on a retry here.
  const producer = kafka.producer({ transactionalId, maxInFlightRequests: 1, retry: { retries: 1 } });
  try {
    await producer.connect();
    const transaction = await producer.transaction();
    await transaction.abort();
  } finally {
    await producer.disconnect();
  }
}

/** One name for each partition of an internal topic: a coordinator owns a partition, and a name's hash finds it. */
function namesCoveringPartitions(partitions: number): string[] {
  const names = new Map<number, string>();
  for (let number = 0; names.size < partitions; number += 1) {
    const name = `dev-stack-ready-${number}`;
    const partition = (javaHashCode(name) & 0x7fffffff) % partitions;
    if (!names.has(partition)) names.set(partition, name);
  }
  return [...names.values()];
}

function javaHashCode(text: string): number {
  let hash = 0;
  for (const char of text) hash = (Math.imul(31, hash) + char.charCodeAt(0)) | 0;
  return hash;
}
