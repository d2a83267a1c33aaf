/**
 * Which ended periods have to be looked at again, because events came to them late? Walks over the hours
 * with late events, a page at a time and round and round, and remembers how many of each it has seen: what
 * it forgets, or what came while nothing ran, is looked at once more, and the outbox tells it once.
 */
import type { Pool } from '@meterhouse/postgres';
import { readLateUsage, type LatePosition } from '@meterhouse/postgres/webhooks';
import { periodsOf, placeOf } from '@meterhouse/quota';
import { TURNING_PERIODS } from '@meterhouse/usage';
import { LRUCache } from 'lru-cache';
import type { ThresholdPolicy } from './crossings.ts';

/** By the end of a period: tenants, and those above them, with the metrics of which something in it changed. */
type LateEnds = ReadonlyMap<number, ReadonlyMap<string, ReadonlySet<string>>>;

interface LateBounds {
  /** Epoch ms; older hours are not looked at. */
  readonly oldest: number;
  /** Epoch ms; periods that end later are looked at without this. */
  readonly settledThrough: number;
}

const PAGE = 2_000;
const REMEMBERED = 200_000;

export class LateEvents {
  readonly #pool: Pool;
  readonly #policy: ThresholdPolicy;
  readonly #seen = new LRUCache<string, string>({ max: REMEMBERED });
  #after: LatePosition = { hour: 0, tenantId: '', metric: '' };

  constructor(pool: Pool, policy: ThresholdPolicy) {
    this.#pool = pool;
    this.#policy = policy;
  }

  /** Call `done` when they were looked at: until then they come again. */
  async next({ oldest, settledThrough }: LateBounds): Promise<{
    readonly ends: LateEnds;
    /** The walk is at its end, and begins anew. */
    readonly wrapped: boolean;
    readonly done: () => void;
  }> {
    const begin = { hour: oldest, tenantId: '', metric: '' };
    const after = this.#after.hour < oldest ? begin : this.#after;
    const page = await readLateUsage(this.#pool, after, PAGE);
    const wrapped = page.length < PAGE;
    const ends = new Map<number, Map<string, Set<string>>>();
    const looked: (readonly [string, string])[] = [];
    for (const row of page) {
      const { lineage = [] } = placeOf(this.#policy, row.tenantId) ?? {};
      const over = this.#endsOf(lineage, row.hour).filter((end) => end <= settledThrough);
      const [key, stand] = [keyOf(row), `${row.late} ${over.length}`];
      if (this.#seen.get(key) === stand) continue;
      looked.push([key, stand]);
      for (const end of over) note(ends, end, lineage, row.metric);
    }
    return {
      ...{ ends, wrapped },
      done: () => {
        for (const [key, stand] of looked) this.#seen.set(key, stand);
        const last = page.at(-1);
        this.#after = wrapped || last === undefined ? begin : last;
      },
    };
  }

  /** None where the tenant is not heard of yet. */
  #endsOf(lineage: readonly string[], hour: number): readonly number[] {
    const root = lineage.at(-1);
    if (root === undefined) return [];
    const periods = periodsOf(this.#policy, root);
    return [...new Set(TURNING_PERIODS.map((period) => periods.of(period, hour).end))];
  }
}

function note(
  ends: Map<number, Map<string, Set<string>>>,
  end: number,
  lineage: readonly string[],
  metric: string,
): void {
  const tenants = ends.get(end) ?? new Map<string, Set<string>>();
  ends.set(end, tenants);
  for (const id of lineage) tenants.set(id, (tenants.get(id) ?? new Set()).add(metric));
}

function keyOf({ hour, tenantId, metric }: LatePosition): string {
  return JSON.stringify([hour, tenantId, metric]);
}
