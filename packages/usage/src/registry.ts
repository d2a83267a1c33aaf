/** Tenants and metrics: what an event is checked against. */
import { METRIC_NAME, TENANT_ID } from './event.ts';

export const AGGREGATIONS = ['sum', 'count', 'max', 'min', 'latest'] as const;
export type Aggregation = (typeof AGGREGATIONS)[number];

export interface Tenant {
  readonly id: string;
  readonly name: string;
  /** Null for a root: who is billed. */
  readonly parent: string | null;
}

export interface Metric {
  readonly name: string;
  readonly unit: string;
  readonly aggregation: Aggregation;
  /** Decimal places that a value may have, 0 to 9. */
  readonly scale: number;
  /** Dimension family: one of METRIC_FAMILIES of the registry. */
  readonly family: string;
  /** Attributes that split a bucket, at most 8. */
  readonly groupBy: readonly string[];
}

/** A tenant with the short number that the de-duplication table knows it by. */
export interface RegisteredTenant extends Tenant {
  readonly number: number;
}

/** The registry at one version. */
export interface Registry {
  readonly version: bigint;
  readonly tenants: ReadonlyMap<string, RegisteredTenant>;
  readonly metrics: ReadonlyMap<string, Metric>;
}

/** The ids from the root down to the tenant, the tenant last. */
export function lineageOf(tenants: ReadonlyMap<string, Tenant>, id: string): readonly string[] {
  const lineage: string[] = [];
  for (let at: string | null = id; at !== null; at = tenants.get(at)?.parent ?? null) {
    // apply refuses cycles; a bound turns a broken table into an error instead of a hang.
    if (lineage.length > tenants.size) throw new Error(`tenant ${id} lies on a cycle of parents`);
    lineage.push(at);
  }
  return lineage.reverse();
}

/** Whether the name may be a tenant id. Kept narrow so that ids are safe in keys, paths and logs. */
export function isTenantId(text: string): boolean {
  return TENANT_ID.test(text);
}

export function isMetricName(text: string): boolean {
  return METRIC_NAME.test(text);
}
