/** Transactions that see one tenant and what is below it, and nothing else: Postgres sees to that. */
import { isTenantId } from '@meterhouse/usage';
import type { Pool, PoolClient } from 'pg';
import { inTransaction, type Isolation } from '../transaction.ts';

/** A tenant that is asked about, and what the caller was proved to be. */
export interface TenantScope {
  readonly tenantId: string;
  /** Of whom the tenant has to be one, as Postgres sees the tree; null: a caller of the whole platform. */
  readonly within: string | null;
}

/**
 * Runs work in one transaction that sees the tenant's subtree alone, and nothing at all where the tenant
 * does not lie in what the caller is. A tenant that is not registered sees nothing. There is no scope that
 * is wider: what works for the whole platform takes a pool of another role (meterhouse_reader,
 * meterhouse_operator), so no value of a setting can open it.
 * @param pool with the rights of meterhouse_api
 * @param scope as text: a tenant that the caller was proved to be
 * @throws RangeError for what is no tenant's id
 */
export async function withTenantScope<T>(
  pool: Pool,
  scope: string | TenantScope,
  work: (client: PoolClient) => Promise<T>,
  isolation: Isolation = 'read committed',
): Promise<T> {
  const { tenantId, within } = typeof scope === 'string' ? { tenantId: scope, within: scope } : scope;
  const proven = within ?? tenantId;
  if (!isTenantId(tenantId) || !isTenantId(proven)) throw new RangeError('not the id of a tenant');
  return inTransaction(
    pool,
    async (client) => {
      // For this transaction alone: the connection's next user starts without a scope.
      await client.query(`SELECT set_config('meterhouse.tenant_scope', $1, true)`, [proven]);
      if (proven !== tenantId)
        // Narrower, never elsewhere: the tree is asked from within what was proved.
        await client.query(
          `SELECT set_config('meterhouse.tenant_scope',
             CASE WHEN $1 = ANY (meterhouse.visible_tenants()) THEN $1 ELSE '' END, true)`,
          [tenantId],
        );
      return work(client);
    },
    isolation,
  );
}
