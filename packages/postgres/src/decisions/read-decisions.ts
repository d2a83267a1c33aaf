/** Reading decisions that were kept. */
import type { Db } from '../pool.ts';

/** What stands beside the record of a decision, to be looked for. */
export interface DecisionColumns {
  /** UUID. */
  readonly id: string;
  /** Epoch ms on the clock of the enforcement point. */
  readonly at: number;
  readonly tenantId: string;
  readonly outcome: string;
  readonly reason: string;
  readonly correlationId: string;
  readonly actorType: string;
  readonly actorId: string;
  readonly registryVersion: bigint;
}

export interface DecisionRow extends DecisionColumns {
  /** Epoch ms on Postgres' clock. */
  readonly receivedAt: number;
}

/** Null: any. */
export interface DecisionFilter {
  readonly tenantId: string | null;
  readonly outcome: string | null;
  readonly reason: string | null;
  /** Epoch ms. */
  readonly since: number | null;
  /** Decisions before this one in time; left out: from the newest. */
  readonly before?: Pick<DecisionRow, 'at' | 'id'> | null;
  readonly limit: number;
}

interface StoredRow {
  id: string;
  at: Date;
  received_at: Date;
  tenant_id: string;
  outcome: string;
  reason: string;
  correlation_id: string;
  actor_type: string;
  actor_id: string;
  registry_version: string;
}

const COLUMNS = `id, at, received_at, tenant_id, outcome, reason, correlation_id, actor_type, actor_id, registry_version`;

/** The newest first. */
export async function listDecisions(db: Db, filter: DecisionFilter): Promise<readonly DecisionRow[]> {
  const result = await db.query<StoredRow>(
    `SELECT ${COLUMNS} FROM meterhouse.decisions
     WHERE ($1::text IS NULL OR tenant_id = $1) AND ($2::text IS NULL OR outcome = $2)
       AND ($3::text IS NULL OR reason = $3)
       AND ($4::bigint IS NULL OR at >= timestamptz 'epoch' + $4::bigint * interval '1 millisecond')
       AND ($6::bigint IS NULL OR (at, id) < (timestamptz 'epoch' + $6::bigint * interval '1 millisecond', $7::uuid))
     ORDER BY at DESC, id DESC LIMIT $5`,
    [
      ...[filter.tenantId, filter.outcome, filter.reason, filter.since, filter.limit],
      ...[filter.before?.at ?? null, filter.before?.id ?? null],
    ],
  );
  return result.rows.map(toRow);
}

/** @returns null where none of this id is kept; `record` as it was parsed, not checked */
export async function readDecision(
  db: Db,
  id: string,
): Promise<{ readonly row: DecisionRow; readonly record: unknown } | null> {
  const result = await db.query<StoredRow & { record: unknown }>(
    `SELECT ${COLUMNS}, record FROM meterhouse.decisions WHERE id = $1`,
    [id],
  );
  const stored = result.rows[0];
  return stored === undefined ? null : { row: toRow(stored), record: stored.record };
}

function toRow(stored: StoredRow): DecisionRow {
  return {
    id: stored.id,
    at: stored.at.getTime(),
    receivedAt: stored.received_at.getTime(),
    tenantId: stored.tenant_id,
    outcome: stored.outcome,
    reason: stored.reason,
    correlationId: stored.correlation_id,
    actorType: stored.actor_type,
    actorId: stored.actor_id,
    registryVersion: BigInt(stored.registry_version),
  };
}
