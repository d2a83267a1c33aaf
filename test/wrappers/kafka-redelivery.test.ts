/**
 * On a real broker, counted by the real aggregator: messages whose consumer fails, and is killed by
 * SIGKILL before it commits, are delivered again; each is counted exactly once. 0 lost, 0 double.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { ensureTopics } from '@meterhouse/kafka';
import { waitFor } from '@meterhouse/runtime';
import { expect, onTestFinished, test } from 'vitest';
import type { ConsumerTask } from './kafka-consumer-process.ts';
import { workerBed } from './worker-bed.testing.ts';

const MESSAGES = 400;
const KILLS = 2;

test.each(['eachMessage', 'eachBatch'] as const)(
  '%s: killed before its commit, each message counts once',
  async (form) => {
    const bed = await workerBed();
    const topic = `work_${randomBytes(6).toString('hex')}`;
    const admin = bed.kafka.admin();
    await admin.connect();
    await ensureTopics(bed.kafka, { usageEvents: { topic, partitions: 1 } });
    const producer = bed.kafka.producer();
    await producer.connect();
    const values = Array.from({ length: MESSAGES }, (_, index) => String(index + 1));
    await producer.send({ topic, messages: values.map((value) => ({ value })) });
    await producer.disconnect();
    const task: ConsumerTask = {
      form,
      topic,
      groupId: `worker_${topic}`,
      usage: bed.usage,
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
    // Without a message that came twice this test would say nothing.
    expect(handled).toBeGreaterThan(MESSAGES);
    await bed.expectCountedOnce(MESSAGES);
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
