/**
 * What the registry means for a tenant, worked out once and remembered until the registry changes.
 * Remembering is all it adds: the answers are pure.
 */
import type { ProductDocument, TenantClass } from '../registry/documents.ts';
import { stricter } from '../registry/lineage.ts';
import type { PolicyView } from '../registry/policy-set.ts';
import type { TimeBounds } from '../registry/validity.ts';
import type { Ceilings } from './ceilings.ts';
import type { Reason } from './decision.ts';
import type { Wanted } from './entitled.ts';
import { hasOwnTerms, SharedCeilings, Terms } from './terms.ts';

export interface TenantPolicy {
  /** Tenant ids from the tenant up to the root. */
  readonly lineage: readonly string[];
  /** The strictest of the lineage. */
  readonly class: TenantClass;
  /** Usage older than this does not decide; the strictest plan's of the lineage. */
  readonly maxAgeMs: number;
  readonly whenStale: 'deny' | 'allow';
  /** Ceilings and entitlements; the same object for those who share them. */
  readonly terms: Terms;
}

/** What a product offers, by name. */
export interface Offer extends Wanted {
  readonly document: ProductDocument['actions'][number];
  /** Unit by metric. */
  readonly units: ReadonlyMap<string, string>;
}

type TenantAnswer = TenantPolicy | { readonly problem: Reason };

export const DEFAULT_MAX_AGE_MS = 5_000;
const MAX_DEPTH = 64;

export class Policies {
  readonly view: PolicyView;
  #tenants = new Map<string, TenantAnswer>();
  /** By the scope whose documents they begin with; null: of those that have none up to the root. */
  #terms = new Map<string | null, Terms>();
  #ceilings = new SharedCeilings();
  #offers = new Map<string, ReadonlyMap<string, ReadonlyMap<string, Offer>>>();
  #generation = -1;

  constructor(view: PolicyView) {
    this.view = view;
  }

  get version(): bigint {
    return this.view.version;
  }

  /** @returns the policy, or why there is none, which denies */
  tenant(id: string): TenantAnswer {
    this.#refresh();
    const known = this.#tenants.get(id);
    if (known !== undefined) return known;
    const answer = this.#tenantPolicy(id);
    // Names that nobody registered are not remembered: they would have no bound.
    if (this.view.tenant(id) !== undefined) this.#tenants.set(id, answer);
    return answer;
  }

  /** @param lineage tenant ids from a scope up to the root, whatever their status */
  ceilings(lineage: readonly string[], metric: string, at: TimeBounds): Ceilings {
    this.#refresh();
    return this.#termsOf(lineage).ceilings(metric, at);
  }

  /** What a request asks for, if a product offers it. */
  offer({ product, resourceType, action }: Wanted): Offer | null {
    this.#refresh();
    let offers = this.#offers.get(product);
    if (offers === undefined) {
      const found = this.view.product(product);
      if (found === undefined) return null;
      offers = offersOf(product, found, this.view);
      this.#offers.set(product, offers);
    }
    return offers.get(resourceType)?.get(action) ?? null;
  }

  #refresh(): void {
    if (this.#generation === this.view.generation) return;
    this.#tenants = new Map();
    this.#terms = new Map();
    this.#ceilings = new SharedCeilings();
    this.#offers = new Map();
    this.#generation = this.view.generation;
  }

  #termsOf(lineage: readonly string[]): Terms {
    const from = lineage.findIndex((scope) => hasOwnTerms(this.view, scope));
    const scope = lineage[from] ?? null;
    const known = this.#terms.get(scope);
    if (known !== undefined) return known;
    const terms = new Terms(this.view, scope === null ? [] : lineage.slice(from), this.#ceilings);
    this.#terms.set(scope, terms);
    return terms;
  }

  #tenantPolicy(id: string): TenantAnswer {
    const lineage: string[] = [];
    let strictest: TenantClass | null = null;
    let maxAgeMs = Infinity;
    let whenStale: 'deny' | 'allow' | null = null;
    for (let at: string | null = id; at !== null;) {
      const tenant = this.view.tenant(at);
      if (tenant === undefined)
        return { problem: lineage.length === 0 ? 'unknown_tenant' : 'registry_incomplete' };
      if (lineage.length >= MAX_DEPTH) return { problem: 'registry_incomplete' };
      if (tenant.status !== 'active')
        return { problem: tenant.status === 'closed' ? 'tenant_closed' : 'tenant_suspended' };
      lineage.push(tenant.id);
      strictest = stricter(strictest, tenant.class);
      if (tenant.plan !== null) {
        const plan = this.view.plan(tenant.plan);
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
      terms: this.#termsOf(lineage),
    };
  }
}

/** By resource type and action; only dimensions whose metric is registered in the same unit. */
function offersOf(
  product: string,
  { dimensions, actions }: ProductDocument,
  view: PolicyView,
): Map<string, Map<string, Offer>> {
  const units = new Map<string, string>();
  for (const { metric, unit } of dimensions) if (view.metric(metric)?.unit === unit) units.set(metric, unit);
  const offers = new Map<string, Map<string, Offer>>();
  for (const document of actions) {
    const { resourceType, action } = document;
    const ofType = offers.get(resourceType) ?? new Map<string, Offer>();
    ofType.set(action, { product, resourceType, action, document, units });
    offers.set(resourceType, ofType);
  }
  return offers;
}
