/** What a person does with quarantined events: look, ask for a replay, discard with a reason. */
import type { PoolClient } from 'pg';
import { appendAudit, AUDIT_LIMITS, person, type AuditEntry, type AuditOrigin } from './access/audit-log.ts';
import type { Db } from './pool.ts';

export const QUARANTINE_STATUSES = [
  'waiting',
  'replay_requested',
  'counted',
  'duplicate',
  'discarded',
] as const;
export type QuarantineStatus = (typeof QUARANTINE_STATUSES)[number];

/** Which rows; what is left out does not narrow. */
export interface QuarantineFilter {
  readonly ids?: readonly bigint[];
  readonly reason?: string;
  readonly tenantId?: string;
  readonly metric?: string;
  readonly statuses?: readonly QuarantineStatus[];
}

export interface QuarantinedEvent {
  readonly id: bigint;
  readonly source: string;
  readonly partition: number;
  readonly offset: bigint;
  readonly receivedAt: Date;
  readonly reason: string;
  readonly field: string | null;
  readonly detail: string;
  readonly tenantId: string | null;
  readonly metric: string | null;
  readonly eventId: string | null;
  readonly eventTs: Date | null;
  readonly value: string | null;
  readonly occurrences: bigint;
  readonly status: QuarantineStatus;
  readonly resolvedAt: Date | null;
}

interface QuarantineRow {
  id: string;
  source: string;
  partition: number;
  offset: string;
  received_at: Date;
  reason: string;
  field: string | null;
  detail: string;
  tenant_id: string | null;
  metric: string | null;
  event_id: string | null;
  event_ts: Date | null;
  value: string | null;
  occurrences: string;
  status: QuarantineStatus;
  resolved_at: Date | null;
}

const COLUMNS = `id, source, partition, "offset", received_at, reason, field, detail, tenant_id, metric,
  event_id, event_ts, value, occurrences, status, resolved_at`;

/** The filter's parameters are $1 to $5. */
const MATCHES = `($1::bigint[] IS NULL OR id = ANY ($1)) AND ($2::text IS NULL OR reason = $2)
  AND ($3::text IS NULL OR tenant_id = $3) AND ($4::text IS NULL OR metric = $4)
  AND ($5::text[] IS NULL OR status = ANY ($5))`;

function parametersOf(filter: QuarantineFilter): unknown[] {
  return [
    filter.ids?.map(String) ?? null,
    filter.reason ?? null,
    filter.tenantId ?? null,
    filter.metric ?? null,
    filter.statuses ?? null,
  ];
}

/** A page in the order of arrival. */
export async function listQuarantine(
  db: Db,
  filter: QuarantineFilter,
  page: { readonly afterId: bigint; readonly limit: number },
): Promise<readonly QuarantinedEvent[]> {
  const result = await db.query<QuarantineRow>(
    `SELECT ${COLUMNS} FROM meterhouse.quarantine WHERE ${MATCHES} AND id > $6 ORDER BY id LIMIT $7`,
    [...parametersOf(filter), page.afterId.toString(), page.limit],
  );
  return result.rows.map(toEvent);
}

export interface QuarantineCount {
  readonly reason: string;
  readonly status: QuarantineStatus;
  /** Rows: different events, where they could be read. */
  readonly events: bigint;
  /** Deliveries of them. */
  readonly occurrences: bigint;
  readonly oldest: Date;
}

interface CountRow {
  reason: string;
  status: QuarantineStatus;
  events: string;
  occurrences: string;
  oldest: Date;
}

const COUNTS =
  'reason, status, count(*) AS events, sum(occurrences)::bigint AS occurrences, min(received_at) AS oldest';

export async function countQuarantine(db: Db, filter: QuarantineFilter): Promise<readonly QuarantineCount[]> {
  const result = await db.query<CountRow>(
    `SELECT ${COUNTS} FROM meterhouse.quarantine WHERE ${MATCHES} GROUP BY reason, status ORDER BY reason, status`,
    parametersOf(filter),
  );
  return result.rows.map(toCount);
}

