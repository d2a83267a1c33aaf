import type { Pool, PoolClient } from 'pg';

export type Isolation = 'read committed' | 'repeatable read';

/**
 * Runs work in one transaction on one connection. A connection on which ROLLBACK or COMMIT failed is
 * closed, not given back: nobody knows what state it is in.
 */
export async function inTransaction<T>(
  pool: Pool,
  work: (client: PoolClient) => Promise<T>,
  isolation: Isolation = 'read committed',
): Promise<T> {
  const client = await pool.connect();
  // A connection that breaks between two queries says so by an event; the next query rejects anyway.
  client.on('error', ignore);
  let broken: Error | undefined;
  try {
    await client.query(isolation === 'repeatable read' ? 'BEGIN ISOLATION LEVEL REPEATABLE READ' : 'BEGIN');
    const result = await work(client);
    await client.query('COMMIT');
    return result;
  } catch (error) {
    try {
      await client.query('ROLLBACK');
    } catch (rollbackError) {
      broken = rollbackError instanceof Error ? rollbackError : new Error(String(rollbackError));
    }
    throw error;
  } finally {
    client.off('error', ignore);
    client.release(broken);
  }
}

function ignore(): void {
  return undefined;
}
