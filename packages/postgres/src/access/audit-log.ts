/** The audit log: what was done, by whom, with what outcome. Postgres numbers, dates and chains the rows. */
import type { Pool, PoolClient } from 'pg';
import type { Db } from '../pool.ts';
import { inTransaction } from '../transaction.ts';
import {
  AUDIT_START,
  breakAt,
  breakAtEnd,
  type AuditBreak,
  type AuditHead,
  type AuditOutcome,
  type AuditRow,
} from './audit-chain.ts';

/** In characters; details in bytes of JSON. */
export const AUDIT_LIMITS = {
  actorType: 64,
  actorId: 256,
  keyId: 64,
  role: 64,
  action: 128,
  tenantId: 256,
  target: 512,
  correlationId: 256,
  detailsBytes: 8192,
} as const;

/** Who did it. */
export interface AuditActor {
  /** `person`, `api_key`, `user`, `service`. */
  readonly type: string;
  readonly id: string;
  readonly keyId?: string;
  readonly role?: string;
}

/** Who asked for a change of which the code that makes it knows the rest. */
export interface AuditOrigin {
  readonly actor: AuditActor;
  /** Where the change itself does not say it: in the scope of a tenant, it has to be one of that scope. */
  readonly tenantId?: string;
  readonly correlationId?: string;
}

export function person(name: string): AuditActor {
  return { type: 'person', id: name };
}

