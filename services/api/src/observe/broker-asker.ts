/** Asks Kafka whether it is there, over a connection of its own that is kept. */
import { createKafka, type KafkaConnection } from '@meterhouse/kafka';
import { ignore } from '@meterhouse/runtime';
import type { Admin } from 'kafkajs';

export interface BrokerAsker {
  /** Resolves when the cluster answers. */
  readonly ask: () => Promise<void>;
  readonly close: () => Promise<void>;
}

const QUICK = {
  requestTimeoutMs: 2_000,
  retry: { retries: 1, initialRetryTime: 100, maxRetryTime: 500 },
};

export function openBrokerAsker(connection: KafkaConnection): BrokerAsker {
  let admin: Admin | null = null;
  const giveUp = async (): Promise<void> => {
    const given = admin;
    admin = null;
    // Whether it could say goodbye changes nothing.
    await given?.disconnect().catch(ignore);
  };
  return {
    ask: async () => {
      try {
        if (admin === null) {
          admin = createKafka({ ...connection, ...QUICK }).admin();
          await admin.connect();
        }
        await admin.describeCluster();
      } catch (error) {
        await giveUp();
        throw error;
      }
    },
    close: giveUp,
  };
}
