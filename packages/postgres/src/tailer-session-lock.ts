/** Locks that live as long as a connection: whoever dies lets go. */
import { setTimeout as delay } from 'node:timers/promises';
import pg, { type Pool } from 'pg';

/** A lock held by a connection of its own. */
export interface SessionLock {
  /** The connection that holds it: what has to happen under the lock happens on it. */
  readonly client: pg.Client;
  /** Aborted when the connection, and so the lock, is lost. */
  readonly lost: AbortSignal;
  release(): Promise<void>;
}

/** @returns null when somebody else holds the lock */
export async function tryLock(pool: Pool, name: string): Promise<SessionLock | null> {
  const client = new pg.Client(pool.options);
  const lost = new AbortController();
  client.on('error', (error) => lost.abort(error));
  client.on('end', () => lost.abort(new Error(`the connection that held the lock ${name} ended`)));
  try {
    await client.connect();
    const result = await client.query<{ locked: boolean }>(
      'SELECT pg_try_advisory_lock(hashtext($1)) AS locked',
      [name],
    );
    if (result.rows[0]?.locked === true)
      return { client, lost: lost.signal, release: () => closeQuietly(client) };
  } catch (error) {
    await closeQuietly(client);
    throw error;
  }
  await closeQuietly(client);
  return null;
}

const RETRY_MS = 250;

/** Waits for its turn; the signal ends the waiting. */
export async function waitForLock(pool: Pool, name: string, signal: AbortSignal): Promise<SessionLock> {
  for (;;) {
    signal.throwIfAborted();
    const lock = await tryLock(pool, name);
    if (lock !== null) return lock;
    await delay(RETRY_MS, undefined, { signal });
  }
}

/** Ending the session is what lets the lock go; a connection that is already dead has done so. */
async function closeQuietly(client: pg.Client): Promise<void> {
  try {
    await client.end();
  } catch {
    return;
  }
}
