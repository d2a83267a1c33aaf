/** Who may do what. A route names the roles that it serves; nothing is open by default. */
import { API_ROLES, scopeProblem, type ApiRole } from '@meterhouse/postgres/access';

export const ROLES = API_ROLES;
export type Role = ApiRole;

/** Who calls, as its key or token proves it. */
export interface Principal {
  readonly type: 'api_key' | 'token';
  /** Key id, or the token's subject. */
  readonly id: string;
  readonly role: Role;
  /** The scope: this tenant and everything below it. Null: the platform. */
  readonly tenantId: string | null;
}

/** Where a request says which tenant it is about. */
export type TenantSource =
  /** The principal's own; a platform principal has none and is refused. */
  | 'own'
  /** Of the validated request. Undefined or null: the principal's own. */
  | ((input: { params: unknown; query: unknown; body: unknown }) => string | null | undefined);

export type Access =
  /** Anybody, without a key: health and documentation. */
  | { readonly kind: 'public' }
  /** About the platform as a whole: only principals without a tenant. */
  | { readonly kind: 'platform'; readonly roles: readonly Role[] }
  /** About one tenant, which must be the principal's or below it. */
  | { readonly kind: 'tenant'; readonly roles: readonly Role[]; readonly tenant: TenantSource }
  /**
   * About whatever the principal's scope holds: the handler asks `caller.mayReach()` for each tenant
   * that the request names, and the stores see no more than the scope.
   */
  | { readonly kind: 'scope'; readonly roles: readonly Role[] };

/** What the database demands of a key holds for a token as well. */
export function isConsistent({ role, tenantId }: Pick<Principal, 'role' | 'tenantId'>): boolean {
  return scopeProblem(role, tenantId) === null;
}
