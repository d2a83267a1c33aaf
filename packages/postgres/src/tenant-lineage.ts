/** Where a tenant hangs in the tree. */
import type { Db } from './pool.ts';

/**
 * From the tenant up to its root; empty when it is not registered.
 * @param db must see the whole tree: meterhouse_reader, not a tenant's scope
 */
export async function readLineage(db: Db, tenantId: string): Promise<readonly string[]> {
  const result = await db.query<{ id: string }>(
    `WITH RECURSIVE up AS (
       SELECT id, parent, 0 AS height FROM meterhouse.tenants WHERE id = $1
       UNION ALL
       SELECT t.id, t.parent, up.height + 1 FROM meterhouse.tenants AS t JOIN up ON t.id = up.parent
     )
     SELECT id FROM up ORDER BY height`,
    [tenantId],
  );
  return result.rows.map(({ id }) => id);
}
