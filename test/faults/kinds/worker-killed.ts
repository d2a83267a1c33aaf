import { happensWithin } from '../deadline.ts';
import { workerOf } from '../system.ts';
import type { Landing } from './landing.ts';

const WORTH_WAITING_MS = 8_000;

/** SIGKILL; the supervisor starts another. */
export const workerKilled: Landing<'worker_killed'> = {
  holds: (fault) => [`worker ${fault.worker}`],
  land: async (system, fault, landed) => {
    const worker = workerOf(system, fault.worker);
    // One that is still starting would prove little; but it may not come up while something else is broken.
    await happensWithin(WORTH_WAITING_MS, worker.counting());
    landed(`worker ${worker.number}, pid ${worker.pid}`);
    worker.signal('SIGKILL');
    await worker.ended();
  },
};
