import { setTimeout as delay } from 'node:timers/promises';
import { happensWithin } from '../deadline.ts';
import { workerOf } from '../system.ts';
import type { Landing } from './landing.ts';

const WORTH_WAITING_MS = 15_000;
const REACH_MS = 15_000;
const ATTEMPTS = 4;

/** A blow at a chosen await of the flush, inside the worker. */
export const failpoint: Landing<'failpoint'> = {
  holds: (fault) => [`worker ${fault.worker}`],
  land: async (system, fault, landed) => {
    const worker = workerOf(system, fault.worker);
    const { step, action, durationMs } = fault;
    // Flushes stop while the broker or Postgres is away, and a worker can die of something else meanwhile.
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      await happensWithin(WORTH_WAITING_MS, worker.counting());
      const pid = worker.pid;
      if (!(await worker.strike({ step, action, durationMs }, REACH_MS))) continue;
      const lasts = action === 'freeze' || action === 'delay' ? `, ${durationMs} ms` : '';
      landed(`worker ${worker.number}, pid ${pid}: ${action} at ${step}${lasts}`);
      if (action === 'freeze') await delay(durationMs);
      return;
    }
    throw new Error(`no flush of worker ${worker.number} came to ${step}`);
  },
};
