/**
 * The outbox as workers see it, as role meterhouse_webhooks. A worker leases deliveries, sends them, and
 * notes how it went. A lease that runs out is taken by another worker: what was sent and not noted is sent
 * again, with the same id, and nothing is lost.
 */
import type { Pool, PoolClient } from '../pool.ts';
import { inTransaction } from '../transaction.ts';
import { endPending, epochMs, type DisabledReason } from './subscriptions.ts';

export interface LeasedDelivery {
  readonly id: string;
  readonly subscriptionId: string;
  /** Of the subscription. */
  readonly tenantId: string;
  readonly url: string;
  readonly body: string;
  /** This one included. */
  readonly attempts: number;
  readonly lease: string;
  readonly sealedSecret: Buffer;
  /** While a secret is rotated: the one before. */
  readonly previousSealedSecret: Buffer | null;
}

export interface LeaseBounds {
  readonly max: number;
  /** On their way to one subscription at a time, over all workers. */
  readonly maxPerSubscription: number;
  /** So many failures in a row open its circuit: from then on one delivery at a time goes there. */
  readonly openAfterFailures: number;
  readonly leaseMs: number;
}

/** Those that have waited longest for their turn come first, whatever waits for the others. */
export async function leaseDeliveries(pool: Pool, bounds: LeaseBounds): Promise<readonly LeasedDelivery[]> {
  return inTransaction(pool, async (client) => {
    // A subscription's lock is what bounds it: two workers never count the same one at once.
    const ready = await client.query<{ id: string }>(
      `SELECT s.id FROM meterhouse.webhook_subscriptions AS s
       WHERE s.enabled AND (s.open_until IS NULL OR s.open_until <= now())
         AND EXISTS (SELECT FROM meterhouse.webhook_deliveries AS d
                     WHERE d.subscription_id = s.id AND d.state = 'pending' AND d.next_attempt_at <= now())
       ORDER BY s.claimed_at NULLS FIRST, s.id LIMIT $1
       FOR NO KEY UPDATE SKIP LOCKED`,
      [bounds.max],
    );
    if (ready.rows.length === 0) return [];
    // A statement of its own: what it counts is what was committed before the locks were had.
    return lease(
      client,
      ready.rows.map(({ id }) => id),
      bounds,
    );
  });
}

async function lease(
  client: PoolClient,
  subscriptions: readonly string[],
  bounds: LeaseBounds,
): Promise<readonly LeasedDelivery[]> {
  const result = await client.query<{
    id: string;
    subscription_id: string;
    tenant_id: string;
    body: string;
    attempts: number;
    lease: string;
    url: string;
    secret: Buffer;
    previous_secret: Buffer | null;
  }>(
    `WITH picked AS (
       SELECT due.seq FROM meterhouse.webhook_subscriptions AS s
       CROSS JOIN LATERAL (
         SELECT d.seq FROM meterhouse.webhook_deliveries AS d
         WHERE d.subscription_id = s.id AND d.state = 'pending' AND d.next_attempt_at <= now()
         ORDER BY d.next_attempt_at, d.seq
         LIMIT greatest(0, CASE WHEN s.failures >= $3 THEN 1 ELSE $2 END - (
           SELECT count(*) FROM meterhouse.webhook_deliveries AS f
           WHERE f.subscription_id = s.id AND f.state = 'pending' AND f.lease IS NOT NULL AND f.next_attempt_at > now()))
       ) AS due
       WHERE s.id = ANY ($1::uuid[]) LIMIT $4
     ), turn AS (
       UPDATE meterhouse.webhook_subscriptions SET claimed_at = now() WHERE id = ANY ($1::uuid[])
     )
     UPDATE meterhouse.webhook_deliveries AS d
     SET lease = gen_random_uuid(), attempts = d.attempts + 1, last_attempt_at = now(),
         next_attempt_at = now() + $5 * interval '1 millisecond'
     FROM picked, meterhouse.webhook_subscriptions AS s
     WHERE d.seq = picked.seq AND s.id = d.subscription_id AND d.state = 'pending' AND d.next_attempt_at <= now()
     RETURNING d.id, d.subscription_id, d.tenant_id, d.body, d.attempts, d.lease, s.url, s.secret,
               CASE WHEN s.previous_valid_until > now() THEN s.previous_secret END AS previous_secret`,
    [subscriptions, bounds.maxPerSubscription, bounds.openAfterFailures, bounds.max, bounds.leaseMs],
  );
  return result.rows.map((row) => ({
    id: row.id,
    subscriptionId: row.subscription_id,
    tenantId: row.tenant_id,
    url: row.url,
    body: row.body,
    attempts: row.attempts,
    lease: row.lease,
    sealedSecret: row.secret,
    previousSealedSecret: row.previous_secret,
  }));
}

