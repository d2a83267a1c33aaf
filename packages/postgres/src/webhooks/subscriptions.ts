/**
 * Webhooks as they are managed: as role meterhouse_api, in a transaction that sees one tenant's subtree.
 * It writes sealed secrets and reads none.
 */
import type { PoolClient } from '../pool.ts';

/** What its owner says of it. */
export interface WebhookSettings {
  readonly url: string;
  readonly description: string;
  readonly events: readonly string[];
  /** Null: all. */
  readonly metrics: readonly string[] | null;
  /** Percent of the limit in force. */
  readonly thresholds: readonly number[];
  /** Also those of the plans. */
  readonly planThresholds: boolean;
  /** Decisions alike are told once in so many seconds; 0: each. */
  readonly quietSeconds: number;
}

/** Instants are epoch ms. */
export interface WebhookRow extends WebhookSettings {
  readonly id: string;
  readonly tenantId: string;
  readonly enabled: boolean;
  readonly disabledReason: DisabledReason | null;
  readonly disabledAt: number | null;
  readonly previousSecretValidUntil: number | null;
  readonly createdAt: number;
  readonly createdBy: string;
  readonly changedAt: number;
  /** In a row. */
  readonly failures: number;
  readonly failingSince: number | null;
  /** Nothing is sent before. */
  readonly pausedUntil: number | null;
  /** Since when new events find no room; null: they do. */
  readonly fullSince: number | null;
  readonly lastSuccessAt: number | null;
  readonly lastError: string | null;
}

export type DisabledReason = 'asked' | 'failing' | 'gone';

interface StoredWebhook {
  id: string;
  tenant_id: string;
  url: string;
  description: string;
  events: string[];
  metrics: string[] | null;
  thresholds: number[];
  plan_thresholds: boolean;
  quiet_seconds: number;
  enabled: boolean;
  disabled_reason: DisabledReason | null;
  disabled_at: Date | null;
  previous_valid_until: Date | null;
  created_at: Date;
  created_by: string;
  changed_at: Date;
  failures: number;
  failing_since: Date | null;
  open_until: Date | null;
  full_since: Date | null;
  last_success_at: Date | null;
  last_error: string | null;
}

const COLUMNS = `id, tenant_id, url, description, events, metrics, thresholds, plan_thresholds, quiet_seconds,
  enabled, disabled_reason, disabled_at, previous_valid_until, created_at, created_by, changed_at, failures,
  failing_since, open_until, full_since, last_success_at, last_error`;

export interface NewWebhook extends WebhookSettings {
  /** UUID. */
  readonly id: string;
  readonly tenantId: string;
  readonly sealedSecret: Buffer;
  readonly createdBy: string;
}

/** @returns null where the tenant has `maxPerTenant` already */
export async function createWebhook(
  client: PoolClient,
  webhook: NewWebhook,
  maxPerTenant: number,
): Promise<WebhookRow | null> {
  // Two at once must not both be the last one that fits.
  await client.query(`SELECT pg_advisory_xact_lock(hashtext('meterhouse.webhooks'), hashtext($1))`, [
    webhook.tenantId,
  ]);
  const result = await client.query<StoredWebhook>(
    `INSERT INTO meterhouse.webhook_subscriptions
       (id, tenant_id, url, description, events, metrics, thresholds, plan_thresholds, quiet_seconds, secret, created_by)
     SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11
     WHERE (SELECT count(*) FROM meterhouse.webhook_subscriptions WHERE tenant_id = $2) < $12
     RETURNING ${COLUMNS}`,
    [
      webhook.id,
      webhook.tenantId,
      webhook.url,
      webhook.description,
      webhook.events,
      webhook.metrics,
      webhook.thresholds,
      webhook.planThresholds,
      webhook.quietSeconds,
      webhook.sealedSecret,
      webhook.createdBy,
      maxPerTenant,
    ],
  );
  return result.rows.map(toWebhook)[0] ?? null;
}

/** @param lock for whoever changes it by what it was */
export async function readWebhook(
  client: PoolClient,
  id: string,
  { lock = false }: { readonly lock?: boolean } = {},
): Promise<WebhookRow | null> {
  const result = await client.query<StoredWebhook>(
    `SELECT ${COLUMNS} FROM meterhouse.webhook_subscriptions WHERE id = $1 ${lock ? 'FOR NO KEY UPDATE' : ''}`,
    [id],
  );
  return result.rows.map(toWebhook)[0] ?? null;
}

