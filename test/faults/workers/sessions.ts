/** A worker's own sessions with Postgres, from the side that breaks them. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Pool, PoolClient } from '@meterhouse/postgres';
import pg from 'pg';

/**
 * Has the server end every session of that name. The caller's next query meets the broken connection.
 * @param url of a superuser
 * @returns how many were ended
 */
export async function terminateSessions(url: string, applicationName: string): Promise<number> {
  const client = new pg.Client({ connectionString: url, application_name: 'faults-terminator' });
  client.on('error', () => undefined);
  await client.connect();
  try {
    const result = await client.query(
      'SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE application_name = $1',
      [applicationName],
    );
    return result.rowCount ?? 0;
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Knows the pool's connections that are in use, and can make them deaf. */
export function watchSessions(pool: Pool): { deafen: (forMs: number) => Promise<void> } {
  const inUse = new Set<PoolClient>();
  pool.on('acquire', (client) => inUse.add(client));
  pool.on('release', (_error, client) => inUse.delete(client));
  pool.on('remove', (client) => inUse.delete(client));
  return {
    deafen: async (forMs) => {
      const streams = [...inUse].map((client) => client.connection.stream);
      for (const stream of streams) stream.pause();
      await delay(forMs);
      for (const stream of streams) stream.destroy();
    },
  };
}