/** It was accepted. Also of use to a worker whose lease ran out: nobody has to send it again. */
export async function noteDelivered(pool: Pool, delivery: LeasedDelivery, status: number): Promise<void> {
  await inTransaction(pool, async (client) => {
    // The subscription first: that is the order of locks wherever both are taken.
    await client.query(
      `UPDATE meterhouse.webhook_subscriptions
       SET failures = 0, failing_since = NULL, open_until = NULL, last_success_at = now(), last_error = NULL
       WHERE id = $1`,
      [delivery.subscriptionId],
    );
    await client.query(
      `UPDATE meterhouse.webhook_deliveries
       SET state = 'delivered', ended_at = now(), next_attempt_at = NULL, lease = NULL, last_status = $2, last_error = NULL
       WHERE id = $1 AND state = 'pending'`,
      [delivery.id, status],
    );
  });
}

export interface FailedAttempt {
  readonly status: number | null;
  readonly error: string;
  /** When to try again; null: it is dead. */
  readonly retryInMs: number | null;
  /** The receiver wants no more of it. */
  readonly gone: boolean;
}

export interface CircuitBounds {
  readonly openAfterFailures: number;
  /** How long nothing goes to a subscription whose circuit is open. */
  readonly openMs: number;
  /** A subscription that has failed for so long is disabled. */
  readonly disableAfterMs: number;
}

export interface DisabledWebhook {
  readonly subscriptionId: string;
  readonly tenantId: string;
  readonly url: string;
  readonly reason: Exclude<DisabledReason, 'asked'>;
  /** Epoch ms. */
  readonly failingSince: number | null;
  readonly lastError: string;
  /** Deliveries that waited, and are dead now. */
  readonly ended: number;
}

/**
 * @param tell runs in the same transaction where the failure disabled the subscription
 * @returns what was disabled by it; null: nothing
 */
export async function noteFailed(
  pool: Pool,
  delivery: LeasedDelivery,
  attempt: FailedAttempt,
  bounds: CircuitBounds,
  tell: (client: PoolClient, disabled: DisabledWebhook) => Promise<void>,
): Promise<DisabledWebhook | null> {
  return inTransaction(pool, async (client) => {
    const subscription = await client.query<{
      failing_since: Date | null;
      url: string;
      enabled: boolean;
      disable: boolean;
    }>(
      `UPDATE meterhouse.webhook_subscriptions AS s
       SET failures = s.failures + 1, failing_since = coalesce(s.failing_since, now()), last_error = $2,
           open_until = CASE WHEN s.failures + 1 >= $3 THEN now() + $4 * interval '1 millisecond' END
       WHERE s.id = $1
       RETURNING s.failing_since, s.url, s.enabled,
                 s.enabled AND ($6 OR s.failing_since <= now() - $5 * interval '1 millisecond') AS disable`,
      [
        delivery.subscriptionId,
        attempt.error,
        bounds.openAfterFailures,
        bounds.openMs,
        bounds.disableAfterMs,
        attempt.gone,
      ],
    );
    const found = subscription.rows[0];
    // It was deleted, and its deliveries with it.
    if (found === undefined) return null;
    await client.query(
      // Only who holds the lease: another may have sent it meanwhile.
      `UPDATE meterhouse.webhook_deliveries
       SET lease = NULL, last_status = $3, last_error = $4,
           state = CASE WHEN $5::bigint IS NULL THEN 'dead' ELSE 'pending' END,
           next_attempt_at = now() + $5 * interval '1 millisecond',
           ended_at = CASE WHEN $5::bigint IS NULL THEN now() END
       WHERE id = $1 AND lease = $2 AND state = 'pending'`,
      [delivery.id, delivery.lease, attempt.status, attempt.error, found.enabled ? attempt.retryInMs : null],
    );
    if (!found.disable) return null;
    const reason = attempt.gone ? ('gone' as const) : ('failing' as const);
    await client.query(
      `UPDATE meterhouse.webhook_subscriptions
       SET enabled = false, disabled_reason = $2, disabled_at = now(), open_until = NULL WHERE id = $1`,
      [delivery.subscriptionId, reason],
    );
    const disabled = {
      subscriptionId: delivery.subscriptionId,
      tenantId: delivery.tenantId,
      url: found.url,
      reason,
      failingSince: epochMs(found.failing_since),
      lastError: attempt.error,
      ended: await endPending(client, delivery.subscriptionId),
    };
    await tell(client, disabled);
    return disabled;
  });
}
