/** Which tenant lies below which: the API's own check, before and apart from the database's. */
import { LRUCache } from 'lru-cache';

/** From the tenant up to its root; empty when it is not registered. */
export type LineageReader = (tenantId: string) => Promise<readonly string[]>;

export interface TenantTreeBounds {
  readonly maxTenants: number;
  /** How long a tenant that was moved may be found in its old place. */
  readonly maxAgeMs: number;
}

const BOUNDS: TenantTreeBounds = { maxTenants: 100_000, maxAgeMs: 2_000 };

export class TenantTree {
  readonly #read: LineageReader;
  readonly #known: LRUCache<string, readonly string[]>;

  constructor(read: LineageReader, bounds: TenantTreeBounds = BOUNDS) {
    this.#read = read;
    this.#known = new LRUCache({ max: bounds.maxTenants, ttl: bounds.maxAgeMs });
  }

  /** @param scope a tenant, or null for the platform */
  async isWithin(tenantId: string, scope: string | null): Promise<boolean> {
    const lineage = await this.lineage(tenantId);
    return scope === null ? lineage.length > 0 : lineage.includes(scope);
  }

  /** Only what was found is kept: a tenant may be registered at any moment. */
  async lineage(tenantId: string): Promise<readonly string[]> {
    const known = this.#known.get(tenantId);
    if (known !== undefined) return known;
    const lineage = await this.#read(tenantId);
    if (lineage.length > 0) this.#known.set(tenantId, lineage);
    return lineage;
  }
}
