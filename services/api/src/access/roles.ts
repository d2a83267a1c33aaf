/** Who may do what. A route names the roles that it serves; nothing is open by default. */

/** What a key or a token may be. One each: whoever needs two holds two keys. */
export const ROLES = [
  'ingest',
  'tenant_reader',
  'tenant_admin',
  'finance',
  'operator',
  'platform_admin',
] as const;
export type Role = (typeof ROLES)[number];

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

/** Roles that only make sense for the whole platform, and those that need a tenant. */
export const PLATFORM_ROLES: readonly Role[] = ['operator', 'platform_admin'];
export const TENANT_ROLES: readonly Role[] = ['ingest', 'tenant_reader', 'tenant_admin'];

/** What the database demands of a key holds for a token as well. */
export function isConsistent({ role, tenantId }: Pick<Principal, 'role' | 'tenantId'>): boolean {
  if (PLATFORM_ROLES.includes(role)) return tenantId === null;
  return !TENANT_ROLES.includes(role) || tenantId !== null;
}
