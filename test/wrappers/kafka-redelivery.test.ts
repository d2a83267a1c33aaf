/**
 * On a real broker, counted by the real aggregator: messages whose consumer fails, and is killed by
 * SIGKILL before it commits, are delivered again; each is counted exactly once. 0 lost, 0 double.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { waitFor } from '@meterhouse/runtime';
import { expect, onTestFinished, test } from 'vitest';
import { sharedStack } from '@meterhouse/dev-stack/testing';
import { readBuckets, readQuarantine, testBed } from '../../services/aggregator/src/testing.ts';
import type { ConsumerTask } from './kafka-consumer-process.ts';

const MESSAGES = 400;
const KILLS = 2;

test.each(['eachMessage', 'eachBatch'] as const)(
  '%s: killed before its commit, each message counts once',
  async (form) => {
    const bed = await testBed();
    const endpoints = await sharedStack();
    const topic = `work_${randomBytes(6).toString('hex')}`;
    const admin = bed.kafka.admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: true });
    const producer = bed.kafka.producer();
    await producer.connect();
    const values = Array.from({ length: MESSAGES }, (_, index) => String(index + 1));
    await producer.send({ topic, messages: values.map((value) => ({ value })) });
    await producer.disconnect();
    await bed.start();
    const task: ConsumerTask = {
      form,
      brokers: [endpoints.kafka],
      topic,
      groupId: `worker_${topic}`,
      usage: { brokers: [endpoints.kafka], schemaRegistryUrl: endpoints.schemaRegistry, topic: bed.topic },
    };
    let handled = 0;
    for (let kills = 0; kills < KILLS; kills++) {
      const worker = startWorker(task, () => (handled += 1));
      const until = handled + 40 + kills * 35;
      await waitFor('messages to be handled', () => (handled >= until ? true : undefined), {
        deadlineMs: 60_000,
        everyMs: 1,
      });
      worker.kill('SIGKILL');
      await once(worker, 'exit');
    }
    const last = startWorker(task, () => (handled += 1));
    const committed = async (): Promise<true | undefined> => {
      const [of] = await admin.fetchOffsets({ groupId: task.groupId, topics: [topic] });
      return of?.partitions[0]?.offset === String(MESSAGES) ? true : undefined;
    };
    await waitFor('the last offset to be committed', committed, { deadlineMs: 90_000 });
    last.kill('SIGKILL');
    await admin.disconnect();
    await bed.counted();
    // Without a message that came twice this test would say nothing.
    expect(handled).toBeGreaterThan(MESSAGES);
    expect(await readBuckets(bed.pool)).toEqual({
      't1/tokens/{}': `${(MESSAGES * (MESSAGES + 1)) / 2}×${MESSAGES}`,
    });
    expect(await readQuarantine(bed.pool)).toEqual([]);
  },
  180_000,
);

function startWorker(task: ConsumerTask, onHandled: () => void): ChildProcess {
  const file = fileURLToPath(new URL('kafka-consumer-process.ts', import.meta.url));
  const child = spawn(process.execPath, [file, JSON.stringify(task)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  child.stdout.on('data', (lines: Buffer) => {
    for (const byte of lines) if (byte === 10) onHandled();
  });
  return child;
}
