/**
 * The registry as decide() asks it: documents by what they are about, at one version. Changes are
 * staged until their version is complete, so that no decision sees half a change.
 */
import type { AccessRule } from './access-rule.ts';
import {
  DOCUMENT_KINDS,
  DOCUMENTS,
  type DelegationDocument,
  type DocumentKind,
  type DocumentOf,
  type EntitlementDocument,
  type MetricDocument,
  type OverrideDocument,
  type PlanDocument,
  type PoolDocument,
  type ProductDocument,
  type RegistryDocument,
  type TenantDocument,
} from './documents.ts';

/** What decide() may ask of the registry. */
export interface PolicyView {
  readonly version: bigint;
  /** Changes with every change of what is seen here; whatever was worked out before is old. */
  readonly generation: number;
  tenant(id: string): TenantDocument | undefined;
  /** All that can be read; in no order. */
  tenantIds(): Iterable<string>;
  metric(name: string): MetricDocument | undefined;
  product(id: string): ProductDocument | undefined;
  plan(id: string): PlanDocument | undefined;
  pool(id: string): PoolDocument | undefined;
  delegation(id: string): DelegationDocument | undefined;
  /** Of one scope alone. */
  overrides(tenantId: string): readonly OverrideDocument[];
  entitlements(tenantId: string): readonly EntitlementDocument[];
  /** Of the built-in policy engine; in no order. */
  accessRules(): readonly AccessRule[];
}

type Stored = { [K in DocumentKind]: Map<string, DocumentOf<K>> };

const NONE: readonly never[] = [];

export class PolicySet implements PolicyView {
  readonly #stored: Stored = {
    tenant: new Map(),
    metric: new Map(),
    product: new Map(),
    plan: new Map(),
    override: new Map(),
    delegation: new Map(),
    entitlement: new Map(),
    pool: new Map(),
    access_rule: new Map(),
  };
  readonly #overrides = new ByTenant<OverrideDocument>();
  readonly #entitlements = new ByTenant<EntitlementDocument>();
  #staged = new Map<string, RegistryDocument>();
  #version = 0n;
  #generation = 0;
  /** By document, whose ceilings are not known because of it. Anything else that is missing denies by itself. */
  readonly #unreadable = new Map<string, Distrusted>();

  get version(): bigint {
    return this.#version;
  }

  get generation(): number {
    return this.#generation;
  }

  /** Documents that could not be read; whatever depends on them is denied. */
  get problems(): number {
    return this.#unreadable.size;
  }

  /** Holds a document back until the version it belongs to is complete. */
  stage(document: RegistryDocument): void {
    this.#staged.set(`${document.kind}|${document.id}`, document);
  }

  /** Everything up to the version has been staged: from now on it counts. */
  complete(version: bigint): void {
    if (version === this.#version && this.#staged.size === 0) return;
    const waiting = new Map<string, RegistryDocument>();
    let changed = false;
    for (const [key, document] of this.#staged) {
      if (document.version > version) waiting.set(key, document);
      else {
        this.#put(document);
        changed = true;
      }
    }
    this.#staged = waiting;
    this.#version = version;
    if (changed) this.#generation += 1;
  }

  /** Undefined also while a document that may narrow the tenant's ceilings cannot be read. */
  tenant(id: string): TenantDocument | undefined {
    for (const { who } of this.#unreadable.values())
      if (who === 'everybody' || (who !== 'nobody' && who.tenant === id)) return undefined;
    return this.#stored.tenant.get(id);
  }

  tenantIds(): Iterable<string> {
    return this.#stored.tenant.keys();
  }

  metric(name: string): MetricDocument | undefined {
    return this.#stored.metric.get(name);
  }

  product(id: string): ProductDocument | undefined {
    return this.#stored.product.get(id);
  }

  plan(id: string): PlanDocument | undefined {
    return this.#stored.plan.get(id);
  }

  pool(id: string): PoolDocument | undefined {
    return this.#stored.pool.get(id);
  }

  delegation(id: string): DelegationDocument | undefined {
    return this.#stored.delegation.get(id);
  }

  overrides(tenantId: string): readonly OverrideDocument[] {
    return this.#overrides.of(tenantId);
  }

  entitlements(tenantId: string): readonly EntitlementDocument[] {
    return this.#entitlements.of(tenantId);
  }

  accessRules(): readonly AccessRule[] {
    return [...this.#stored.access_rule.values()];
  }

  #put({ kind: kindName, id, body }: RegistryDocument): void {
    const kind = DOCUMENT_KINDS.find((each) => each === kindName);
    if (kind === undefined) {
      this.#unreadable.set(`${kindName}|${id}`, NOBODY);
      return;
    }
    if (kind === 'override') this.#overrides.remove(this.#stored.override.get(id));
    if (kind === 'entitlement') this.#entitlements.remove(this.#stored.entitlement.get(id));
    this.#stored[kind].delete(id);
    this.#unreadable.delete(`${kind}|${id}`);
    if (body === null) return;
    const parsed = DOCUMENTS[kind].safeParse(body);
    if (!parsed.success) {
      this.#unreadable.set(`${kind}|${id}`, whoIsInDoubt(kind, body));
      return;
    }
    (this.#stored[kind] as Map<string, unknown>).set(id, parsed.data);
    if (kind === 'override') this.#overrides.add(parsed.data as OverrideDocument);
    if (kind === 'entitlement') this.#entitlements.add(parsed.data as EntitlementDocument);
  }
}

interface Distrusted {
  /** A tenant's id, or which of the two. */
  readonly who: 'nobody' | 'everybody' | { readonly tenant: string };
}

const NOBODY: Distrusted = { who: 'nobody' };

/** Whom a document that cannot be read may take something away from; everything else denies by being away. */
function whoIsInDoubt(kind: DocumentKind, body: unknown): Distrusted {
  const field = (name: string): unknown =>
    typeof body === 'object' && body !== null ? (body as Readonly<Record<string, unknown>>)[name] : undefined;
  if (kind === 'access_rule') return field('effect') === 'allow' ? NOBODY : { who: 'everybody' };
  if (kind !== 'override') return NOBODY;
  const tenant = field('tenant');
  return typeof tenant === 'string' ? { who: { tenant } } : { who: 'everybody' };
}

/** Few documents each; a change makes a new list, so that whoever holds one keeps what it saw. */
class ByTenant<T extends { readonly id: string; readonly tenant: string }> {
  readonly #lists = new Map<string, readonly T[]>();

  of(tenantId: string): readonly T[] {
    return this.#lists.get(tenantId) ?? NONE;
  }

  add(document: T): void {
    this.#lists.set(document.tenant, [...this.of(document.tenant), document]);
  }

  remove(document: T | undefined): void {
    if (document === undefined) return;
    const rest = this.of(document.tenant).filter(({ id }) => id !== document.id);
    if (rest.length === 0) this.#lists.delete(document.tenant);
    else this.#lists.set(document.tenant, rest);
  }
}
