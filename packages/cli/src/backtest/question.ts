/** What usage a backtest needs to see. Pure. */
import { HOUR_MS, hourOf } from '@meterhouse/usage';
import { periodsOf, placeOf, type PolicySet, type QuotaPeriod, type RegistryState } from '@meterhouse/quota';
import { CommandError } from '../exit.ts';

export interface BacktestQuestion {
  /** Those that anything limits. */
  readonly metrics: readonly string[];
  /** Whose usage counts against a ceiling of whoever is judged; null: everybody's. */
  readonly tenantIds: readonly string[] | null;
  readonly judges: (tenantId: string) => boolean;
  /** Of them those that are limited in total: what was used before all of it is read too, added up. */
  readonly totals: readonly string[];
  /** Epoch ms. Usage is read from here … */
  readonly loadFrom: number;
  /** … judged from here … */
  readonly from: number;
  /** … up to here, not included. */
  readonly to: number;
}

/**
 * @param tenantId only this one and all below it; null: everybody
 * @throws CommandError where the tenant is not registered
 */
export function questionOf(
  policy: PolicySet,
  registry: RegistryState,
  tenantId: string | null,
  times: { readonly now: number; readonly sinceMs: number },
): BacktestQuestion {
  const limits: { metric: string; period: QuotaPeriod }[] = [
    ...[...registry.all('plan').values()].flatMap((plan) => plan.limits),
    ...registry.all('override').values(),
  ];
  const from = hourOf(times.now - times.sinceMs);
  return {
    metrics: metricsOf(limits),
    ...whose(policy, registry, tenantId),
    totals: metricsOf(limits.filter(({ period }) => period === 'total')),
    // A period that has begun before needs all of it for its running total.
    loadFrom: earliestStart(policy, registry, new Set(limits.map(({ period }) => period)), from),
    from,
    to: hourOf(times.now) + HOUR_MS,
  };
}

function metricsOf(limits: readonly { readonly metric: string }[]): string[] {
  return [...new Set(limits.map(({ metric }) => metric))].sort();
}

/** By whichever tree's calendar it is the earliest. */
function earliestStart(
  policy: PolicySet,
  registry: RegistryState,
  periods: ReadonlySet<QuotaPeriod>,
  from: number,
): number {
  const roots = [...registry.all('tenant').values()].filter(({ parent }) => parent === null);
  const turning = [...periods].filter((period) => period !== 'total');
  return roots.reduce(
    (earliest, { id }) =>
      Math.min(earliest, ...turning.map((period) => periodsOf(policy, id).of(period, from).start)),
    from,
  );
}

function whose(
  policy: PolicySet,
  registry: RegistryState,
  tenantId: string | null,
): Pick<BacktestQuestion, 'tenantIds' | 'judges'> {
  if (tenantId === null) return { tenantIds: null, judges: () => true };
  const place = placeOf(policy, tenantId);
  if (place === null) throw new CommandError(`there is no tenant ${tenantId}`, 'see the registry file');
  const root = place.lineage.at(-1) ?? tenantId;
  const tree: string[] = [];
  const below = new Set<string>();
  for (const id of registry.all('tenant').keys()) {
    const lineage = placeOf(policy, id)?.lineage ?? [];
    if (lineage.includes(root)) tree.push(id);
    if (lineage.includes(tenantId)) below.add(id);
  }
  return { tenantIds: tree, judges: (id) => below.has(id) };
}
