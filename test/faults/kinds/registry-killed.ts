import { setTimeout as delay } from 'node:timers/promises';
import { happensWithin } from '../deadline.ts';
import { workerOf } from '../system.ts';
import type { Landing } from './landing.ts';

const WORTH_WAITING_MS = 10_000;

/**
 * The registry goes, and with it a worker: the next one starts without a schema and quarantines what
 * it cannot read, to be replayed later. The registry keeps its schemas in Postgres, and cannot start
 * without it.
 */
export const registryKilled: Landing<'registry_killed'> = {
  holds: (fault) => ['registry', 'postgres', `worker ${fault.worker}`],
  land: async (system, fault, landed) => {
    const part = system.stack.part('schemaRegistry');
    const worker = workerOf(system, fault.worker);
    landed(`pid ${part.pid}, and worker ${worker.number}, pid ${worker.pid}`);
    await part.kill('SIGKILL');
    worker.signal('SIGKILL');
    await worker.ended();
    await happensWithin(WORTH_WAITING_MS, worker.counting());
    await delay(fault.durationMs);
    await part.start();
  },
};