/** By id. @param after the last one of the page before */
export async function listWebhooks(
  client: PoolClient,
  page: { readonly after: string | null; readonly limit: number },
): Promise<readonly WebhookRow[]> {
  const result = await client.query<StoredWebhook>(
    `SELECT ${COLUMNS} FROM meterhouse.webhook_subscriptions
     WHERE ($1::uuid IS NULL OR id > $1) ORDER BY id LIMIT $2`,
    [page.after, page.limit],
  );
  return result.rows.map(toWebhook);
}

/**
 * Enabling forgets that it failed. Disabling ends what waits; it can be replayed.
 * @returns null where there is none
 */
export async function changeWebhook(
  client: PoolClient,
  id: string,
  settings: WebhookSettings & { readonly enabled: boolean },
): Promise<WebhookRow | null> {
  const result = await client.query<StoredWebhook>(
    `UPDATE meterhouse.webhook_subscriptions SET
       url = $2, description = $3, events = $4, metrics = $5, thresholds = $6, plan_thresholds = $7,
       quiet_seconds = $8, enabled = $9, changed_at = now(),
       disabled_reason = CASE WHEN NOT $9 THEN coalesce(disabled_reason, 'asked') END,
       disabled_at = CASE WHEN NOT $9 THEN coalesce(disabled_at, now()) END,
       failures = CASE WHEN $9 AND (NOT enabled OR url <> $2) THEN 0 ELSE failures END,
       failing_since = CASE WHEN $9 AND (NOT enabled OR url <> $2) THEN NULL ELSE failing_since END,
       open_until = CASE WHEN $9 AND (NOT enabled OR url <> $2) THEN NULL ELSE open_until END
     WHERE id = $1 RETURNING ${COLUMNS}`,
    [
      id,
      settings.url,
      settings.description,
      settings.events,
      settings.metrics,
      settings.thresholds,
      settings.planThresholds,
      settings.quietSeconds,
      settings.enabled,
    ],
  );
  const webhook = result.rows.map(toWebhook)[0] ?? null;
  if (webhook?.enabled === false) await endPending(client, id);
  return webhook;
}

/** With all of its deliveries. */
export async function deleteWebhook(client: PoolClient, id: string): Promise<boolean> {
  const result = await client.query('DELETE FROM meterhouse.webhook_subscriptions WHERE id = $1', [id]);
  return result.rowCount === 1;
}

/** The secret before stays good for so long; 0: not at all. @returns null where there is none */
export async function rotateWebhookSecret(
  client: PoolClient,
  id: string,
  sealedSecret: Buffer,
  overlapMs: number,
): Promise<WebhookRow | null> {
  const result = await client.query<StoredWebhook>(
    `UPDATE meterhouse.webhook_subscriptions SET
       secret = $2, changed_at = now(),
       previous_valid_until = CASE WHEN $3::bigint > 0 THEN now() + $3 * interval '1 millisecond' END
     WHERE id = $1 RETURNING ${COLUMNS}`,
    [id, sealedSecret, overlapMs],
  );
  return result.rows.map(toWebhook)[0] ?? null;
}

export const DISABLED_WORDS = 'the webhook is disabled';

/** What waits for a webhook that is disabled is dead: it would be old news when it is enabled again. */
export async function endPending(client: PoolClient, subscriptionId: string): Promise<number> {
  const result = await client.query(
    `UPDATE meterhouse.webhook_deliveries
     SET state = 'dead', ended_at = now(), next_attempt_at = NULL, last_error = coalesce(last_error, $2)
     WHERE subscription_id = $1 AND state = 'pending' AND lease IS NULL`,
    [subscriptionId, DISABLED_WORDS],
  );
  return result.rowCount ?? 0;
}

function toWebhook(stored: StoredWebhook): WebhookRow {
  return {
    id: stored.id,
    tenantId: stored.tenant_id,
    url: stored.url,
    description: stored.description,
    events: stored.events,
    metrics: stored.metrics,
    thresholds: stored.thresholds,
    planThresholds: stored.plan_thresholds,
    quietSeconds: stored.quiet_seconds,
    enabled: stored.enabled,
    disabledReason: stored.disabled_reason,
    disabledAt: epochMs(stored.disabled_at),
    previousSecretValidUntil: epochMs(stored.previous_valid_until),
    createdAt: stored.created_at.getTime(),
    createdBy: stored.created_by,
    changedAt: stored.changed_at.getTime(),
    failures: stored.failures,
    failingSince: epochMs(stored.failing_since),
    pausedUntil: epochMs(stored.open_until),
    fullSince: epochMs(stored.full_since),
    lastSuccessAt: epochMs(stored.last_success_at),
    lastError: stored.last_error,
  };
}

export function epochMs(at: Date | null): number | null {
  return at === null ? null : at.getTime();
}
