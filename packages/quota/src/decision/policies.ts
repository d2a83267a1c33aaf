/**
 * What the registry means for a tenant, worked out once and remembered until the registry changes or
 * a document begins or ends to be in force. Remembering is all it adds: the answers are pure.
 */
import type { ProductDocument, TenantClass } from '../registry/documents.ts';
import { stricter } from '../registry/lineage.ts';
import type { PolicyView } from '../registry/policy-set.ts';
import { Boundaries, type TimeBounds } from '../registry/validity.ts';
import { ceilingsOf, type Ceilings } from './ceilings.ts';
import type { Reason } from './decision.ts';
import { entitled, type EntitlementAnswer, type Wanted } from './entitled.ts';

export interface TenantPolicy {
  /** Tenant ids from the tenant up to the root. */
  readonly lineage: readonly string[];
  /** The strictest of the lineage. */
  readonly class: TenantClass;
  /** Usage older than this does not decide; the strictest plan's of the lineage. */
  readonly maxAgeMs: number;
  readonly whenStale: 'deny' | 'allow';
}

/** An answer that holds until a document begins or ends to be in force. */
interface Timed<T> {
  readonly answer: T;
  readonly at: TimeBounds;
  readonly until: Boundaries;
}

/** What a product offers, by name. */
export interface Offer {
  readonly action: ProductDocument['actions'][number];
  /** Unit by metric. */
  readonly units: ReadonlyMap<string, string>;
}

interface Remembered {
  readonly policy: TenantPolicy | { readonly problem: Reason };
  readonly ceilings: Map<string, Timed<Ceilings>>;
  readonly entitled: Map<Offer, Timed<EntitlementAnswer | null>>;
}

export const DEFAULT_MAX_AGE_MS = 5_000;
const MAX_DEPTH = 64;

export class Policies {
  readonly view: PolicyView;
  #remembered = new Map<string, Remembered>();
  #offers = new Map<string, ReadonlyMap<string, ReadonlyMap<string, Offer>>>();
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

  /** What a request asks for, if a product offers it. */
  offer({ product, resourceType, action }: Wanted): Offer | null {
    this.#refresh();
    let offers = this.#offers.get(product);
    if (offers === undefined) {
      const found = this.view.product(product);
      if (found === undefined) return null;
      offers = offersOf(found, this.view);
      this.#offers.set(product, offers);
    }
    return offers.get(resourceType)?.get(action) ?? null;
  }

  /** @param offer of what is wanted; an answer about what nobody offers is not remembered: it would have no bound */
  entitled(
    tenantId: string,
    lineage: readonly string[],
    wanted: Wanted,
    offer: Offer | null,
    at: TimeBounds,
  ): EntitlementAnswer | null {
    if (offer === null) return entitled(this.view, lineage, wanted, at, new Boundaries());
    const remembered = this.#of(tenantId).entitled;
    const known = remembered.get(offer);
    if (known?.until.same(known.at, at) === true) return known.answer;
    const until = new Boundaries();
    const answer = entitled(this.view, lineage, wanted, at, until);
    remembered.set(offer, { answer, at, until });
    return answer;
  }

  #refresh(): void {
    if (this.#generation === this.view.generation) return;
    this.#remembered = new Map();
    this.#offers = new Map();
    this.#generation = this.view.generation;
  }

  #of(id: string): Remembered {
    this.#refresh();
    const known = this.#remembered.get(id);
    if (known !== undefined) return known;
    const remembered = { policy: tenantPolicy(this.view, id), ceilings: new Map(), entitled: new Map() };
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

/** By resource type and action; only dimensions whose metric is registered in the same unit. */
function offersOf(product: ProductDocument, view: PolicyView): Map<string, Map<string, Offer>> {
  const units = new Map<string, string>();
  for (const { metric, unit } of product.dimensions)
    if (view.metric(metric)?.unit === unit) units.set(metric, unit);
  const offers = new Map<string, Map<string, Offer>>();
  for (const action of product.actions) {
    const ofType = offers.get(action.resourceType) ?? new Map<string, Offer>();
    ofType.set(action.action, { action, units });
    offers.set(action.resourceType, ofType);
  }
  return offers;
}
