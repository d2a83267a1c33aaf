/** Usage as Postgres has it, with up to when it is complete: both from one snapshot. */
import {
  asOf,
  inTransaction,
  readMetrics,
  readUsage as readRows,
  readUsagePoint,
  type Pool,
  type PoolClient,
} from '@meterhouse/postgres';
import { usageOf } from '@meterhouse/usage';
import { ReaderError, type ReadUsage } from '../../adapter.ts';
import { enterScope, type TenantScope } from './tenant-scope.ts';
import type { AskedUsage, UsageReading } from '../../usage-question.ts';

export function usageReader(pool: Pool, scope: TenantScope): ReadUsage {
  return async (asked) => {
    try {
      return await inTransaction(pool, (client) => read(client, scope, asked), 'repeatable read');
    } catch (error) {
      if (error instanceof ReaderError) throw error;
      throw unavailable(error);
    }
  };
}

async function read(client: PoolClient, scope: TenantScope, asked: AskedUsage): Promise<UsageReading> {
  await enterScope(client, scope);
  const point = await readUsagePoint(client);
  const metrics = await readMetrics(client);
  const metric = metrics.get(asked.metric);
  if (metric === undefined)
    throw new ReaderError('refused', `metric ${asked.metric} is not registered`, { field: 'metric' });
  const tenant = await client.query('SELECT FROM meterhouse.tenants WHERE id = $1', [asked.tenantId]);
  if (tenant.rowCount === 0)
    throw new ReaderError(
      'refused',
      `tenant ${asked.tenantId} is not registered${scope === null ? '' : `, or not within ${scope}`}`,
      { field: 'tenantId' },
    );
  const [row] = await readRows(
    client,
    {
      tenantId: asked.tenantId,
      tenants: asked.descendants ? 'together' : 'own',
      metrics: [metric.name],
      from: asked.from,
      to: asked.to,
      by: 'total',
      maxRows: 1,
    },
    metrics,
  );
  return {
    value: row === undefined ? '0' : usageOf(row, metric.aggregation),
    unit: metric.unit,
    origin: 'postgres',
    completeThrough: asOf(null, point.progress, null).completeThrough,
  };
}

export function unavailable(error: unknown): ReaderError {
  const message = error instanceof Error ? error.message : String(error);
  return new ReaderError('unavailable', message, { cause: error });
}
