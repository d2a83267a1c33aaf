/**
 * A service with business rows, for fault tests: one transaction after the other, each with an order and its
 * usage; every fourth is rolled back. It goes on where the committed orders end. Prints nothing; is killed.
 * Arguments: database URL, tenants.
 */
import { createOutbox } from '@meterhouse/producer/outbox';
import pg from 'pg';

const [url = '', ...tenants] = process.argv.slice(2);
const pool = new pg.Pool({ connectionString: url, max: tenants.length });
pool.on('error', () => undefined);
const outbox = createOutbox({ source: 'orders' });

function ignore(): void {
  return undefined;
}

async function write(tenantId: string): Promise<never> {
  for (let turn = 0; ; turn++) {
    const client = await pool.connect();
    client.on('error', ignore);
    let broken = false;
    try {
      const last = await client.query<{ n: number }>(
        'SELECT coalesce(max(n), 0)::integer AS n FROM orders WHERE tenant = $1',
        [tenantId],
      );
      const n = (last.rows[0]?.n ?? 0) + 1;
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
