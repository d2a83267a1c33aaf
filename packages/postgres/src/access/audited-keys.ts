/** What the audit log says of a change to a key, whoever makes it: the command, the API, `npm start`. */
import type { PoolClient } from 'pg';
import type { ApiKey } from './api-keys.ts';
import { appendAudit, type AuditOrigin } from './audit-log.ts';

/** The last statement of the change's transaction. @param details no secrets */
export async function auditKey(
  client: PoolClient,
  { actor, correlationId }: AuditOrigin,
  action: 'key.create' | 'key.rotate' | 'key.revoke',
  { keyId: target, tenantId }: ApiKey,
  details: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const origin = { actor, ...(correlationId === undefined ? {} : { correlationId }) };
  await appendAudit(client, { ...origin, action, tenantId, target, outcome: 'done', details });
}
