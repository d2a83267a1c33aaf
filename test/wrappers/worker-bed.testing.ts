/** A worker does messages 1 … n; what it meters, the number of each, is counted by the real aggregator. */
import { sharedStack } from '@meterhouse/dev-stack/testing';
import { createMeter, type KafkaTarget, type Meter } from '@meterhouse/producer';
import { expect, onTestFinished } from 'vitest';
import { readBuckets, readQuarantine, testBed, type TestBed } from '../../services/aggregator/src/testing.ts';

export interface WorkerBed {
  readonly kafka: TestBed['kafka'];
  /** Where usage goes, on the shared stack. */
  readonly usage: KafkaTarget;
  /** Each of messages 1 … n is in `tokens` of t1 once; beside it there is `more` and nothing else. */
  expectCountedOnce(messages: number, more?: Readonly<Record<string, string>>): Promise<void>;
}

export async function workerBed(): Promise<WorkerBed> {
  const bed = await testBed();
  const { kafka, schemaRegistry } = await sharedStack();
  await bed.start();
  return {
    kafka: bed.kafka,
    usage: { brokers: [kafka], schemaRegistryUrl: schemaRegistry, topic: bed.topic },
    expectCountedOnce: async (messages, more = {}) => {
      await bed.counted();
      const sum = (messages * (messages + 1)) / 2;
      expect(await readBuckets(bed.pool)).toEqual({ 't1/tokens/{}': `${sum}×${messages}`, ...more });
      expect(await readQuarantine(bed.pool)).toEqual([]);
    },
  };
}

/** Of a worker in the test's own process; closed with the test. */
export function workerMeter({ usage }: WorkerBed): Meter {
  const meter = createMeter({ source: 'worker', adapter: 'kafka', kafka: usage });
  onTestFinished(() => meter.close().then(() => undefined));
  return meter;
}
