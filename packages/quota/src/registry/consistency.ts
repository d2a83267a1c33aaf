/** What makes documents belong together: the tree, what they refer to, what may not change any more. */
import { perPeriod } from './billing.ts';
import type { RegistryProblem, WantedDocument } from './change-plan.ts';
import { METRIC_FAMILIES, type DocumentKind, type DocumentOf } from './documents.ts';
import type { RegistryState } from './registry-state.ts';

function of<K extends DocumentKind>(
  wanted: readonly WantedDocument[],
  kind: K,
): { readonly path: string; readonly body: DocumentOf<K> }[] {
  return wanted.flatMap((each) =>
    each.kind === kind && each.body !== null ? [{ path: each.path, body: each.body as DocumentOf<K> }] : [],
  );
}

/** The tree as it will stand: the wanted tenants over those that are there. */
export function treeProblems(wanted: readonly WantedDocument[], after: RegistryState): RegistryProblem[] {
  const tenants = after.all('tenant');
  return of(wanted, 'tenant').flatMap(({ path, body: { id, parent } }) => {
    if (parent === null) return [];
    if (!tenants.has(parent)) return [`${path}.parent: ${parent} is neither in the file nor registered`];
    const cycle = cycleThrough(id, tenants);
    return cycle === null ? [] : [`${path}.parent: ${cycle.join(' → ')} goes in a circle`];
  });
}

/** The path of parents from the tenant back to itself, or null where it ends at a root. */
function cycleThrough(
  id: string,
  tenants: ReadonlyMap<string, { readonly parent: string | null }>,
): string[] | null {
  const path = [id];
  const met = new Set(path);
  for (let at = tenants.get(id)?.parent ?? null; at !== null; at = tenants.get(at)?.parent ?? null) {
    path.push(at);
    if (at === id) return path;
    // A circle further up that does not come back here is reported where it is.
    if (met.has(at)) return null;
    met.add(at);
  }
  return null;
}

/** What gives counted and reserved numbers their meaning cannot change. */
export function frozenProblems(
  wanted: readonly WantedDocument[],
  before: RegistryState,
  counted: ReadonlySet<string>,
): RegistryProblem[] {
  const pools = of(wanted, 'pool').flatMap(({ path, body }) => {
    const was = before.get('pool', body.id);
    return was === undefined || was.unit === body.unit
      ? []
      : [`${path}.unit: ${was.unit} → ${body.unit} is refused, reservations are counted in it`];
  });
  const metrics = of(wanted, 'metric').flatMap(({ path, body }) => {
    const was = before.get('metric', body.name);
    if (was === undefined || !counted.has(body.name)) return [];
    return (['unit', 'aggregation', 'scale'] as const)
      .filter((field) => was[field] !== body[field])
      .map(
        (field) =>
          `${path}.${field}: ${was[field]} → ${body[field]} is refused, ${body.name} has counted usage already; register a metric of another name`,
      );
  });
  return [...metrics, ...pools];
}

/** Metrics are of a closed list of families, so that whoever adds up by family knows them all. */
export function familyProblems(wanted: readonly WantedDocument[]): RegistryProblem[] {
  const families: readonly string[] = METRIC_FAMILIES;
  return of(wanted, 'metric').flatMap(({ path, body: { family } }) =>
    families.includes(family) ? [] : [`${path}.family: ${family} is none of ${families.join(', ')}`],
  );
}

/** Whatever a document names must be there, also after something was removed. */
export function referenceProblems(
  wanted: readonly WantedDocument[],
  after: RegistryState,
): RegistryProblem[] {
  const missing = (path: string, kind: DocumentKind, id: string): RegistryProblem[] =>
    after.get(kind, id) === undefined ? [`${path}: there is no ${kind} ${id}`] : [];
  return [
    ...of(wanted, 'tenant').flatMap(({ path, body }) =>
      body.plan === null ? [] : missing(`${path}.plan`, 'plan', body.plan),
    ),
    ...of(wanted, 'product').flatMap(({ path, body }) => productProblems(path, body, after)),
    ...of(wanted, 'plan').flatMap(({ path, body }) => planProblems(path, body, after)),
    ...(['override', 'delegation'] as const).flatMap((kind) =>
      of(wanted, kind).flatMap(({ path, body }) => [
        ...missing(`${path}.tenant`, 'tenant', body.tenant),
        ...limitedMetric(`${path}.metric`, body.metric, after),
      ]),
    ),
    ...of(wanted, 'entitlement').flatMap(({ path, body }) => [
      ...missing(`${path}.tenant`, 'tenant', body.tenant),
      ...missing(`${path}.product`, 'product', body.product),
    ]),
    ...removalProblems(wanted, after),
  ];
}