export interface AuditEntry {
  readonly actor: AuditActor;
  /** Such as `quarantine.discard`. */
  readonly action: string;
  /** Null: the whole platform. */
  readonly tenantId: string | null;
  /** What it was done to. */
  readonly target?: string;
  readonly outcome: AuditOutcome;
  readonly correlationId?: string;
  /** No secrets, and nothing that only one tenant may see of another. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/**
 * Appends in the transaction of what it tells of, so that neither is there without the other. Its last
 * statement: it takes the lock that all appending waits for. In a transaction with repeatable read it
 * fails with a serialization failure where another appended meanwhile. As meterhouse_operator, or as
 * meterhouse_api in the tenant's scope.
 * @returns where the chain stands with it
 * @throws DatabaseError 23514 for what is over AUDIT_LIMITS
 */
export async function appendAudit(client: PoolClient, entry: AuditEntry): Promise<AuditHead> {
  const { actor } = entry;
  const result = await client.query<{ seq: string; hash: Buffer }>(
    `INSERT INTO meterhouse.audit_log
       (actor_type, actor_id, key_id, role, action, tenant_id, target, outcome, correlation_id, details)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING seq, hash`,
    [
      actor.type,
      actor.id,
      actor.keyId ?? null,
      actor.role ?? null,
      entry.action,
      entry.tenantId,
      entry.target ?? null,
      entry.outcome,
      entry.correlationId ?? null,
      JSON.stringify(entry.details ?? {}),
    ],
  );
  const row = result.rows[0];
  if (row === undefined) throw new Error('Postgres left out the row that it wrote');
  return { seq: BigInt(row.seq), hash: row.hash.toString('hex') };
}

interface StoredRow {
  seq: string;
  at_ms: string;
  actor_type: string;
  actor_id: string;
  key_id: string | null;
  role: string | null;
  action: string;
  tenant_id: string | null;
  target: string | null;
  outcome: AuditOutcome;
  correlation_id: string | null;
  details: string;
  prev_hash: Buffer;
  hash: Buffer;
}

// Not rounded to milliseconds: a row that was dated otherwise by less than one has to show.
const COLUMNS = `seq, trim_scale(extract(epoch FROM at) * 1000)::text AS at_ms, actor_type, actor_id, key_id, role,
  action, tenant_id, target, outcome, correlation_id, details::text AS details, prev_hash, hash`;

export interface AuditFilter {
  /** Null: of all that may be seen. */
  readonly tenantId: string | null;
  readonly action: string | null;
  readonly actorId: string | null;
  /** Epoch ms. */
  readonly since: number | null;
  /** Rows before this one; null: from the newest. */
  readonly beforeSeq: bigint | null;
  readonly limit: number;
}

/** The newest first. */
export async function listAudit(db: Db, filter: AuditFilter): Promise<readonly AuditRow[]> {
  const result = await db.query<StoredRow>(
    `SELECT ${COLUMNS} FROM meterhouse.audit_log
     WHERE ($1::text IS NULL OR tenant_id = $1) AND ($2::text IS NULL OR action = $2)
       AND ($3::text IS NULL OR actor_id = $3)
       AND ($4::bigint IS NULL OR at >= timestamptz 'epoch' + $4::bigint * interval '1 millisecond')
       AND ($5::bigint IS NULL OR seq < $5)
     ORDER BY seq DESC LIMIT $6`,
    [
      filter.tenantId,
      filter.action,
      filter.actorId,
      filter.since,
      filter.beforeSeq?.toString() ?? null,
      filter.limit,
    ],
  );
  return result.rows.map(toRow);
}

export type AuditVerdict =
  | { readonly kind: 'whole'; readonly head: AuditHead }
  | ({ readonly kind: 'broken'; readonly checked: bigint } & AuditBreak);

const PAGE_ROWS = 2_000;

/**
 * Works the whole chain out again, at one point in time, a page in memory at once.
 * @param pool as meterhouse_reader
 * @param options.noted a head that was noted before and kept elsewhere: whoever can rewrite this database
 *   can rewrite the whole chain and its head, but not that note
 */
export async function verifyAudit(
  pool: Pool,
  options: {
    readonly noted: AuditHead | null;
    readonly pageRows?: number;
    readonly onPage?: (checked: bigint) => void;
  },
): Promise<AuditVerdict> {
  return inTransaction(pool, (client) => walk(client, options), 'repeatable read');
}

async function walk(
  client: PoolClient,
  { noted, pageRows = PAGE_ROWS, onPage }: Parameters<typeof verifyAudit>[1],
): Promise<AuditVerdict> {
  const head = await readAuditHead(client);
  let last = AUDIT_START;
  const broken = (what: AuditBreak): AuditVerdict => ({ kind: 'broken', checked: last.seq, ...what });
  // From below the first row, so that one that was put there is found too.
  for (let after: bigint | null = null; ; after = last.seq) {
    const { rows } = await client.query<StoredRow>(
      `SELECT ${COLUMNS} FROM meterhouse.audit_log WHERE $1::bigint IS NULL OR seq > $1 ORDER BY seq LIMIT $2`,
      [after?.toString() ?? null, pageRows],
    );
    for (const row of rows.map(toRow)) {
      const wrong = breakAt(last, row) ?? notedBreak(row, noted);
      if (wrong !== null) return broken(wrong);
      last = { seq: row.seq, hash: row.hash };
    }
    onPage?.(last.seq);
    if (rows.length < pageRows) break;
  }
  const wrong = breakAtEnd(last, head) ?? (noted === null ? null : breakBeforeNoted(last, noted));
  return wrong === null ? { kind: 'whole', head: last } : broken(wrong);
}

function notedBreak(row: AuditRow, noted: AuditHead | null): AuditBreak | null {
  if (row.seq !== noted?.seq || row.hash === noted.hash) return null;
  return {
    seq: row.seq,
    reason: 'head_differs',
    detail: `row ${row.seq} is not the one that was noted: the chain up to it was written anew`,
  };
}

function breakBeforeNoted(last: AuditHead, noted: AuditHead): AuditBreak | null {
  if (noted.seq <= last.seq) return null;
  return {
    seq: last.seq + 1n,
    reason: 'tail_missing',
    detail: `the log ends with row ${last.seq}, and row ${noted.seq} was noted`,
  };
}

/** Where the chain stands, by Postgres' own note. */
export async function readAuditHead(db: Db): Promise<AuditHead> {
  const result = await db.query<{ seq: string; hash: Buffer }>('SELECT seq, hash FROM meterhouse.audit_head');
  const row = result.rows[0];
  if (row === undefined) throw new Error('the audit log has no head: see the runbook audit-chain-broken');
  return { seq: BigInt(row.seq), hash: row.hash.toString('hex') };
}

function toRow(row: StoredRow): AuditRow {
  return {
    seq: BigInt(row.seq),
    at: Number(row.at_ms),
    actorType: row.actor_type,
    actorId: row.actor_id,
    keyId: row.key_id,
    role: row.role,
    action: row.action,
    tenantId: row.tenant_id,
    target: row.target,
    outcome: row.outcome,
    correlationId: row.correlation_id,
    details: row.details,
    prevHash: row.prev_hash.toString('hex'),
    hash: row.hash.toString('hex'),
  };
}
