/** Events on their way into the outbox: each once for each subscription, however often it is noticed. */
import type { Db } from '../pool.ts';
import { DISABLED_WORDS } from './subscriptions.ts';

export interface OutgoingEvent {
  /** UUID; what the receiver sees, if this is the first time that the event is noticed. */
  readonly id: string;
  readonly subscriptionId: string;
  readonly aboutTenant: string;
  /** The same for the same event, whoever notices it. */
  readonly eventKey: string;
  readonly eventType: string;
  /** Epoch ms. */
  readonly occurredAt: number;
  /** As it is sent. */
  readonly body: string;
  /** Never forgotten while the subscription is there: what noticed it goes on noticing it. */
  readonly kept: boolean;
}

export interface Enqueued {
  /** Ids of those that are new. */
  readonly added: readonly string[];
  /** Subscriptions where as much waits as may: nothing was added for them. */
  readonly full: readonly string[];
}

/**
 * Adds events in one statement; of those with one key the first. For a subscription that is disabled an event is dead from the start,
 * to be replayed; for one that was deleted there is none.
 * @param maxWaiting events of one subscription that are not delivered, at most; a batch may exceed it once.
 *   Dead ones that are kept do not count: they would fill it for good
 */
export async function enqueueEvents(
  db: Db,
  events: readonly OutgoingEvent[],
  maxWaiting: number,
): Promise<Enqueued> {
  if (events.length === 0) return { added: [], full: [] };
  const result = await db.query<{ id: string; is_full: boolean }>(
    `WITH wanted AS (
       SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[],
                            $8::boolean[])
         WITH ORDINALITY AS e(id, subscription_id, about_tenant, event_key, event_type, occurred_at, body, kept, nth)
     ), room AS (
       SELECT s.id, s.tenant_id, s.enabled, s.full_since,
              (SELECT count(*) FROM (
                 SELECT FROM meterhouse.webhook_deliveries AS d
                 WHERE d.subscription_id = s.id AND d.state <> 'delivered' AND NOT (d.kept AND d.state = 'dead')
                 LIMIT $9
               ) AS waiting) >= $9 AS is_full
       FROM meterhouse.webhook_subscriptions AS s WHERE s.id IN (SELECT subscription_id FROM wanted)
     ), noted AS (
       UPDATE meterhouse.webhook_subscriptions AS s
       SET full_since = CASE WHEN room.is_full THEN now() END
       FROM room WHERE room.id = s.id AND room.is_full <> (room.full_since IS NOT NULL)
     ), added AS (
       INSERT INTO meterhouse.webhook_deliveries
         (id, subscription_id, tenant_id, about_tenant, event_key, event_type, occurred_at, body,
          kept, state, next_attempt_at, last_error, ended_at)
       SELECT w.id, room.id, room.tenant_id, w.about_tenant, w.event_key, w.event_type,
              timestamptz 'epoch' + w.occurred_at * interval '1 millisecond', w.body, w.kept,
              CASE WHEN room.enabled THEN 'pending' ELSE 'dead' END,
              CASE WHEN room.enabled THEN now() END,
              CASE WHEN NOT room.enabled THEN $10 END,
              CASE WHEN NOT room.enabled THEN now() END
       FROM wanted AS w JOIN room ON room.id = w.subscription_id
       WHERE NOT room.is_full
       ORDER BY room.id, w.event_key, w.nth
       ON CONFLICT (subscription_id, event_key) DO NOTHING
       RETURNING id
     )
     SELECT id, false AS is_full FROM added UNION ALL SELECT id, true FROM room WHERE is_full`,
    [
      events.map(({ id }) => id),
      events.map(({ subscriptionId }) => subscriptionId),
      events.map(({ aboutTenant }) => aboutTenant),
      events.map(({ eventKey }) => eventKey),
      events.map(({ eventType }) => eventType),
      events.map(({ occurredAt }) => occurredAt),
      events.map(({ body }) => body),
      events.map(({ kept }) => kept),
      maxWaiting,
      DISABLED_WORDS,
    ],
  );
  const idsWhere = (full: boolean): string[] =>
    result.rows.filter((row) => row.is_full === full).map(({ id }) => id);
  return { added: idsWhere(false), full: idsWhere(true) };
}

/** Who wants to be told, as far as it matters to whoever notices something. */
export interface Watcher {
  readonly subscriptionId: string;
  readonly tenantId: string;
  readonly events: readonly string[];
  readonly metrics: readonly string[] | null;
  readonly thresholds: readonly number[];
  readonly planThresholds: boolean;
  readonly quietSeconds: number;
  /** Epoch ms. */
  readonly createdAt: number;
}

/** All subscriptions that want one of these events, disabled ones too. */
export async function readWatchers(db: Db, events: readonly string[]): Promise<readonly Watcher[]> {
  const result = await db.query<{
    id: string;
    tenant_id: string;
    events: string[];
    metrics: string[] | null;
    thresholds: number[];
    plan_thresholds: boolean;
    quiet_seconds: number;
    created_at: Date;
  }>(
    `SELECT id, tenant_id, events, metrics, thresholds, plan_thresholds, quiet_seconds, created_at
     FROM meterhouse.webhook_subscriptions WHERE events && $1::text[] ORDER BY id`,
    [events],
  );
  return result.rows.map((row) => ({
    subscriptionId: row.id,
    tenantId: row.tenant_id,
    events: row.events,
    metrics: row.metrics,
    thresholds: row.thresholds,
    planThresholds: row.plan_thresholds,
    quietSeconds: row.quiet_seconds,
    createdAt: row.created_at.getTime(),
  }));
}

/** From each tenant up to its root; tenants that are not registered are left out. */
export async function readLineages(
  db: Db,
  tenantIds: readonly string[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  const result = await db.query<{ tenant: string; lineage: string[] }>(
    `WITH RECURSIVE up AS (
       SELECT id AS tenant, id, parent, 0 AS depth FROM meterhouse.tenants WHERE id = ANY ($1::text[])
       UNION ALL
       SELECT up.tenant, t.id, t.parent, up.depth + 1
       FROM meterhouse.tenants AS t JOIN up ON t.id = up.parent WHERE up.depth < 64
     )
     SELECT tenant, array_agg(id ORDER BY depth) AS lineage FROM up GROUP BY tenant`,
    [tenantIds],
  );
  return new Map(result.rows.map(({ tenant, lineage }) => [tenant, lineage]));
}

/** The tenants and all below them, each once. */
export async function readSubtrees(db: Db, tenantIds: readonly string[]): Promise<readonly string[]> {
  const result = await db.query<{ id: string }>(
    `WITH RECURSIVE below AS (
       SELECT id FROM meterhouse.tenants WHERE id = ANY ($1::text[])
       UNION
       SELECT t.id FROM meterhouse.tenants AS t JOIN below AS b ON t.parent = b.id
     )
     SELECT id FROM below ORDER BY id`,
    [tenantIds],
  );
  return result.rows.map(({ id }) => id);
}
