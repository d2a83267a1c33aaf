/** What the audit log says of a change of the registry. The documents themselves are in its history. */
import type { RegistryChange } from '../registry-changes.ts';
import type { AuditEntry, AuditOrigin } from './audit-log.ts';

/** As many as surely fit into an entry. */
const NAMED_CHANGES = 20;

export function registryAudit(
  version: bigint,
  changes: readonly RegistryChange[],
  { actor, tenantId, correlationId }: AuditOrigin,
): AuditEntry {
  const tenants = new Set(changes.map(tenantOf));
  const [only = null] = tenants.size === 1 ? tenants : [];
  return {
    actor,
    action: changes.some(({ privileged }) => privileged) ? 'registry.change.privileged' : 'registry.change',
    tenantId: tenantId ?? only,
    target: `registry version ${version}`,
    outcome: 'done',
    ...(correlationId === undefined ? {} : { correlationId }),
    details: {
      changes: changes.length,
      first: changes.slice(0, NAMED_CHANGES).map((change) => `${nameOf(change)} ${change.kind} ${change.id}`),
    },
  };
}

function nameOf({ before, after }: RegistryChange): string {
  if (before === null) return 'created';
  return after === null ? 'removed' : 'changed';
}

/** Null: it is not of one tenant. */
function tenantOf({ kind, id, before, after }: RegistryChange): string | null {
  if (kind === 'tenant') return id;
  if (kind !== 'override' && kind !== 'entitlement') return null;
  const body = after ?? before;
  return typeof body === 'object' && body !== null && 'tenant' in body && typeof body.tenant === 'string'
    ? body.tenant
    : null;
}
