/** Who asks, and about which tenant, once both are checked. */
import type { TenantScope } from '@meterhouse/postgres/access';
import type { FastifyRequest } from 'fastify';
import { ApiProblem } from '../http/problem.ts';
import type { Principal } from './roles.ts';
import type { TenantTree } from './tenant-tree.ts';

export interface Caller {
  readonly principal: Principal;
  /** The tenant that the request is about; null where the route is about the platform or the whole scope. */
  readonly tenantId: string | null;
  readonly correlationId: string;
  /** Whether a tenant lies in the caller's scope. A tenant that does not exist does not. */
  mayReach(tenantId: string): Promise<boolean>;
}

export function callerOf(
  request: FastifyRequest,
  principal: Principal,
  tenantId: string | null,
  tree: TenantTree,
): Caller {
  return {
    principal,
    tenantId,
    correlationId: request.id,
    mayReach: (tenant) => tree.isWithin(tenant, principal.tenantId),
  };
}

/** The tenant of a route whose access is `tenant`. */
export function tenantOf(caller: Caller): string {
  if (caller.tenantId === null) throw new ApiProblem('invalid_request', 'Say which tenant this is about.');
  return caller.tenantId;
}

/** The same for the stores, which hold it to what the caller was proved to be once more. */
export function scopeOf(caller: Caller): TenantScope {
  return { tenantId: tenantOf(caller), within: caller.principal.tenantId };
}
