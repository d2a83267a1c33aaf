/** Usage by tenant and metric, each tenant with all below it. Pure. */
import { mergeTotals, usageOf, type Metric, type Tenant, type Totals } from '@meterhouse/usage';
import { tableLines, widthOf, type Column } from '../screen/table.ts';
import { counted, withThousands } from '../screen/words.ts';
import type { Palette } from '../screen/palette.ts';

/** A tenant's own totals of one metric. */
export interface OwnUsage extends Totals {
  readonly tenantId: string;
  readonly metric: string;
}

export interface TenantUsage {
  readonly tenant: Tenant;
  /** 0 for a root. */
  readonly depth: number;
  /** Its own and of all below it, by metric. */
  readonly totals: ReadonlyMap<string, Totals>;
}

/** Parents before their children, roots and siblings by id. */
export function rollUp(
  tenants: ReadonlyMap<string, Tenant>,
  own: readonly OwnUsage[],
): readonly TenantUsage[] {
  const children = Map.groupBy(
    [...tenants.values()].sort((a, b) => (a.id < b.id ? -1 : 1)),
    (tenant) => tenant.parent,
  );
  const ownOf = Map.groupBy(own, (usage) => usage.tenantId);
  const lines: TenantUsage[] = [];
  const visit = (tenant: Tenant, depth: number): Map<string, Totals> => {
    const totals = new Map<string, Totals>();
    lines.push({ tenant, depth, totals });
    for (const usage of ownOf.get(tenant.id) ?? []) addTo(totals, usage.metric, usage);
    for (const child of children.get(tenant.id) ?? [])
      for (const [metric, below] of visit(child, depth + 1)) addTo(totals, metric, below);
    return totals;
  };
  for (const root of children.get(null) ?? []) visit(root, 0);
  return lines;
}

function addTo(totals: Map<string, Totals>, metric: string, from: Totals): void {
  const before = totals.get(metric);
  if (before === undefined) {
    const { sum, count, min, max, latest, latestTs, latestId } = from;
    totals.set(metric, { sum, count, min, max, latest, latestTs, latestId });
  } else mergeTotals(before, from);
}

/** What fits on one screen. */
const MAX_TENANTS = 20;

/** @param columns of the screen */
export function usageTableLines(
  usage: readonly TenantUsage[],
  metrics: readonly Metric[],
  columns: number,
  paint: Palette,
): string[] {
  const used = metrics.filter(({ name }) => usage.some(({ totals }) => totals.has(name)));
  if (used.length === 0) return [paint.dim('no usage yet')];
  const shown = shownTenants(usage);
  for (let fitting = used.length; fitting > 0; fitting -= 1) {
    const lines = matrix(shown, used.slice(0, fitting), paint);
    if (fitting === 1 || lines.every((line) => widthOf(line) <= columns))
      return [...lines, ...leftOut(usage.length - shown.length, used.length - fitting, paint)];
  }
  return [];
}

/** All of them, or the roots where all are too many. */
function shownTenants(usage: readonly TenantUsage[]): readonly TenantUsage[] {
  if (usage.length <= MAX_TENANTS) return usage;
  return usage.filter(({ depth }) => depth === 0).slice(0, MAX_TENANTS);
}

function leftOut(tenants: number, metrics: number, paint: Palette): string[] {
  const rest = [
    ...(tenants > 0 ? [counted(tenants, 'more tenant')] : []),
    ...(metrics > 0 ? [counted(metrics, 'more metric')] : []),
  ];
  return rest.length === 0 ? [] : [paint.dim(`and ${rest.join(' and ')}: npx meterhouse usage show`)];
}

function matrix(usage: readonly TenantUsage[], metrics: readonly Metric[], paint: Palette): string[] {
  const header: Column[] = [
    { title: paint.dim('tenant'), align: 'left' },
    ...metrics.map(({ name }): Column => ({ title: paint.dim(name), align: 'right' })),
  ];
  const rows = usage.map(({ tenant, depth, totals }) => {
    const emphasis = depth === 0 ? paint.bold : (text: string): string => text;
    return [
      `${'  '.repeat(depth)}${emphasis(tenant.name)}`,
      ...metrics.map(({ name, aggregation }) => {
        const total = totals.get(name);
        return total === undefined ? '' : emphasis(withThousands(usageOf(total, aggregation)));
      }),
    ];
  });
  const units = ['', ...metrics.map(({ unit }) => paint.dim(unit))];
  return tableLines(header, [units, ...rows]);
}
