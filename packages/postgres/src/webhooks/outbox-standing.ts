/** How the outbox stands, for metrics: each answer costs no more than its bound, whatever lies there. */
import type { Db } from '../pool.ts';

export interface OutboxStanding {
  /** Deliveries that wait to be sent, of enabled webhooks; the bound when there are more. */
  readonly pending: number;
  /** How long the first of those that are due has waited beyond its turn, seconds; null: none is due. */
  readonly overdueSeconds: number | null;
  /** Deliveries that were given up in the last day; the bound when there are more. */
  readonly dead: number;
  readonly webhooks: {
    readonly enabled: number;
    /** Enabled, and their last attempt failed. */
    readonly failing: number;
    /** Disabled by the service: failing for too long, or the receiver wants no more. */
    readonly disabled: number;
    /** Full: new events find no room. */
    readonly full: number;
  };
}

/** @param maxRows deliveries that are counted of each state */
export async function readOutboxStanding(db: Db, maxRows: number): Promise<OutboxStanding> {
  const result = await db.query<{
    pending: string;
    overdue: string | null;
    dead: string;
    enabled: string;
    failing: string;
    disabled: string;
    full: string;
  }>(
    `SELECT
       (SELECT count(*) FROM (
          SELECT FROM meterhouse.webhook_deliveries WHERE state = 'pending' LIMIT $1) AS bounded) AS pending,
       -- Of each webhook the first that is due: by its index, however many wait. One whose circuit is open waits on purpose.
       (SELECT extract(epoch FROM max(now() - greatest(due.next_attempt_at, s.open_until)))
        FROM meterhouse.webhook_subscriptions AS s
        CROSS JOIN LATERAL (
          SELECT d.next_attempt_at FROM meterhouse.webhook_deliveries AS d
          WHERE d.subscription_id = s.id AND d.state = 'pending' ORDER BY d.next_attempt_at LIMIT 1
        ) AS due
        WHERE s.enabled AND due.next_attempt_at <= now() AND coalesce(s.open_until, now()) <= now()) AS overdue,
       (SELECT count(*) FROM (
          SELECT FROM meterhouse.webhook_deliveries
          WHERE state = 'dead' AND ended_at > now() - interval '1 day' LIMIT $1) AS bounded) AS dead,
       s.*
     FROM (
       SELECT count(*) FILTER (WHERE enabled) AS enabled,
              count(*) FILTER (WHERE enabled AND failures > 0) AS failing,
              count(*) FILTER (WHERE disabled_reason IN ('failing', 'gone')) AS disabled,
              count(*) FILTER (WHERE full_since IS NOT NULL) AS full
       FROM meterhouse.webhook_subscriptions
     ) AS s`,
    [maxRows],
  );
  const row = result.rows[0];
  if (row === undefined) throw new Error('the standing of the outbox has no row');
  return {
    pending: Number(row.pending),
    overdueSeconds: row.overdue === null ? null : Number(row.overdue),
    dead: Number(row.dead),
    webhooks: {
      enabled: Number(row.enabled),
      failing: Number(row.failing),
      disabled: Number(row.disabled),
      full: Number(row.full),
    },
  };
}
