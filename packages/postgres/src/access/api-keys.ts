/** API keys as they are kept. Instants are epoch ms of Postgres' clock, unless said otherwise. */
import type { Db } from '../pool.ts';
import type { KeyStanding } from './key-text.ts';

export const API_ROLES = [
  'ingest',
  'tenant_reader',
  'tenant_admin',
  'finance',
  'operator',
  'platform_admin',
] as const;
export type ApiRole = (typeof API_ROLES)[number];

/** Whether a key of the role may, or must, be of one tenant: the rule that the table checks too. */
const ROLE_SCOPES: Readonly<Record<ApiRole, 'tenant' | 'platform' | 'either'>> = {
  ingest: 'tenant',
  tenant_reader: 'tenant',
  tenant_admin: 'tenant',
  finance: 'either',
  operator: 'platform',
  platform_admin: 'platform',
};

/** Why nobody can be of this role there; null where somebody can. */
export function scopeProblem(
  role: ApiRole,
  tenantId: string | null,
): 'needs_tenant' | 'platform_only' | null {
  const scope = ROLE_SCOPES[role];
  if (scope === 'tenant' && tenantId === null) return 'needs_tenant';
  return scope === 'platform' && tenantId !== null ? 'platform_only' : null;
}

/** What may be shown of a key: everything but its secret. */
export interface ApiKey {
  readonly keyId: string;
  /** Null: the whole platform. */
  readonly tenantId: string | null;
  readonly role: ApiRole;
  readonly name: string;
  readonly createdAt: number;
  readonly createdBy: string;
  readonly expiresAt: number | null;
  /** Until when the secret before the last rotation is good as well. */
  readonly previousValidUntil: number | null;
  readonly rotatedAt: number | null;
  readonly rotatedBy: string | null;
  readonly revokedAt: number | null;
  readonly revokedBy: string | null;
  /** To the minute. */
  readonly lastUsedAt: number | null;
}

interface ApiKeyRow {
  key_id: string;
  tenant_id: string | null;
  role: ApiRole;
  name: string;
  created_at: Date;
  created_by: string;
  expires_at: Date | null;
  previous_valid_until: Date | null;
  rotated_at: Date | null;
  rotated_by: string | null;
  revoked_at: Date | null;
  revoked_by: string | null;
  last_used_at: Date | null;
}

const COLUMNS = `key_id, tenant_id, role, name, created_at, created_by, expires_at, previous_valid_until,
  rotated_at, rotated_by, revoked_at, revoked_by, last_used_at`;

export const API_KEY_LIMITS = { nameLength: 128, byLength: 256, pageRows: 1_000 } as const;

export interface NewApiKey {
  readonly keyId: string;
  readonly secretHash: Buffer;
  readonly tenantId: string | null;
  readonly role: ApiRole;
  readonly name: string;
  readonly createdBy: string;
  readonly expiresAt: number | null;
}

/** As meterhouse_operator, or as meterhouse_api in the tenant's scope. */
export async function createApiKey(db: Db, key: NewApiKey): Promise<ApiKey> {
  const result = await db.query<ApiKeyRow>(
    `INSERT INTO meterhouse.api_keys (key_id, tenant_id, role, name, secret_hash, created_by, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING ${COLUMNS}`,
    [key.keyId, key.tenantId, key.role, key.name, key.secretHash, key.createdBy, dateOrNull(key.expiresAt)],
  );
  const row = result.rows[0];
  if (row === undefined) throw new Error('Postgres left out the key that it wrote');
  return toKey(row);
}

/**
 * The key that a caller names, for judgeKey(). As meterhouse_api and without a scope: who the tenant is
 * comes out of this.
 * @returns null where there is none
 */
export async function findApiKey(db: Db, keyId: string): Promise<(ApiKey & KeyStanding) | null> {
  const result = await db.query<ApiKeyRow & { secret_hash: Buffer; previous_hash: Buffer | null }>(
    `SELECT ${COLUMNS}, secret_hash, previous_hash FROM meterhouse.api_key_to_check($1)`,
    [keyId],
  );
  const row = result.rows[0];
  if (row === undefined) return null;
  return { ...toKey(row), secretHash: row.secret_hash, previousHash: row.previous_hash };
}