/** For whoever may not see every tenant: each count says whose it is. At most `maxRows` of them. */
export async function countQuarantineByTenant(
  db: Db,
  filter: QuarantineFilter,
  maxRows: number,
): Promise<readonly (QuarantineCount & { readonly tenantId: string | null })[]> {
  const result = await db.query<CountRow & { tenant_id: string | null }>(
    `SELECT tenant_id, ${COUNTS} FROM meterhouse.quarantine WHERE ${MATCHES}
     GROUP BY tenant_id, reason, status ORDER BY reason, status, tenant_id LIMIT $6`,
    [...parametersOf(filter), maxRows],
  );
  return result.rows.map(({ tenant_id: tenantId, ...row }) => ({ ...toCount(row), tenantId }));
}

function toCount({ reason, status, oldest, ...row }: CountRow): QuarantineCount {
  return { reason, status, oldest, events: BigInt(row.events), occurrences: BigInt(row.occurrences) };
}

export interface QuarantineHistoryEntry {
  readonly at: Date;
  readonly action: string;
  readonly by: string;
  readonly reason: string;
}

export interface QuarantineCase {
  readonly event: QuarantinedEvent;
  /** The message as it came. */
  readonly payload: Buffer;
  readonly history: readonly QuarantineHistoryEntry[];
}

/** One event with everything that is known of it, or null where there is none of that id. */
export async function readQuarantineCase(db: Db, id: bigint): Promise<QuarantineCase | null> {
  const result = await db.query<QuarantineRow & { payload: Buffer }>(
    `SELECT ${COLUMNS}, payload FROM meterhouse.quarantine WHERE id = $1`,
    [id.toString()],
  );
  const row = result.rows[0];
  if (row === undefined) return null;
  const history = await db.query<{ at: Date; action: string; by: string; reason: string }>(
    'SELECT at, action, by, reason FROM meterhouse.quarantine_history WHERE quarantine_id = $1 ORDER BY id',
    [id.toString()],
  );
  return { event: toEvent(row), payload: row.payload, history: history.rows };
}

function toEvent(row: QuarantineRow): QuarantinedEvent {
  return {
    id: BigInt(row.id),
    source: row.source,
    partition: row.partition,
    offset: BigInt(row.offset),
    receivedAt: row.received_at,
    reason: row.reason,
    field: row.field,
    detail: row.detail,
    tenantId: row.tenant_id,
    metric: row.metric,
    eventId: row.event_id,
    eventTs: row.event_ts,
    value: row.value,
    occurrences: BigInt(row.occurrences),
    status: row.status,
    resolvedAt: row.resolved_at,
  };
}

/** Who asked for it, and why: kept with each event. */
export interface Request {
  readonly by: string;
  readonly reason: string;
  /** For the audit log; who asks for it as a person where it is left out. */
  readonly origin?: AuditOrigin;
}

export interface RequestBound {
  /** Rows with a higher id only; the way through many rows, page by page. */
  readonly afterId: bigint;
  readonly limit: number;
}

/** An event that was settled; null: no tenant could be read of it. */
export interface SettledEvent {
  readonly id: bigint;
  readonly tenantId: string | null;
}

/**
 * Asks the aggregator to put waiting events through the counting path again. Only rows that wait are
 * touched; the status and the history change in one statement, and the audit log with them.
 * @param client in a transaction of the caller's, with nothing after this
 * @returns the events asked for, in order of their ids; fewer than `limit` when there are no more
 */
export async function requestReplay(
  client: PoolClient,
  filter: QuarantineFilter,
  request: Request,
  bound: RequestBound,
): Promise<readonly SettledEvent[]> {
  return settle(client, filter, request, bound, 'replay_requested');
}

/** Decides that waiting events are never to be counted. The rows stay, with the reason. */
export async function discardQuarantined(
  client: PoolClient,
  filter: QuarantineFilter,
  request: Request,
  bound: RequestBound,
): Promise<readonly SettledEvent[]> {
  return settle(client, filter, request, bound, 'discarded');
}

