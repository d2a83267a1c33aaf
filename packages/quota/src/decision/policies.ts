/**
 * What the registry means for a tenant, worked out once and remembered until the registry changes or
 * a document begins or ends to be in force. Remembering is all it adds: the answers are pure.
 */
import type { TenantClass } from '../registry/documents.ts';
import { stricter } from '../registry/lineage.ts';
import type { PolicyView } from '../registry/policy-set.ts';
import { Boundaries, type TimeBounds } from '../registry/validity.ts';
import { ceilingsOf, type Ceilings } from './ceilings.ts';
import type { Reason } from './decision.ts';
import { entitled, type EntitlementAnswer } from './entitled.ts';

export interface TenantPolicy {
  /** Tenant ids from the tenant up to the root. */
  readonly lineage: readonly string[];
  /** The strictest of the lineage. */
  readonly class: TenantClass;
  /** Usage older than this does not decide; the strictest plan's of the lineage. */
  readonly maxAgeMs: number;
  readonly whenStale: 'deny' | 'allow';
}

interface Remembered {
  readonly policy: TenantPolicy | { readonly problem: Reason };
  readonly ceilings: Map<
    string,
    { readonly answer: Ceilings; readonly at: TimeBounds; readonly until: Boundaries }
  >;
}

export const DEFAULT_MAX_AGE_MS = 5_000;
const MAX_DEPTH = 64;

export class Policies {
  readonly view: PolicyView;
  #remembered = new Map<string, Remembered>();
  #generation = -1;

  constructor(view: PolicyView) {
    this.view = view;
  }

  get version(): bigint {
    return this.view.version;
  }

  /** @returns the policy, or why there is none, which denies */
  tenant(id: string): TenantPolicy | { readonly problem: Reason } {
    return this.#of(id).policy;
  }

  ceilings(tenantId: string, lineage: readonly string[], metric: string, at: TimeBounds): Ceilings {
    const { ceilings } = this.#of(tenantId);
    const known = ceilings.get(metric);
    if (known?.until.same(known.at, at) === true) return known.answer;
    const until = new Boundaries();
    const answer = ceilingsOf(this.view, lineage, metric, at, until);
    ceilings.set(metric, { answer, at, until });
    return answer;
  }

  entitled(
    lineage: readonly string[],
    wanted: Parameters<typeof entitled>[2],
    at: TimeBounds,
  ): EntitlementAnswer | null {
    return entitled(this.view, lineage, wanted, at);
  }

  #of(id: string): Remembered {
    if (this.#generation !== this.view.generation) {
      this.#remembered = new Map();
      this.#generation = this.view.generation;
    }
    const known = this.#remembered.get(id);
    if (known !== undefined) return known;
    const remembered = { policy: tenantPolicy(this.view, id), ceilings: new Map() };
    // Names that nobody registered are not remembered: they would have no bound.
    if (this.view.tenant(id) !== undefined) this.#remembered.set(id, remembered);
    return remembered;
  }
}

function tenantPolicy(view: PolicyView, id: string): TenantPolicy | { readonly problem: Reason } {
  const lineage: string[] = [];
  let strictest: TenantClass | null = null;
  let maxAgeMs = Infinity;
  let whenStale: 'deny' | 'allow' | null = null;
  for (let at: string | null = id; at !== null;) {
    const tenant = view.tenant(at);
    if (tenant === undefined)
      return { problem: lineage.length === 0 ? 'unknown_tenant' : 'registry_incomplete' };
    if (lineage.length >= MAX_DEPTH) return { problem: 'registry_incomplete' };
    if (tenant.status !== 'active')
      return { problem: tenant.status === 'closed' ? 'tenant_closed' : 'tenant_suspended' };
    lineage.push(tenant.id);
    strictest = stricter(strictest, tenant.class);
    if (tenant.plan !== null) {
      const plan = view.plan(tenant.plan);
      if (plan === undefined) return { problem: 'registry_incomplete' };
      maxAgeMs = Math.min(maxAgeMs, plan.stale.maxAgeMs);
      whenStale = whenStale === 'deny' ? 'deny' : plan.stale.otherwise;
    }
    at = tenant.parent;
  }
  return {
    lineage,
    class: strictest ?? 'external',
    maxAgeMs: maxAgeMs === Infinity ? DEFAULT_MAX_AGE_MS : maxAgeMs,
    whenStale: whenStale ?? 'deny',
  };
}
