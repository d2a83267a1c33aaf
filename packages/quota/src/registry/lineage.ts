/** Where a tenant stands, whatever its status: for looking at limits, where decide() would only deny. */
import type { TenantClass } from './documents.ts';
import type { PolicyView } from './policy-set.ts';

const STRICTNESS: readonly TenantClass[] = ['internal', 'arms_length', 'external'];

/** Null says nothing. */
export function stricter(one: TenantClass | null, other: TenantClass | null): TenantClass | null {
  if (one === null || other === null) return one ?? other;
  return STRICTNESS.indexOf(one) > STRICTNESS.indexOf(other) ? one : other;
}

export interface Place {
  /** Tenant ids from the tenant up to the root. */
  readonly lineage: readonly string[];
  /** The strictest of the lineage; external where none is said. */
  readonly class: TenantClass;
}

/** Null where the tenant or one above it is not registered, or cannot be read. */
export function placeOf(view: Pick<PolicyView, 'tenant'>, id: string): Place | null {
  const lineage: string[] = [];
  let strictest: TenantClass | null = null;
  for (let at: string | null = id; at !== null;) {
    const tenant = view.tenant(at);
    if (tenant === undefined || lineage.includes(at)) return null;
    lineage.push(at);
    strictest = stricter(strictest, tenant.class);
    at = tenant.parent;
  }
  return { lineage, class: strictest ?? 'external' };
}
