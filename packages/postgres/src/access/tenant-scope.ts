/** Transactions that see one tenant and what is below it, and nothing else: Postgres sees to that. */
import { isTenantId } from '@meterhouse/usage';
import type { Pool, PoolClient } from 'pg';
import { inTransaction, type Isolation } from '../transaction.ts';

/**
 * Runs work in one transaction that sees the tenant's subtree alone. A tenant that is not registered
 * sees nothing. There is no scope that is wider: what works for the whole platform takes a pool of
 * another role (meterhouse_reader, meterhouse_operator), so no value of a setting can open it.
 * @param pool with the rights of meterhouse_api
 * @param tenantId must be what the caller was proved to be, never what it asks for
 * @throws RangeError for what is no tenant's id
 */
export async function withTenantScope<T>(
  pool: Pool,
  tenantId: string,
  work: (client: PoolClient) => Promise<T>,
  isolation: Isolation = 'read committed',
): Promise<T> {
  if (!isTenantId(tenantId)) throw new RangeError('not the id of a tenant');
  return inTransaction(
    pool,
    async (client) => {
      // For this transaction alone: the connection's next user starts without a scope.
      await client.query(`SELECT set_config('meterhouse.tenant_scope', $1, true)`, [tenantId]);
      return work(client);
    },
    isolation,
  );
}