/** Notes that the key was used, at most once a minute. As meterhouse_api, in a transaction of its own. */
export async function touchApiKey(db: Db, keyId: string): Promise<void> {
  await db.query('SELECT meterhouse.api_key_touch($1)', [keyId]);
}

export interface ApiKeyPage {
  /** Null: of all that may be seen. */
  readonly tenantId: string | null;
  /** Also revoked ones. */
  readonly revoked: boolean;
  /** Keys after this id; '' from the first. */
  readonly afterKeyId: string;
  /** At most `API_KEY_LIMITS.pageRows`. */
  readonly limit: number;
}

/** In the order of ids. */
export async function listApiKeys(db: Db, page: ApiKeyPage): Promise<readonly ApiKey[]> {
  const result = await db.query<ApiKeyRow>(
    `SELECT ${COLUMNS} FROM meterhouse.api_keys
     WHERE ($1::text IS NULL OR tenant_id = $1) AND ($2 OR revoked_at IS NULL) AND key_id > $3
     ORDER BY key_id LIMIT least($4::integer, ${API_KEY_LIMITS.pageRows})`,
    [page.tenantId, page.revoked, page.afterKeyId, page.limit],
  );
  return result.rows.map(toKey);
}

export interface KeyRotation {
  readonly keyId: string;
  /** Of the new secret. */
  readonly secretHash: Buffer;
  /** For how long the secret so far stays good. 0: it ends now. */
  readonly overlapMs: number;
  readonly by: string;
}

/**
 * Gives the key a new secret. The secret before the present one ends at once, whatever was left of its
 * own overlap: a key has at most two.
 * @returns null where there is none that is not revoked
 */
export async function rotateApiKey(db: Db, rotation: KeyRotation): Promise<ApiKey | null> {
  const result = await db.query<ApiKeyRow>(
    `UPDATE meterhouse.api_keys
     SET previous_hash = secret_hash, previous_valid_until = now() + $3::bigint * interval '1 millisecond',
         secret_hash = $2, rotated_at = now(), rotated_by = $4
     WHERE key_id = $1 AND revoked_at IS NULL RETURNING ${COLUMNS}`,
    [rotation.keyId, rotation.secretHash, rotation.overlapMs, rotation.by],
  );
  return keyOrNull(result.rows[0]);
}

/**
 * Ends a key for good, with both its secrets.
 * @returns null where there is none that is not revoked already
 */
export async function revokeApiKey(db: Db, keyId: string, by: string): Promise<ApiKey | null> {
  const result = await db.query<ApiKeyRow>(
    `UPDATE meterhouse.api_keys SET revoked_at = now(), revoked_by = $2
     WHERE key_id = $1 AND revoked_at IS NULL RETURNING ${COLUMNS}`,
    [keyId, by],
  );
  return keyOrNull(result.rows[0]);
}

function keyOrNull(row: ApiKeyRow | undefined): ApiKey | null {
  return row === undefined ? null : toKey(row);
}

function toKey(row: ApiKeyRow): ApiKey {
  return {
    keyId: row.key_id,
    tenantId: row.tenant_id,
    role: row.role,
    name: row.name,
    createdAt: row.created_at.getTime(),
    createdBy: row.created_by,
    expiresAt: row.expires_at?.getTime() ?? null,
    previousValidUntil: row.previous_valid_until?.getTime() ?? null,
    rotatedAt: row.rotated_at?.getTime() ?? null,
    rotatedBy: row.rotated_by,
    revokedAt: row.revoked_at?.getTime() ?? null,
    revokedBy: row.revoked_by,
    lastUsedAt: row.last_used_at?.getTime() ?? null,
  };
}

function dateOrNull(at: number | null): Date | null {
  return at === null ? null : new Date(at);
}
