/**
 * What the registry asks of the snapshots: the calendar of each tree, and which totals are limited.
 * Of a document that this release cannot read, what it said before stays. Pure.
 */
import type { StoredDocument } from '@meterhouse/postgres';
import { DOCUMENTS, QUOTA_PERIODS } from '@meterhouse/quota';
import { UTC_CALENDAR, type Calendar } from '@meterhouse/usage/calendar';
import { z } from 'zod';

const { billing, plan } = DOCUMENTS.tenant.shape;
/** Only what is looked at, so that a newer release's document is read as far as it matters here. */
const tenant = z.object({ billing, plan });
const limit = z.object({ metric: z.string(), period: z.enum(QUOTA_PERIODS) });
const limits = z.object({ limits: z.array(limit) });
const override = limit.extend({ tenant: z.string() });

export interface AskedTotal {
  readonly tenantId: string;
  readonly metric: string;
}

export class AskedOfSnapshots {
  readonly #calendars = new Map<string, Calendar>();
  readonly #planOf = new Map<string, string>();
  /** Metrics limited in total, by plan. */
  readonly #totalsOf = new Map<string, readonly string[]>();
  readonly #overrides = new Map<string, AskedTotal>();

  /** @returns those that cannot be read */
  take(documents: readonly StoredDocument[]): readonly StoredDocument[] {
    return documents.filter((document) => !this.#take(document));
  }

  /** @param root tenant id */
  calendarOf(root: string): Calendar {
    return this.#calendars.get(root) ?? UTC_CALENDAR;
  }

  /** Of the tenants and metrics that have a limit in total, whether or not it is in force yet. */
  *totals(): Generator<AskedTotal> {
    if (this.#totalsOf.size > 0)
      for (const [tenantId, id] of this.#planOf)
        for (const metric of this.#totalsOf.get(id) ?? []) yield { tenantId, metric };
    yield* this.#overrides.values();
  }

  #take({ kind, id, body }: StoredDocument): boolean {
    switch (kind) {
      case 'tenant':
        return this.#takeTenant(id, body);
      case 'plan': {
        const parsed = limits.safeParse(body ?? { limits: [] });
        if (parsed.success) put(this.#totalsOf, id, totalsOf(parsed.data));
        return parsed.success;
      }
      case 'override': {
        const parsed = override.nullable().safeParse(body);
        if (parsed.success) put(this.#overrides, id, totalOf(parsed.data));
        return parsed.success;
      }
      default:
        return true;
    }
  }

  #takeTenant(id: string, body: unknown): boolean {
    const parsed = tenant.safeParse(body);
    if (!parsed.success) return false;
    put(this.#calendars, id, parsed.data.billing ?? null);
    put(this.#planOf, id, parsed.data.plan);
    return true;
  }
}

function totalsOf({ limits: list }: Pick<z.infer<typeof limits>, 'limits'>): readonly string[] | null {
  const metrics = list.filter(({ period }) => period === 'total').map(({ metric }) => metric);
  return metrics.length === 0 ? null : metrics;
}

function totalOf(said: z.infer<typeof override> | null): AskedTotal | null {
  return said?.period === 'total' ? { tenantId: said.tenant, metric: said.metric } : null;
}

/** Null takes it out. */
function put<T>(map: Map<string, T>, id: string, value: T | null): void {
  if (value === null) map.delete(id);
  else map.set(id, value);
}
