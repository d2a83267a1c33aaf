import { setTimeout as delay } from 'node:timers/promises';
import type { Consumer } from 'kafkajs';
import { happensWithin } from '../deadline.ts';
import type { Landing } from './landing.ts';

const JOIN_MS = 20_000;

/** A member that counts nothing joins the group and leaves it: two rebalances while flushes are under way. */
export const forcedRebalance: Landing<'forced_rebalance'> = {
  holds: () => ['broker'],
  land: async (system, fault, landed) => {
    const { kafka, names } = system;
    const consumer = kafka.consumer({
      groupId: names.groupId,
      sessionTimeout: 6_000,
      rebalanceTimeout: 10_000,
      allowAutoTopicCreation: false,
    });
    try {
      const joined = join(consumer);
      await consumer.connect();
      await consumer.subscribe({ topics: [names.topic] });
      await consumer.run({ autoCommit: false, eachBatch: () => Promise.resolve() });
      landed(`group ${names.groupId}, for ${fault.durationMs} ms`);
      // The group may wait for a frozen member for as long as a rebalance may take.
      await happensWithin(JOIN_MS, joined);
      await delay(fault.durationMs);
    } finally {
      await consumer.disconnect();
    }
  },
};

function join(consumer: Consumer): Promise<void> {
  return new Promise((resolve) => {
    consumer.on(consumer.events.GROUP_JOIN, () => {
      resolve();
    });
  });
}
