/** What applying a registry file changes, or why it cannot be applied. Pure. */
import type { Metric, Tenant } from '@meterhouse/usage';
import type { Problem } from '../problems.ts';
import type { RegistryFile } from './registry-file.ts';

/** What is registered now. */
export interface Registered {
  readonly tenants: ReadonlyMap<string, Tenant>;
  readonly metrics: ReadonlyMap<string, Metric>;
  /** Names of metrics that have counted something. */
  readonly countedMetrics: ReadonlySet<string>;
}

export type PlannedChange = 'created' | 'changed' | 'unchanged';

interface PlanEntry {
  readonly kind: 'tenant' | 'metric';
  readonly name: string;
  readonly change: PlannedChange;
  /** `unit: token → byte`, for what is changed. */
  readonly details: readonly string[];
}

export interface RegistryPlan {
  readonly kind: 'plan';
  readonly entries: readonly PlanEntry[];
  /** Rows to write, created and changed. */
  readonly tenants: readonly Tenant[];
  readonly metrics: readonly Metric[];
}

export interface RefusedPlan {
  readonly kind: 'refused';
  readonly problems: readonly Problem[];
}

/** What is not in the file stays as it is: a file adds and changes, it never removes. */
export function planRegistry(file: RegistryFile, now: Registered): RegistryPlan | RefusedPlan {
  const problems = [...treeProblems(file.tenants, now.tenants), ...frozenProblems(file.metrics, now)];
  if (problems.length > 0) return { kind: 'refused', problems };
  const tenants = file.tenants.map((tenant) => ({
    row: tenant,
    entry: entryOf('tenant', tenant.id, tenantDetails(tenant, now.tenants.get(tenant.id))),
  }));
  const metrics = file.metrics.map((metric) => ({
    row: metric,
    entry: entryOf('metric', metric.name, metricDetails(metric, now.metrics.get(metric.name))),
  }));
  return {
    kind: 'plan',
    entries: [...tenants, ...metrics].map(({ entry }) => entry),
    tenants: tenants.filter(({ entry }) => entry.change !== 'unchanged').map(({ row }) => row),
    metrics: metrics.filter(({ entry }) => entry.change !== 'unchanged').map(({ row }) => row),
  };
}

/** @param details null where it is new */
function entryOf(kind: PlanEntry['kind'], name: string, details: readonly string[] | null): PlanEntry {
  const change = details === null ? 'created' : details.length === 0 ? 'unchanged' : 'changed';
  return { kind, name, change, details: details ?? [] };
}

function tenantDetails(tenant: Tenant, before: Tenant | undefined): string[] | null {
  if (before === undefined) return null;
  return [
    ...difference('name', before.name, tenant.name),
    ...difference('parent', before.parent ?? '(none)', tenant.parent ?? '(none)'),
  ];
}

function metricDetails(metric: Metric, before: Metric | undefined): string[] | null {
  if (before === undefined) return null;
  return [
    ...frozenDifferences(metric, before).map(({ field, words }) => `${field}: ${words}`),
    ...difference('family', before.family, metric.family),
    ...difference('groupBy', `[${before.groupBy.join(', ')}]`, `[${metric.groupBy.join(', ')}]`),
  ];
}

function difference(field: string, before: string, after: string): string[] {
  return before === after ? [] : [`${field}: ${before} → ${after}`];
}

/** Differences in what gives counted numbers their meaning. */
function frozenDifferences(metric: Metric, before: Metric): { field: string; words: string }[] {
  return (['unit', 'aggregation', 'scale'] as const)
    .filter((field) => before[field] !== metric[field])
    .map((field) => ({ field, words: `${before[field]} → ${metric[field]}` }));
}

function frozenProblems(metrics: readonly Metric[], now: Registered): Problem[] {
  return metrics.flatMap((metric, index) => {
    const before = now.metrics.get(metric.name);
    if (before === undefined || !now.countedMetrics.has(metric.name)) return [];
    return frozenDifferences(metric, before).map(
      ({ field, words }) =>
        `metrics[${index}].${field}: ${words} is refused, ${metric.name} has counted usage already; register a metric of another name`,
    );
  });
}

/** The tree as it will stand: the file's tenants over the registered ones. */
function treeProblems(tenants: readonly Tenant[], now: ReadonlyMap<string, Tenant>): Problem[] {
  const parentOf = new Map<string, string | null>();
  for (const tenant of now.values()) parentOf.set(tenant.id, tenant.parent);
  for (const tenant of tenants) parentOf.set(tenant.id, tenant.parent);
  return tenants.flatMap((tenant, index) => {
    if (tenant.parent === null) return [];
    if (!parentOf.has(tenant.parent))
      return [`tenants[${index}].parent: ${tenant.parent} is neither in the file nor registered`];
    const cycle = cycleThrough(tenant.id, parentOf);
    return cycle === null ? [] : [`tenants[${index}].parent: ${cycle.join(' → ')} goes in a circle`];
  });
}

/** The path of parents from the tenant back to itself, or null where it ends at a root. */
function cycleThrough(id: string, parentOf: ReadonlyMap<string, string | null>): string[] | null {
  const path = [id];
  const met = new Set(path);
  for (let at = parentOf.get(id) ?? null; at !== null; at = parentOf.get(at) ?? null) {
    path.push(at);
    if (at === id) return path;
    // A circle further up that does not come back here is reported where it is.
    if (met.has(at)) return null;
    met.add(at);
  }
  return null;
}