function productProblems(
  path: string,
  product: DocumentOf<'product'>,
  after: RegistryState,
): RegistryProblem[] {
  return [
    ...product.dimensions.flatMap(({ metric, unit }, index) => {
      const at = `${path}.dimensions[${index}]`;
      const registered = after.get('metric', metric);
      if (registered === undefined) return [`${at}.metric: there is no metric ${metric}`];
      return registered.unit === unit
        ? []
        : [`${at}.unit: ${metric} is in ${registered.unit}, not in ${unit}`];
    }),
    ...product.actions.flatMap(({ pool }, index) =>
      pool === null || after.get('pool', pool) !== undefined
        ? []
        : [`${path}.actions[${index}].pool: there is no pool ${pool}`],
    ),
    ...twice(
      `${path}.actions`,
      product.actions.map(({ resourceType, action }) => `${resourceType} ${action}`),
    ),
  ];
}

function planProblems(path: string, plan: DocumentOf<'plan'>, after: RegistryState): RegistryProblem[] {
  return [
    ...plan.limits.flatMap(({ metric }, index) =>
      limitedMetric(`${path}.limits[${index}].metric`, metric, after),
    ),
    ...twice(
      `${path}.limits`,
      plan.limits.map(({ metric, period }) => `${metric} ${perPeriod(period)}`),
    ),
    ...twice(
      `${path}.rates`,
      plan.rates.map(({ id }) => id),
    ),
    ...twice(
      `${path}.concurrency`,
      plan.concurrency.map(({ id }) => id),
    ),
    ...plan.concurrency.flatMap(({ product }, index) =>
      product === null || after.get('product', product) !== undefined
        ? []
        : [`${path}.concurrency[${index}].product: there is no product ${product}`],
    ),
    ...plan.limits.flatMap(({ metric, strict }, index) =>
      strict ? strictMetric(`${path}.limits[${index}].strict`, metric, after) : [],
    ),
    ...plan.entitlements.flatMap(({ product }, index) =>
      after.get('product', product) === undefined
        ? [`${path}.entitlements[${index}].product: there is no product ${product}`]
        : [],
    ),
  ];
}

/** A ceiling on the smallest value seen would never be met again. */
function limitedMetric(path: string, name: string, after: RegistryState): RegistryProblem[] {
  const metric = after.get('metric', name);
  if (metric === undefined) return [`${path}: there is no metric ${name}`];
  return metric.aggregation === 'min' ? [`${path}: ${name} is a minimum, which no limit can cap`] : [];
}

/** A counter adds up what is charged; the largest or the last of several is no sum. */
function strictMetric(path: string, name: string, after: RegistryState): RegistryProblem[] {
  const aggregation = after.get('metric', name)?.aggregation;
  return aggregation === undefined || aggregation === 'sum' || aggregation === 'count'
    ? []
    : [`${path}: ${name} is a ${aggregation}; only a sum or a count can be limited strictly`];
}

function twice(path: string, names: readonly string[]): RegistryProblem[] {
  return names.flatMap((each, index) => {
    const first = names.indexOf(each);
    return first === index ? [] : [`${path}[${index}]: ${each} stands at ${path}[${first}] already`];
  });
}

/** What is still named by others cannot go; nor can what usage is counted under. */
function removalProblems(wanted: readonly WantedDocument[], after: RegistryState): RegistryProblem[] {
  return wanted.flatMap(({ kind, id, body, path }) => {
    if (body !== null) return [];
    if (kind === 'tenant' || kind === 'metric')
      return [`${path}: a ${kind} is never removed, usage is counted under it; close it instead`];
    if (kind === 'pool') return [`${path}: a pool is done away with by size 0, some of it may still be held`];
    const users = usersOf(kind, id, after);
    return users.length === 0 ? [] : [`${path}: ${kind} ${id} is still named by ${users.join(', ')}`];
  });
}

function usersOf(kind: DocumentKind, id: string, after: RegistryState): string[] {
  const named = <K extends DocumentKind>(by: K, names: (body: DocumentOf<K>) => boolean): string[] =>
    [...after.all(by)].filter(([, body]) => names(body)).map(([user]) => `${by} ${user}`);
  const users = {
    plan: () => named('tenant', (tenant) => tenant.plan === id),
    product: () => [
      ...named('plan', ({ entitlements, concurrency }) =>
        [...entitlements, ...concurrency].some((each) => each.product === id),
      ),
      ...named('entitlement', (entitlement) => entitlement.product === id),
    ],
    delegation: () =>
      named('override', ({ raises }) => raises?.by === 'delegation' && raises.delegation === id),
  };
  const found = kind in users ? users[kind as keyof typeof users]() : [];
  return found.length > 5 ? [...found.slice(0, 5), `${found.length - 5} more`] : found;
}
