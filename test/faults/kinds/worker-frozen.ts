import { setTimeout as delay } from 'node:timers/promises';
import { happensWithin } from '../deadline.ts';
import { workerOf } from '../system.ts';
import type { Landing } from './landing.ts';

const WORTH_WAITING_MS = 8_000;

/** SIGSTOP for longer than the session with the broker lasts, then SIGCONT: it wakes up still believing. */
export const workerFrozen: Landing<'worker_frozen'> = {
  holds: (fault) => [`worker ${fault.worker}`],
  land: async (system, fault, landed) => {
    const worker = workerOf(system, fault.worker);
    await happensWithin(WORTH_WAITING_MS, worker.counting());
    landed(`worker ${worker.number}, pid ${worker.pid}, ${fault.durationMs} ms`);
    worker.signal('SIGSTOP');
    await delay(fault.durationMs);
    worker.signal('SIGCONT');
  },
};
