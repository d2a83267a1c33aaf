/** Random trees of tenants, and who belongs to whom. */
import type { Random } from '../faults/random.ts';
import { idMark } from './marks.ts';

export interface Tenant {
  readonly number: number;
  readonly id: string;
  readonly parent: Tenant | null;
  /** Itself first, its root last. */
  readonly lineage: readonly number[];
}

export type Forest = readonly Tenant[];

/** Usage is told apart by bits, and a value has at most 29 digits. */
const MAX_TENANTS = 80;

/** At least two trees, and in the first of them a sibling, a child and a grandchild. */
export function randomForest(random: Random, tenants: number): Forest {
  if (tenants < 6 || tenants > MAX_TENANTS) throw new RangeError(`6 to ${MAX_TENANTS} tenants`);
  const forest: Tenant[] = [];
  const add = (parent: Tenant | null): void => {
    const number = forest.length;
    const own = `${idMark(number)}${random.pick(['', '-dev', '.a', ':1', '@x'])}`;
    // Some are named below their parent: what compares beginnings would take them for each other.
    const id = parent !== null && parent.id.length < 60 && random.chance(0.3) ? `${parent.id}/${own}` : own;
    forest.push({ number, id, parent, lineage: [number, ...(parent?.lineage ?? [])] });
  };
  for (const parent of [null, 0, 0, 1, null, 4]) add(parent === null ? null : (forest[parent] ?? null));
  while (forest.length < tenants) add(random.chance(0.15) ? null : random.pick(forest));
  return forest;
}

/** What a principal of the tenant may see: it and all below it. */
export function isWithin(tenant: Tenant, scope: Tenant): boolean {
  return tenant.lineage.includes(scope.number);
}
