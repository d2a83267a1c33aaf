/** A consumer that meters what it handles, in a process of its own, to be killed. Prints a line a message handled. */
import { Kafka, logLevel } from 'kafkajs';
import { createMeter, type KafkaTarget } from '../../packages/producer/src/index.ts';
import {
  meterEachBatch,
  meterEachMessage,
  type KafkaDelivery,
} from '../../packages/producer/src/wrappers/kafkajs/index.ts';

export interface ConsumerTask {
  readonly form: 'eachMessage' | 'eachBatch';
  readonly topic: string;
  readonly groupId: string;
  readonly usage: KafkaTarget;
}

const task = JSON.parse(process.argv[2] ?? '{}') as ConsumerTask;
const meter = createMeter({ source: 'worker', adapter: 'kafka', kafka: task.usage });
const options = {
  meter,
  consumer: 'worker',
  usage: ({ message }: KafkaDelivery) => ({
    tenantId: 't1',
    metric: 'tokens',
    value: message.value?.toString() ?? '',
  }),
};

const handled = (offset: string): void => {
  process.stdout.write(`${offset}\n`);
};

const consumer = new Kafka({
  brokers: [...task.usage.brokers],
  clientId: 'worker',
  logLevel: logLevel.NOTHING,
}).consumer({
  groupId: task.groupId,
  sessionTimeout: 6_000,
  retry: { initialRetryTime: 50, retries: 20 },
});
await consumer.connect();
await consumer.subscribe({ topic: task.topic, fromBeginning: true });
const failedOnce = new Set<string>();
await consumer.run(
  task.form === 'eachMessage'
    ? {
        eachMessage: meterEachMessage(({ message }) => {
          // One in a hundred fails the first time.
          if (message.offset.endsWith('57') && !failedOnce.has(message.offset)) {
            failedOnce.add(message.offset);
            return Promise.reject(new Error('on purpose'));
          }
          handled(message.offset);
          return Promise.resolve();
        }, options),
      }
    : {
        eachBatch: meterEachBatch(async (payload) => {
          for (const message of payload.batch.messages) {
            handled(message.offset);
            payload.resolveOffset(message.offset);
            if (!message.offset.endsWith('0')) continue;
            await payload.commitOffsetsIfNecessary();
            await payload.heartbeat();
            if (message.offset.endsWith('50') && !failedOnce.has(message.offset)) {
              failedOnce.add(message.offset);
              throw new Error('on purpose, amid a batch');
            }
          }
        }, options),
      },
);
