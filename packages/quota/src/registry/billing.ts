/** By which calendar a tenant's usage is limited: its root's, so that what adds up to the root turns as one. */
import { oddOffset, Periods, UTC_CALENDAR } from '@meterhouse/usage/calendar';
import type { RegistryProblem, WantedDocument } from './change-plan.ts';
import type { QuotaPeriod, TenantDocument } from './documents.ts';
import type { PolicyView } from './policy-set.ts';
import type { RegistryState } from './registry-state.ts';

const UTC = new Periods(UTC_CALENDAR);
/** By calendar: registries have few. Emptied when full. */
const known = new Map<string, Periods>();
const MAX_KNOWN = 2_000;

/** @param root id; UTC where it says nothing, or is not there */
export function periodsOf(view: Pick<PolicyView, 'tenant'>, root: string): Periods {
  const billing = view.tenant(root)?.billing;
  if (billing === undefined) return UTC;
  const name = `${billing.timeZone} ${billing.anchorDay}`;
  let periods = known.get(name);
  if (periods === undefined) {
    if (known.size >= MAX_KNOWN) known.clear();
    periods = new Periods(billing);
    known.set(name, periods);
  }
  return periods;
}

/** For people: `a day`, `in total`. */
export function perPeriod(period: QuotaPeriod): string {
  return period === 'total' ? 'in total' : `a ${period}`;
}

/**
 * @param now epoch ms; what zones' offsets are like later nobody knows
 */
export function billingProblems(
  wanted: readonly WantedDocument[],
  before: RegistryState,
  now: number,
): RegistryProblem[] {
  return wanted.flatMap(({ kind, id, body, path }) => {
    if (kind !== 'tenant' || body === null) return [];
    const { billing, parent } = body as TenantDocument;
    if (billing === undefined) return [];
    if (parent !== null)
      return [
        `${path}.billing: only a root has a calendar, and what is below goes by it; say billing: null of ${id}`,
      ];
    // What was right when it was written must not stop the same file a year later.
    if (before.get('tenant', id)?.billing?.timeZone === billing.timeZone) return [];
    const offset = oddOffset(billing.timeZone, now);
    return offset === null
      ? []
      : [
          `${path}.billing.timeZone: ${billing.timeZone} is ${offset} from UTC, and usage is counted by whole UTC hours; take a zone that is whole hours from UTC`,
        ];
  });
}

/**
 * A strict counter is kept by UTC day, so it cannot stand for a day that turns elsewhere. Asked whenever
 * a tenant or a plan changes, of the tree as it will stand.
 */
export function strictCalendarProblems(
  wanted: readonly WantedDocument[],
  after: RegistryState,
): RegistryProblem[] {
  const touched = wanted.find(({ kind, body }) => body !== null && (kind === 'tenant' || kind === 'plan'));
  if (touched === undefined) return [];
  const tenants = after.all('tenant');
  const strictPlans = new Set(
    Array.from(after.all('plan').values())
      .filter(({ limits }) => limits.some(({ strict }) => strict))
      .map(({ id }) => id),
  );
  if (strictPlans.size === 0) return [];
  const problems: RegistryProblem[] = [];
  for (const { id, plan } of tenants.values()) {
    if (plan === null || !strictPlans.has(plan)) continue;
    const root = rootOf(id, tenants);
    const timeZone = root?.billing?.timeZone ?? UTC_CALENDAR.timeZone;
    if (timeZone !== UTC_CALENDAR.timeZone)
      problems.push(
        `${touched.path}: plan ${plan} of ${id} has a strict limit, which is kept by UTC day, and the days of ${root?.id} turn in ${timeZone}`,
      );
  }
  return problems.slice(0, MAX_STRICT_PROBLEMS);
}

/** The first few name the cause. */
const MAX_STRICT_PROBLEMS = 10;

function rootOf(id: string, tenants: ReadonlyMap<string, TenantDocument>): TenantDocument | undefined {
  let at = tenants.get(id);
  // A circle is reported where it is made; here it only has to end.
  const met = new Set<string>();
  while (typeof at?.parent === 'string' && !met.has(at.id)) {
    met.add(at.id);
    at = tenants.get(at.parent);
  }
  return at;
}
