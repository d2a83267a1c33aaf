/** A meter that speaks for one tenant and what is below it. Postgres enforces the same by row-level security. */
import { inTransaction, type Pool, type PoolClient } from '@meterhouse/postgres';

/** Null: all tenants. */
export type TenantScope = string | null;

/** For the rest of the transaction. */
export async function enterScope(client: PoolClient, scope: TenantScope): Promise<void> {
  if (scope !== null) await client.query(`SELECT set_config('meterhouse.tenant_scope', $1, true)`, [scope]);
}

/** Which of the tenants lie within the scope; one that is not registered lies in none. */
export async function withinScope(
  pool: Pool,
  scope: string,
  tenantIds: ReadonlySet<string>,
): Promise<ReadonlySet<string>> {
  return inTransaction(pool, async (client) => {
    await enterScope(client, scope);
    const found = await client.query<{ id: string }>(
      'SELECT id FROM unnest($1::text[]) AS id WHERE id = ANY ((SELECT meterhouse.visible_tenants())::text[])',
      [[...tenantIds]],
    );
    return new Set(found.rows.map(({ id }) => id));
  });
}
