/** Reads what the tables show, with its as-of, at one point of Postgres. */
import {
  asOf,
  inTransaction,
  loadRegistry,
  readCountingProgress,
  readUsage,
  type Db,
  type Pool,
  type UsagePeriod,
  type UsageRow,
} from '@meterhouse/postgres';
import { DAY_MS, hourOf, type Metric, type Registry, type Tenant } from '@meterhouse/usage';

export interface UsageResult {
  readonly tenants: ReadonlyMap<string, Tenant>;
  readonly metrics: readonly Metric[];
  readonly rows: readonly UsageRow[];
  /** Everything that the broker had before this instant is in, epoch ms; null while that is not known. */
  readonly asOf: number | null;
}

export interface UsageSpan {
  /** Epoch ms, on the hour. */
  readonly from: number;
  /** Not included. */
  readonly to: number;
}

/** More cannot be shown, and less than all must not be. */
const MAX_ROWS = 100_000;

export class TooMuchToShow extends Error {
  override name = 'TooMuchToShow';
}

/** @throws TooMuchToShow */
export function readUsageResult(
  pool: Pool,
  topic: string,
  by: UsagePeriod,
  span: UsageSpan = { from: 0, to: hourOf(Date.now()) + 400 * DAY_MS },
): Promise<UsageResult> {
  return inTransaction(
    pool,
    async (client) => {
      const progress = await readCountingProgress(client);
      const registry = await loadRegistry(client);
      return {
        tenants: registry.tenants,
        metrics: [...registry.metrics.values()],
        rows: await readRoots(client, registry, by, span),
        asOf: asOf(topic, progress, null).completeThrough,
      };
    },
    'repeatable read',
  );
}

async function readRoots(
  db: Db,
  { tenants, metrics }: Pick<Registry, 'tenants' | 'metrics'>,
  by: UsagePeriod,
  span: UsageSpan,
): Promise<UsageRow[]> {
  const rows: UsageRow[] = [];
  for (const { id, parent } of tenants.values()) {
    if (parent !== null) continue;
    const question = {
      tenantId: id,
      tenants: 'each',
      metrics: null,
      by,
      maxRows: MAX_ROWS,
      ...span,
    } as const;
    for (const row of await readUsage(db, question, metrics)) rows.push(row);
    if (rows.length > MAX_ROWS) throw new TooMuchToShow(`more than ${MAX_ROWS} rows of usage`);
  }
  return rows;
}
