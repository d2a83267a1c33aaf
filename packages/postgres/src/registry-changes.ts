/** The registry's history: documents as each change left them. */
import type { PoolClient } from 'pg';
import type { Db } from './pool.ts';

/** A document as it stands since a version; a null body: it was removed. */
export interface StoredDocument {
  readonly kind: string;
  readonly id: string;
  readonly version: bigint;
  readonly body: unknown;
}

/** One document's change, as it is to be written down. */
export interface RegistryChange {
  readonly kind: string;
  readonly id: string;
  /** Null: it is new. */
  readonly before: unknown;
  /** Null: it is removed. */
  readonly after: unknown;
  /** Done by nothing but the right of whoever did it. */
  readonly privileged: boolean;
}

/** Who changes the registry, and why. */
export interface ChangeAuthor {
  readonly by: string;
  readonly why: string;
}

export interface RegistryChanges {
  /** The registry's version now. */
  readonly version: bigint;
  /** As they stand now, those that have changed. */
  readonly documents: readonly StoredDocument[];
}

/** Documents that changed after a version, as they stand now; after version 0, all of them. */
export async function registryChangesSince(db: Db, version: bigint): Promise<RegistryChanges> {
  return readDocuments(db, version, null);
}

/** The registry has not come to the version yet: it is another one, or was put back to an older state. */
export class RegistryVersionError extends Error {
  constructor(asked: bigint, now: bigint) {
    super(`the registry is at version ${now} and never was at ${asked}`);
    this.name = 'RegistryVersionError';
  }
}

/**
 * Every document as it stood at a version.
 * @throws RegistryVersionError
 */
export async function registryAt(db: Db, version: bigint): Promise<readonly StoredDocument[]> {
  const { version: now, documents } = await readDocuments(db, 0n, version);
  if (now < version) throw new RegistryVersionError(version, now);
  return documents;
}

/** One statement, so that the version and the documents belong together. */
async function readDocuments(db: Db, after: bigint, through: bigint | null): Promise<RegistryChanges> {
  const result = await db.query<{
    version: string;
    documents: [kind: string, id: string, version: string, body: unknown][] | null;
  }>(
    `SELECT (SELECT version FROM meterhouse.registry_version)::text AS version,
            (SELECT json_agg(json_build_array(kind, id, version::text, after)) FROM (
               SELECT DISTINCT ON (kind, id) kind, id, version, after FROM meterhouse.registry_changes
               WHERE version > $1 AND ($2::bigint IS NULL OR version <= $2)
               ORDER BY kind, id, version DESC
             ) AS newest) AS documents`,
    [after.toString(), through?.toString() ?? null],
  );
  const row = result.rows[0];
  if (row === undefined) throw new Error('the registry has no version row: run "meterhouse migrate"');
  return {
    version: BigInt(row.version),
    documents: (row.documents ?? []).map(([kind, id, version, body]) => ({
      kind,
      id,
      version: BigInt(version),
      body,
    })),
  };
}

export async function writeRegistryChanges(
  client: PoolClient,
  version: bigint,
  changes: readonly RegistryChange[],
  author: ChangeAuthor,
): Promise<void> {
  await client.query(
    `INSERT INTO meterhouse.registry_changes (kind, id, version, before, after, by, why, privileged)
     SELECT c.kind, c.id, $1, nullif(c.before, 'null'), nullif(c.after, 'null'), $2, $3, c.privileged
     FROM jsonb_to_recordset($4::jsonb) AS c(kind text, id text, before jsonb, after jsonb, privileged boolean)`,
    [version.toString(), author.by, author.why, JSON.stringify(changes)],
  );
}

/** One change as it was written down, for whoever reviews it. */
export interface AuditedChange extends RegistryChange, ChangeAuthor {
  readonly version: bigint;
  /** Epoch ms. */
  readonly at: number;
}

interface AuditFilter {
  readonly kind: string | null;
  readonly id: string | null;
  /** Only privileged ones. */
  readonly privileged: boolean;
  readonly limit: number;
  /** Changes after this one in the order of the list; left out: from the newest. */
  readonly after?: Pick<AuditedChange, 'version' | 'kind' | 'id'> | null;
}

/** The newest changes first. */
export async function readRegistryAudit(db: Db, filter: AuditFilter): Promise<readonly AuditedChange[]> {
  const result = await db.query<{
    kind: string;
    id: string;
    version: string;
    before: unknown;
    after: unknown;
    at: Date;
    by: string;
    why: string;
    privileged: boolean;
  }>(
    `SELECT kind, id, version, before, after, at, by, why, privileged FROM meterhouse.registry_changes
     WHERE ($1::text IS NULL OR kind = $1) AND ($2::text IS NULL OR id = $2) AND (privileged OR NOT $3)
       AND ($5::bigint IS NULL OR version < $5 OR (version = $5 AND (kind, id) > ($6, $7)))
     ORDER BY version DESC, kind, id LIMIT $4`,
    [
      ...[filter.kind, filter.id, filter.privileged, filter.limit],
      ...[filter.after?.version.toString() ?? null, filter.after?.kind ?? null, filter.after?.id ?? null],
    ],
  );
  return result.rows.map((row) => ({ ...row, version: BigInt(row.version), at: row.at.getTime() }));
}
