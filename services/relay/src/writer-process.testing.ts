/**
 * A service with business rows, for fault tests: one transaction after the other, each with an order and its
 * usage; every fourth is rolled back. It goes on where the committed orders end, and ends when each tenant has
 * so many. Prints nothing; is killed. Arguments: database URL, orders a tenant, tenants.
 */
import { createOutbox } from '@meterhouse/producer/outbox';
import { waitFor } from '@meterhouse/runtime';
import pg from 'pg';

const [url = '', orders = '', ...tenants] = process.argv.slice(2);
const pool = new pg.Pool({ connectionString: url, max: tenants.length });
pool.on('error', () => undefined);
const outbox = createOutbox({ source: 'orders' });

function ignore(): void {
  return undefined;
}

/** However long Postgres is away. */
function connected(): Promise<pg.PoolClient> {
  return waitFor('Postgres', () => pool.connect(), { deadlineMs: 240_000, retryErrors: true });
}

async function write(tenantId: string): Promise<void> {
  for (let turn = 0; ; turn++) {
    const client = await connected();
    client.on('error', ignore);
    let broken = false;
    try {
      const last = await client.query<{ n: number }>(
        'SELECT coalesce(max(n), 0)::integer AS n FROM orders WHERE tenant = $1',
        [tenantId],
      );
      const n = (last.rows[0]?.n ?? 0) + 1;
      if (n > Number(orders)) return;
      await client.query('BEGIN');
      await client.query('INSERT INTO orders (tenant, n) VALUES ($1, $2)', [tenantId, n]);
      const doomed = turn % 4 === 3;
      // What is rolled back must leave nothing: its id is of its own, so a trace of it would be counted.
      const id = doomed ? `rolled-back-${tenantId}-${n}-${process.pid}-${turn}` : `${tenantId}-${n}`;
      await outbox.recordIn(client, { id, tenantId, metric: 'calls', value: n });
      await client.query(doomed ? 'ROLLBACK' : 'COMMIT');
    } catch {
      // The session was ended: whether the transaction was committed the orders themselves say.
      broken = true;
    } finally {
      client.off('error', ignore);
      client.release(broken);
    }
  }
}

await Promise.all(tenants.map(write));
await pool.end();
