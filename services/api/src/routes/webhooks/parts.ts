/** What the routes about webhooks need, and have in common. */
import type { PoolClient } from '@meterhouse/postgres';
import { appendAudit, type TenantScope } from '@meterhouse/postgres/access';
import { readWebhook, type WebhookRow } from '@meterhouse/postgres/webhooks';
import {
  checkTarget,
  ForbiddenTargetError,
  SECRET_BYTES,
  secretText,
  type SecretBox,
  type TargetRules,
} from '@meterhouse/webhooks';
import { scopeOf, type Caller } from '../../access/caller.ts';
import type { Access, Role } from '../../access/roles.ts';
import { originOf, reachable } from '../../access/sight.ts';
import { ApiProblem } from '../../http/problem.ts';
import { tenantQuery } from './schemas.ts';

export interface WebhookParts {
  readonly newId: () => string;
  readonly webhooks: {
    /** A transaction of role meterhouse_api that sees the tenant's subtree alone. */
    readonly scoped: <T>(scope: TenantScope, work: (client: PoolClient) => Promise<T>) => Promise<T>;
    /** Null: without a key nothing can be sealed, and no webhook made. */
    readonly secrets: SecretBox | null;
    /** A cryptographic source. */
    readonly randomBytes: (bytes: number) => Uint8Array;
    /** Epoch ms. */
    readonly now: () => number;
    readonly target: TargetRules;
    readonly maxPerTenant: number;
    /** Events of one webhook that are not delivered, at most. */
    readonly maxWaiting: number;
  };
}

const ofQuery = ({ query }: { query: unknown }): string | undefined => tenantQuery.parse(query).tenantId;

export const WRITERS = ['tenant_admin', 'platform_admin'] as const satisfies readonly Role[];
export const READ: Access = { kind: 'tenant', roles: [...WRITERS, 'operator'], tenant: ofQuery };
export const WRITE: Access = { kind: 'tenant', roles: WRITERS, tenant: ofQuery };

/**
 * What Postgres shows is checked here again.
 * @throws ApiProblem `not_found`
 */
export async function foundWebhook(
  client: PoolClient,
  caller: Caller,
  { id }: { readonly id: string },
  how: { readonly lock?: boolean } = {},
): Promise<WebhookRow> {
  const [seen] = await theirs(caller, [there(await readWebhook(client, id, how))]);
  return there(seen ?? null);
}

/** Of webhooks, those that the caller may reach. */
export function theirs(caller: Caller, webhooks: readonly WebhookRow[]): Promise<WebhookRow[]> {
  return reachable(caller, webhooks, ({ tenantId }) => [tenantId]);
}

export function there(webhook: WebhookRow | null): WebhookRow {
  if (webhook === null) throw new ApiProblem('not_found', 'There is no such webhook in this scope.');
  return webhook;
}

/** @throws ApiProblem `refused` */
export async function checkUrl(url: string, rules: TargetRules): Promise<void> {
  try {
    await checkTarget(url, rules);
  } catch (error) {
    if (!(error instanceof ForbiddenTargetError)) throw error;
    throw new ApiProblem('refused', `This address cannot be called: ${error.message}.`, {
      errors: [{ field: 'body.url', detail: error.message }],
      cause: error,
    });
  }
}

/** The last statement of a mutation. */
export async function audited(
  client: PoolClient,
  caller: Caller,
  action: `webhook.${string}`,
  webhook: Pick<WebhookRow, 'id' | 'tenantId'>,
  details: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  await appendAudit(client, {
    ...originOf(caller, null),
    action,
    tenantId: webhook.tenantId,
    target: `webhook:${webhook.id}`,
    outcome: 'done',
    details,
  });
}

/** For a route that is about one webhook: finds it under the lock, and works in the same transaction. */
export function withWebhook<T>(
  { webhooks }: WebhookParts,
  caller: Caller,
  params: { readonly id: string },
  work: (client: PoolClient, webhook: WebhookRow) => Promise<T>,
): Promise<T> {
  return webhooks.scoped(scopeOf(caller), async (client) =>
    work(client, await foundWebhook(client, caller, params, { lock: true })),
  );
}

/**
 * A new secret, shown once, and as it is stored.
 * @throws ApiProblem `unavailable`
 */
export function newSecret({ webhooks }: WebhookParts, id: string): { secret: string; sealed: Buffer } {
  const { secrets, randomBytes } = webhooks;
  if (secrets === null)
    throw new ApiProblem('unavailable', 'Webhooks are not set up here: WEBHOOK_SECRET_KEY is not given.');
  const secret = secretText(randomBytes(SECRET_BYTES));
  return { secret, sealed: secrets.seal(id, secret) };
}

export function checkEnabled(webhook: WebhookRow): void {
  if (!webhook.enabled) throw new ApiProblem('conflict', 'The webhook is disabled: enable it first.');
}
