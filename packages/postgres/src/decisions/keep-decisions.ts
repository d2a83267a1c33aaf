/** Writing decisions down, as role meterhouse_decisions: it can add rows and read none. */
import type { Db } from '../pool.ts';
import type { DecisionColumns } from './read-decisions.ts';

/** A decision as it is kept. */
export interface KeptDecision extends DecisionColumns {
  /** JSON, as an object. */
  readonly record: string;
}

/** A message that is no decision. */
export interface UnreadableDecision {
  readonly partition: number;
  readonly offset: bigint;
  readonly reason: 'undecodable' | 'invalid_record' | 'refused_by_store';
  /** At most 1,000 characters, without NUL. */
  readonly detail: string;
  readonly payload: Buffer | null;
}

/**
 * Keeps all of it or nothing, in one statement. What is kept already stays as it is.
 * @returns how many decisions are new
 */
export async function keepDecisions(
  db: Db,
  topic: string,
  decisions: readonly KeptDecision[],
  unreadable: readonly UnreadableDecision[],
): Promise<number> {
  const result = await db.query(
    // Without the names of the columns in conflict, which would take the right to read them.
    `WITH unreadable AS (
       INSERT INTO meterhouse.unreadable_decisions (topic, partition, "offset", reason, detail, payload)
       SELECT $11, u.* FROM unnest($12::integer[], $13::bigint[], $14::text[], $15::text[], $16::bytea[]) AS u
       ON CONFLICT DO NOTHING
     )
     INSERT INTO meterhouse.decisions
       (id, at, tenant_id, outcome, reason, correlation_id, actor_type, actor_id, registry_version, record)
     SELECT d.id, timestamptz 'epoch' + d.at * interval '1 millisecond', d.tenant_id, d.outcome, d.reason,
            d.correlation_id, d.actor_type, d.actor_id, d.registry_version, d.record
     FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                 $9::bigint[], $10::jsonb[])
       AS d(id, at, tenant_id, outcome, reason, correlation_id, actor_type, actor_id, registry_version, record)
     ON CONFLICT DO NOTHING`,
    [
      decisions.map(({ id }) => id),
      decisions.map(({ at }) => at),
      decisions.map(({ tenantId }) => tenantId),
      decisions.map(({ outcome }) => outcome),
      decisions.map(({ reason }) => reason),
      decisions.map(({ correlationId }) => correlationId),
      decisions.map(({ actorType }) => actorType),
      decisions.map(({ actorId }) => actorId),
      decisions.map(({ registryVersion }) => registryVersion.toString()),
      decisions.map(({ record }) => record),
      topic,
      unreadable.map(({ partition }) => partition),
      unreadable.map(({ offset }) => offset.toString()),
      unreadable.map(({ reason }) => reason),
      unreadable.map(({ detail }) => detail),
      unreadable.map(({ payload }) => payload),
    ],
  );
  return result.rowCount ?? 0;
}

/** How far a partition of the topic is kept. */
export interface DecisionLogStand {
  readonly partition: number;
  readonly logStart: bigint;
  readonly nextOffset: bigint;
  readonly logEnd: bigint;
}

/** @param ageMs how long ago the offsets were asked for */
export async function noteDecisionLog(
  db: Db,
  topic: string,
  stands: readonly DecisionLogStand[],
  ageMs: number,
): Promise<void> {
  await db.query(
    `SELECT meterhouse.decision_log_stand($1, s.partition, s.starts, s.next, s.ends, $6)
     FROM unnest($2::integer[], $3::bigint[], $4::bigint[], $5::bigint[]) AS s(partition, starts, next, ends)`,
    [
      topic,
      stands.map(({ partition }) => partition),
      stands.map(({ logStart }) => logStart.toString()),
      stands.map(({ nextOffset }) => nextOffset.toString()),
      stands.map(({ logEnd }) => logEnd.toString()),
      Math.ceil(ageMs),
    ],
  );
}

/**
 * Forgets what was received more than `keepMs` ago (a day at least), at most `maxRows` of it.
 * @returns how many rows are gone
 */
export async function forgetDecisions(
  db: Db,
  { keepMs, maxRows }: { readonly keepMs: number; readonly maxRows: number },
): Promise<number> {
  const result = await db.query<{ forgotten: string }>(
    'SELECT meterhouse.forget_decisions($1, $2) AS forgotten',
    [keepMs, maxRows],
  );
  return Number(result.rows[0]?.forgotten ?? 0);
}
