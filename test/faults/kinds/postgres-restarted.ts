import { setTimeout as delay } from 'node:timers/promises';
import type { Landing } from './landing.ts';

/** Immediate mode: no session is ended in order, and the next start recovers from the log. */
export const postgresRestarted: Landing<'postgres_restarted'> = {
  holds: () => ['postgres'],
  land: async ({ stack }, fault, landed) => {
    const part = stack.part('postgres');
    landed(`postmaster, pid ${part.pid}, immediate shutdown`);
    await part.kill('SIGQUIT');
    await delay(fault.durationMs);
    await part.start();
  },
};
