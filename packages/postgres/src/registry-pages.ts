/** Documents of the registry as they stand now, one kind at a time. */
import type { Db } from './pool.ts';

/** A document that is there. */
export interface ListedDocument {
  readonly id: string;
  /** The registry's version that made it so. */
  readonly version: bigint;
  /** Epoch ms. */
  readonly changedAt: number;
  readonly body: unknown;
}

interface StoredRow {
  id: string;
  version: string;
  at: Date;
  after: unknown;
}

/**
 * In the order of ids. As meterhouse_api in a tenant's scope: what concerns that tenant, and what
 * concerns all; what was moved to another tenant is gone.
 * @param page.afterId documents after this id; '' from the first
 */
export async function listDocuments(
  db: Db,
  kind: string,
  page: { readonly afterId: string; readonly limit: number },
): Promise<readonly ListedDocument[]> {
  const result = await db.query<StoredRow>(
    `SELECT id, version, at, after FROM (
       SELECT DISTINCT ON (id) id, version, at, after FROM meterhouse.registry_changes
       WHERE kind = $1 AND id > $2 ORDER BY id, version DESC
     ) AS newest
     WHERE after IS NOT NULL AND meterhouse.registry_stands($1, id, version) ORDER BY id LIMIT $3`,
    [kind, page.afterId, page.limit],
  );
  return result.rows.map(toDocument);
}

/** @returns null where there is none, or none that may be seen */
export async function readDocument(db: Db, kind: string, id: string): Promise<ListedDocument | null> {
  const result = await db.query<StoredRow>(
    `SELECT id, version, at, after FROM meterhouse.registry_changes
     WHERE kind = $1 AND id = $2 AND meterhouse.registry_stands(kind, id, version)
     ORDER BY version DESC LIMIT 1`,
    [kind, id],
  );
  const row = result.rows[0];
  return row === undefined || row.after === null ? null : toDocument(row);
}

function toDocument({ id, version, at, after }: StoredRow): ListedDocument {
  return { id, version: BigInt(version), changedAt: at.getTime(), body: after };
}
