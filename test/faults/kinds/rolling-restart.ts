import { happensWithin, within } from '../deadline.ts';
import type { Landing } from './landing.ts';

const WORTH_WAITING_MS = 10_000;
const GRACEFUL_END_MS = 20_000;

/** SIGTERM one after the other, each when the one before is counting again. */
export const rollingRestart: Landing<'rolling_restart'> = {
  holds: () => ['worker 0', 'worker 1', 'worker 2'],
  land: async (system, _fault, landed) => {
    landed(`workers ${system.workers.map((worker) => worker.number).join(', ')}`);
    for (const worker of system.workers) {
      await happensWithin(WORTH_WAITING_MS, worker.counting());
      worker.signal('SIGTERM');
      await within(GRACEFUL_END_MS, `worker ${worker.number} to end after SIGTERM`, worker.ended());
      await happensWithin(WORTH_WAITING_MS, worker.counting());
    }
  },
};
