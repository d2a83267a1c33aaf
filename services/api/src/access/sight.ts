/**
 * How much of a list a caller sees, and as whom the stores are asked for it: a tenant and all below it,
 * or the platform as a whole. Postgres shows no more than that; what comes back is checked here again.
 */
import type { PoolClient } from '@meterhouse/postgres';
import type { AuditOrigin, TenantScope } from '@meterhouse/postgres/access';
import { z } from 'zod';
import { ApiProblem } from '../http/problem.ts';
import type { Stores } from '../stores.ts';
import type { Caller } from './caller.ts';

/** A tenant with all below it; null: the platform. */
export type Sight = string | null;

export const sightQuery = {
  tenantId: z
    .string()
    .min(1)
    .max(128)
    .optional()
    .describe('This tenant and all below it. Default: all that the key may see.'),
};

export const narrowQuery = {
  ...sightQuery,
  descendants: z
    .enum(['true', 'false'])
    .default('true')
    .describe('`false`: of the tenant itself only, not of those below it.'),
};

/** What is seen, and the one tenant that rows have to be of; null: of any that is seen. */
export interface Narrowed {
  readonly sight: Sight;
  readonly tenantId: string | null;
}

/**
 * For the lists that know tenants which are not registered: to the platform they show those as well.
 * @throws ApiProblem `unknown_tenant`
 */
export async function narrowedTo(
  caller: Caller,
  asked: { readonly tenantId?: string | undefined; readonly descendants: 'true' | 'false' | boolean },
): Promise<Narrowed> {
  const itselfOnly = String(asked.descendants) === 'false';
  if (itselfOnly && caller.principal.tenantId === null)
    return { sight: null, tenantId: asked.tenantId ?? null };
  const sight = await sightOf(caller, asked.tenantId);
  return { sight, tenantId: itselfOnly ? sight : null };
}

/** @throws ApiProblem `unknown_tenant` */
export async function sightOf(caller: Caller, asked: string | null | undefined): Promise<Sight> {
  if (asked === undefined || asked === null) return caller.principal.tenantId;
  if (!(await caller.mayReach(asked)))
    throw new ApiProblem('unknown_tenant', 'There is no such tenant in your scope.');
  return asked;
}

export function readIn<T>(
  stores: Stores,
  caller: Caller,
  sight: Sight,
  work: (db: PoolClient) => Promise<T>,
): Promise<T> {
  const scope = scopeIn(caller, sight);
  return scope === null ? stores.reading(work) : stores.scoped(scope, work);
}

/** For changes, and for reads that the audit log has to tell of. */
export function changeIn<T>(
  stores: Stores,
  caller: Caller,
  sight: Sight,
  work: (db: PoolClient) => Promise<T>,
): Promise<T> {
  const scope = scopeIn(caller, sight);
  return scope === null ? stores.operating(work) : stores.scoped(scope, work);
}

/** Null: the platform, of which only its own see the whole. */
function scopeIn({ principal }: Caller, sight: Sight): TenantScope | null {
  const tenantId = sight ?? principal.tenantId;
  return tenantId === null ? null : { tenantId, within: principal.tenantId };
}

/** @param tenantsOf whom a row is about; it is kept where the caller may reach them all */
export async function reachable<T>(
  caller: Caller,
  rows: readonly T[],
  tenantsOf: (row: T) => readonly (string | null)[],
): Promise<T[]> {
  if (caller.principal.tenantId === null) return [...rows];
  const kept: T[] = [];
  for (const row of rows) {
    let all = true;
    for (const tenantId of tenantsOf(row)) all &&= tenantId !== null && (await caller.mayReach(tenantId));
    if (all) kept.push(row);
  }
  return kept;
}

/** Who the audit log names. */
export function originOf({ principal, correlationId }: Caller, sight: Sight): AuditOrigin {
  const { type, id, role } = principal;
  return {
    actor: type === 'api_key' ? { type, id, keyId: id, role } : { type: 'user', id, role },
    correlationId,
    ...(sight === null ? {} : { tenantId: sight }),
  };
}

/** Who a row names as its author: at most 256 characters. */
export function authorOf({ principal }: Caller): string {
  return `${principal.type}:${principal.id}`.slice(0, 256);
}