async function settle(
  client: PoolClient,
  filter: QuarantineFilter,
  request: Request,
  bound: RequestBound,
  action: 'replay_requested' | 'discarded',
): Promise<readonly SettledEvent[]> {
  // Locked in the order of ids: two people with overlapping selections wait for each other.
  const result = await client.query<{ id: string; tenant_id: string | null }>(
    `WITH chosen AS MATERIALIZED (
       SELECT id FROM meterhouse.quarantine
       WHERE ${MATCHES} AND status = 'waiting' AND id > $6
       ORDER BY id LIMIT $7 FOR UPDATE
     ), changed AS (
       UPDATE meterhouse.quarantine AS q
       SET status = $8, resolved_at = CASE WHEN $8 = 'discarded' THEN now() END
       FROM chosen WHERE q.id = chosen.id
       RETURNING q.id, q.tenant_id
     ), written AS (
       INSERT INTO meterhouse.quarantine_history (quarantine_id, action, by, reason)
       SELECT id, $8, $9, $10 FROM changed ORDER BY id
     )
     SELECT id, tenant_id FROM changed ORDER BY id`,
    [...parametersOf(filter), bound.afterId.toString(), bound.limit, action, request.by, request.reason],
  );
  const settled = result.rows.map((row) => ({ id: BigInt(row.id), tenantId: row.tenant_id }));
  const ids = settled.map(({ id }) => id);
  if (ids.length > 0) await appendAudit(client, auditOf(ids, filter, request, action));
  return settled;
}

function auditOf(
  ids: readonly bigint[],
  filter: QuarantineFilter,
  { by, origin }: Request,
  action: 'replay_requested' | 'discarded',
): AuditEntry {
  const tenantId = origin?.tenantId ?? filter.tenantId ?? null;
  return {
    actor: origin?.actor ?? person(by),
    action: action === 'discarded' ? 'quarantine.discard' : 'quarantine.replay',
    // A tenant's id that a message gave may be of any length; the audit log's is not.
    tenantId: tenantId?.slice(0, AUDIT_LIMITS.tenantId) ?? null,
    outcome: 'done',
    ...(origin?.correlationId === undefined ? {} : { correlationId: origin.correlationId }),
    details: { events: ids.length, firstId: ids[0]?.toString(), lastId: ids.at(-1)?.toString() },
  };
}

export interface ReplayOutcomes {
  readonly counted: bigint;
  readonly duplicate: bigint;
  readonly discarded: bigint;
  /** Refused again: it waits as before, with the reason of today. */
  readonly stillRefused: bigint;
  /** Not yet done. */
  readonly pending: bigint;
}

/** What has become of events that a replay was asked for. */
export async function readReplayOutcomes(db: Db, ids: readonly bigint[]): Promise<ReplayOutcomes> {
  const result = await db.query<{ status: QuarantineStatus; events: string }>(
    'SELECT status, count(*) AS events FROM meterhouse.quarantine WHERE id = ANY ($1::bigint[]) GROUP BY status',
    [ids.map(String)],
  );
  const of = (status: QuarantineStatus): bigint =>
    BigInt(result.rows.find((row) => row.status === status)?.events ?? 0);
  return {
    counted: of('counted'),
    duplicate: of('duplicate'),
    discarded: of('discarded'),
    stillRefused: of('waiting'),
    pending: of('replay_requested'),
  };
}

/**
 * Open rows of a stretch of the log: from where each partition ended before to where it ended after.
 * A partition that is not named in `from` counts from 0.
 */
export async function countQuarantinedBetween(
  db: Db,
  source: string,
  from: ReadonlyMap<number, bigint>,
  to: ReadonlyMap<number, bigint>,
): Promise<bigint> {
  const partitions = [...to.keys()];
  const result = await db.query<{ events: string }>(
    `SELECT count(*) AS events
     FROM unnest($2::integer[], $3::bigint[], $4::bigint[]) AS stretch(partition, low, high)
     JOIN meterhouse.quarantine AS q
       ON q.source = $1 AND q.partition = stretch.partition AND q."offset" >= stretch.low AND q."offset" < stretch.high
     WHERE q.status IN ('waiting', 'replay_requested')`,
    [
      source,
      partitions,
      partitions.map((partition) => (from.get(partition) ?? 0n).toString()),
      partitions.map((partition) => (to.get(partition) ?? 0n).toString()),
    ],
  );
  return BigInt(result.rows[0]?.events ?? 0);
}
