/** From a bearer token to a caller, step by step, each closed unless it says otherwise. */
import type { FastifyRequest } from 'fastify';
import { ApiProblem } from '../http/problem.ts';
import { callerOf, type Caller } from './caller.ts';
import type { Access, Principal, TenantSource } from './roles.ts';
import type { TenantTree } from './tenant-tree.ts';

/** Null: the token is not one of ours, has ended, or was revoked. Which of them is nobody's business. */
export type Authenticate = (bearer: string) => Promise<Principal | null>;

const MAX_BEARER = 8_192;
const BEARER = /^Bearer +([A-Za-z0-9._~+/=-]+)$/i;

/** @throws ApiProblem `unauthenticated` */
export async function authenticated(request: FastifyRequest, authenticate: Authenticate): Promise<Principal> {
  const header = request.headers.authorization;
  const bearer = header === undefined || header.length > MAX_BEARER ? undefined : BEARER.exec(header)?.[1];
  const principal = bearer === undefined ? null : await authenticate(bearer);
  if (principal === null)
    throw new ApiProblem('unauthenticated', 'Send `Authorization: Bearer` with a key that is in force.');
  return principal;
}

/** @throws ApiProblem `forbidden`: the role is not one of the route's, or has no scope for it */
export function checkRole(principal: Principal, access: Exclude<Access, { kind: 'public' }>): void {
  if (!access.roles.includes(principal.role))
    throw new ApiProblem('forbidden', `The role ${principal.role} may not do this.`);
  if (access.kind === 'platform' && principal.tenantId !== null)
    throw new ApiProblem('forbidden', 'This is about the whole platform, and the key is for one tenant.');
}

/**
 * A tenant outside of the caller's scope is answered like one that does not exist, so that nobody
 * learns by asking which tenants there are.
 * @throws ApiProblem `unknown_tenant`, `invalid_request`
 */
export async function checkedCaller(
  request: FastifyRequest,
  principal: Principal,
  access: Exclude<Access, { kind: 'public' }>,
  tree: TenantTree,
): Promise<Caller> {
  if (access.kind !== 'tenant') return callerOf(request, principal, null, tree);
  const tenantId = tenantAsked(request, access.tenant) ?? principal.tenantId;
  if (tenantId === null)
    throw new ApiProblem('invalid_request', 'A key of the platform has no tenant of its own: name one.');
  if (!(await tree.isWithin(tenantId, principal.tenantId)))
    throw new ApiProblem('unknown_tenant', 'There is no such tenant in your scope.');
  return callerOf(request, principal, tenantId, tree);
}

function tenantAsked(request: FastifyRequest, source: TenantSource): string | null {
  if (source === 'own') return null;
  return source({ params: request.params, query: request.query, body: request.body }) ?? null;
}
