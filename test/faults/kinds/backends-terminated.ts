import type { Landing } from './landing.ts';

/** pg_terminate_backend for some sessions of the workers, whatever they are doing. */
export const backendsTerminated: Landing<'backends_terminated'> = {
  holds: () => ['postgres'],
  land: async ({ postgres, random }, fault, landed) => {
    const sessions = await postgres.query<{ pid: number }>(
      `SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'meterhouse-worker-%' ORDER BY pid`,
    );
    const pids = sessions.rows.map((row) => row.pid).filter(() => random.chance(fault.share));
    await postgres.query('SELECT pg_terminate_backend(pid) FROM unnest($1::integer[]) AS s(pid)', [pids]);
    landed(`${pids.length} of ${sessions.rows.length} sessions`);
  },
};
