/**
 * On a real Redis and broker, counted by the real aggregator: jobs that fail and are tried again, and
 * jobs whose worker stalls between recording and completing, are done again; each is counted exactly
 * once, or once an attempt where that is asked for. 0 lost, 0 double.
 */
import { randomUUID } from 'node:crypto';
import { Queue, Worker, type Job } from 'bullmq';
import { meterProcessor } from '@meterhouse/producer/bullmq';
import { waitFor } from '@meterhouse/runtime';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { NO_REDIS, redisForTests } from '../../packages/rate-limit/src/redis-server.testing.ts';
import { workerBed, workerMeter } from './worker-bed.testing.ts';

const redis = await redisForTests();
afterAll(() => redis?.stop());
const JOBS = 60;

test.skipIf(redis === null)(
  `failed and stalled jobs count once ${redis === null ? NO_REDIS : ''}`,
  async () => {
    const bed = await workerBed();
    const meter = workerMeter(bed);
    const connection = { url: redis?.url ?? '' };
    const name = `meterhouse-test-${randomUUID()}`;
    const queue = new Queue<number>(name, { connection });
    onTestFinished(() => queue.close());
    await queue.addBulk(
      Array.from({ length: JOBS }, (_, index) => ({ name: 'work', data: index + 1, opts: { attempts: 3 } })),
    );
    let done = 0;
    const times = new Map<string, number>();
    const processor = (job: Job<number>): Promise<string> => {
      done += 1;
      const nth = (times.get(job.id ?? '') ?? 0) + 1;
      times.set(job.id ?? '', nth);
      return job.data % 5 === 0 && nth === 1
        ? Promise.reject(new Error('on purpose'))
        : Promise.resolve('done');
    };
    const usageOf = (metric: string) => (job: Job<number>) => ({
      tenantId: 't1',
      metric,
      value: metric === 'calls' ? 1 : job.data,
    });
    const once = meterProcessor(processor, { meter, consumer: 'worker', usage: usageOf('tokens') });
    const each = meterProcessor(once, {
      meter,
      consumer: 'worker',
      usage: usageOf('calls'),
      attempts: 'each',
      failures: 'count',
    });

    const stalled: (() => void)[] = [];
    const workers: Worker[] = [];
    for (const stalls of [true, false]) {
      const worker = new Worker<number, string>(
        name,
        async (job) => {
          const result = await each(job);
          // Its usage is recorded; the job is not completed, and its lock runs out.
          if (stalls && job.data % 6 === 0) await new Promise<void>((resolve) => stalled.push(resolve));
          return result;
        },
        {
          connection,
          concurrency: 10,
          lockDuration: 1_500,
          skipLockRenewal: true,
          stalledInterval: 500,
          maxStalledCount: 5,
        },
      );
      worker.on('error', () => undefined);
      workers.push(worker);
    }
    onTestFinished(async () => {
      for (const resolve of stalled) resolve();
      await Promise.all(workers.map((worker) => worker.close()));
      await queue.obliterate({ force: true });
    });
    await waitFor(
      'all jobs to be completed',
      async () => ((await queue.getCompletedCount()) === JOBS ? true : undefined),
      {
        deadlineMs: 60_000,
      },
    );
    const failures = JOBS / 5;
    expect(stalled.length).toBeGreaterThan(0);
    expect(done).toBeGreaterThanOrEqual(JOBS + failures + stalled.length);
    await bed.expectCountedOnce(JOBS, { 't1/calls/{}': `${JOBS + failures}×${JOBS + failures}` });
  },
  120_000,
);
