/** Deliveries as their owner sees them: what was sent, what is dead, and once more please. */
import type { Db, PoolClient } from '../pool.ts';
import { epochMs } from './subscriptions.ts';

export const DELIVERY_STATES = ['pending', 'delivered', 'dead'] as const;
export type DeliveryState = (typeof DELIVERY_STATES)[number];

/** Instants are epoch ms. */
export interface DeliveryRow {
  /** Rises with every event. */
  readonly seq: bigint;
  readonly id: string;
  readonly aboutTenant: string;
  readonly eventType: string;
  readonly occurredAt: number;
  readonly createdAt: number;
  readonly state: DeliveryState;
  readonly attempts: number;
  readonly replays: number;
  readonly nextAttemptAt: number | null;
  readonly lastAttemptAt: number | null;
  readonly lastStatus: number | null;
  readonly lastError: string | null;
  readonly endedAt: number | null;
  readonly body: string;
}

/** Null: any. Instants are epoch ms: from is in, to is not. */
export interface DeliveryFilter {
  readonly subscriptionId: string;
  readonly state: DeliveryState | null;
  readonly from: number | null;
  readonly to: number | null;
  /** Only those before it. */
  readonly before: bigint | null;
  readonly limit: number;
}

/** The newest first. */
export async function listDeliveries(
  client: PoolClient,
  filter: DeliveryFilter,
): Promise<readonly DeliveryRow[]> {
  const result = await client.query<{
    seq: string;
    id: string;
    about_tenant: string;
    event_type: string;
    occurred_at: Date;
    created_at: Date;
    state: DeliveryState;
    attempts: number;
    replays: number;
    next_attempt_at: Date | null;
    last_attempt_at: Date | null;
    last_status: number | null;
    last_error: string | null;
    ended_at: Date | null;
    body: string;
  }>(
    `SELECT seq, id, about_tenant, event_type, occurred_at, created_at, state, attempts, replays, next_attempt_at,
            last_attempt_at, last_status, last_error, ended_at, body
     FROM meterhouse.webhook_deliveries
     WHERE subscription_id = $1 AND ($2::text IS NULL OR state = $2)
       AND ($3::timestamptz IS NULL OR created_at >= $3) AND ($4::timestamptz IS NULL OR created_at < $4)
       AND ($5::bigint IS NULL OR seq < $5)
     ORDER BY seq DESC LIMIT $6`,
    [
      filter.subscriptionId,
      filter.state,
      dateOf(filter.from),
      dateOf(filter.to),
      filter.before?.toString() ?? null,
      filter.limit,
    ],
  );
  return result.rows.map((row) => ({
    seq: BigInt(row.seq),
    id: row.id,
    aboutTenant: row.about_tenant,
    eventType: row.event_type,
    occurredAt: row.occurred_at.getTime(),
    createdAt: row.created_at.getTime(),
    state: row.state,
    attempts: row.attempts,
    replays: row.replays,
    nextAttemptAt: epochMs(row.next_attempt_at),
    lastAttemptAt: epochMs(row.last_attempt_at),
    lastStatus: row.last_status,
    lastError: row.last_error,
    endedAt: epochMs(row.ended_at),
    body: row.body,
  }));
}

export interface ReplayFilter {
  readonly subscriptionId: string;
  /** Of one delivery; null: by time. */
  readonly deliveryId: string | null;
  /** When they were made, epoch ms. */
  readonly from: number | null;
  readonly to: number | null;
  readonly states: readonly Exclude<DeliveryState, 'pending'>[];
  /** Only those after it. */
  readonly after: bigint | null;
  readonly limit: number;
}

/**
 * Sends once more, with the ids they had: attempts begin anew. The oldest first; what is on its way is left
 * alone. To be called for a webhook that is enabled.
 * @returns how many, and the last of them; as many as the limit: there may be more
 */
export async function replayDeliveries(
  client: PoolClient,
  filter: ReplayFilter,
): Promise<{ readonly replayed: number; readonly last: bigint | null }> {
  const result = await client.query<{ replayed: string; last: string | null }>(
    `WITH chosen AS (
       SELECT seq FROM meterhouse.webhook_deliveries
       WHERE subscription_id = $1 AND state = ANY ($2::text[]) AND ($3::uuid IS NULL OR id = $3)
         AND ($4::timestamptz IS NULL OR created_at >= $4) AND ($5::timestamptz IS NULL OR created_at < $5)
         AND ($6::bigint IS NULL OR seq > $6)
       ORDER BY seq LIMIT $7 FOR UPDATE
     ), again AS (
       UPDATE meterhouse.webhook_deliveries AS d
       SET state = 'pending', attempts = 0, replays = d.replays + 1, next_attempt_at = now(), ended_at = NULL
       FROM chosen WHERE d.seq = chosen.seq RETURNING d.seq
     )
     SELECT count(*) AS replayed, max(seq) AS last FROM again`,
    [
      filter.subscriptionId,
      filter.states,
      filter.deliveryId,
      dateOf(filter.from),
      dateOf(filter.to),
      filter.after?.toString() ?? null,
      filter.limit,
    ],
  );
  const [row] = result.rows;
  const last = row?.last ?? null;
  return { replayed: Number(row?.replayed ?? 0), last: last === null ? null : BigInt(last) };
}

/**
 * Forgets what ended and was made more than `keepMs` ago (70 days at least), at most `maxRows` of it.
 * @returns how many rows are gone
 */
export async function forgetDeliveries(
  db: Db,
  { keepMs, maxRows }: { readonly keepMs: number; readonly maxRows: number },
): Promise<number> {
  const result = await db.query<{ forgotten: string }>(
    'SELECT meterhouse.forget_webhook_deliveries($1, $2) AS forgotten',
    [keepMs, maxRows],
  );
  return Number(result.rows[0]?.forgotten ?? 0);
}

function dateOf(ms: number | null): Date | null {
  return ms === null ? null : new Date(ms);
}
