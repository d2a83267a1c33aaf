/** A database with one tenant and one metric, and batches to flush into it. */
import { freshDatabase, sharedStack } from '@meterhouse/dev-stack/testing';
import { contentDigest, eventKey, parseDecimal, type UsageEvent } from '@meterhouse/usage';
import { anEvent as usageEvent } from '@meterhouse/usage/testing';
import type { Pool } from 'pg';
import { onTestFinished } from 'vitest';
import { migratePostgres } from '../migrations.ts';
import { createPool } from '../pool.ts';
import { loadRegistry } from '../registry.ts';
import type { Batch, FlushResult } from './batch.ts';
import { dedupPeriod, ensurePeriods, ensureProgress, flush } from './index.ts';

export const SOURCE = 'usage_events';
export const NOW = Date.UTC(2026, 5, 15, 12);
export const WEEKS_AGO = NOW - 34 * 24 * 3_600_000;

/** Tenant `acme`, metric `calls`, flushed with the aggregator's own rights. */
export async function flushBed(): Promise<{ pool: Pool; worker: Pool }> {
  const url = await freshDatabase(await sharedStack());
  await migratePostgres(url);
  const pool = createPool({ url, applicationName: 'test' });
  const worker = createPool({ url, role: 'meterhouse_aggregator', applicationName: 'worker' });
  onTestFinished(async () => {
    await worker.end();
    await pool.end();
  });
  await pool.query(`
    INSERT INTO meterhouse.tenants (id, name) VALUES ('acme', 'Acme');
    INSERT INTO meterhouse.metrics (name, unit, aggregation, scale, family) VALUES ('calls', 'call', 'sum', 0, 'compute')`);
  await ensurePeriods(pool, dedupPeriod(WEEKS_AGO), dedupPeriod(NOW));
  return { pool, worker };
}

export function anEvent(fields: Partial<UsageEvent> = {}): UsageEvent {
  return usageEvent({ tenantId: 'acme', metric: 'calls' }, { id: 'one-id', ts: NOW, ...fields });
}

/** What the check would say of an event; without an event, what could not be read. */
export type Checked =
  | { readonly event: UsageEvent }
  | { readonly event: UsageEvent | null; readonly reason: 'unknown_tenant' | 'schema_unavailable' };

/** Flushes these as the next batch of a partition. @throws unless it was committed */
export async function flushNext(
  worker: Pool,
  checked: readonly Checked[],
  options: {
    source?: string;
    partition?: number;
    replayOf?: readonly bigint[];
    receivedAt?: number;
    processedThrough?: Date;
  } = {},
): Promise<Extract<FlushResult, { kind: 'committed' }>> {
  const { source = SOURCE, partition = 0, replayOf, receivedAt = NOW, processedThrough = null } = options;
  const registry = await loadRegistry(worker);
  await ensureProgress(worker, source, [{ partition, offset: 0n }]);
  const progress = await worker.query<{ next_offset: string }>(
    'SELECT next_offset FROM meterhouse.progress WHERE source = $1 AND partition = $2',
    [source, partition],
  );
  const fromOffset = BigInt(progress.rows[0]?.next_offset ?? 0);
  const accepted: Batch['accepted'][number][] = [];
  const refused: Batch['refused'][number][] = [];
  for (const [index, each] of checked.entries()) {
    const origin = { offset: fromOffset + BigInt(index), receivedAt, payload: Buffer.from('bytes') };
    const { event } = each;
    const content = event === null ? null : contentDigest(event, valueOf(event));
    if ('reason' in each) {
      const refusal = { reason: each.reason, field: null, detail: 'as the test says' };
      refused.push({ origin, event, content, refusal });
      continue;
    }
    const tenant = registry.tenants.get(each.event.tenantId);
    const metric = registry.metrics.get(each.event.metric);
    if (tenant === undefined || metric === undefined || content === null)
      throw new Error(`${each.event.tenantId} or ${each.event.metric} is not registered`);
    const value = valueOf(each.event);
    accepted.push({
      event: each.event,
      tenant,
      metric,
      value,
      origin,
      key: eventKey(each.event.id),
      content,
    });
  }
  const batch: Batch = {
    source,
    partition,
    fromOffset,
    nextOffset: fromOffset + BigInt(checked.length),
    registryVersion: registry.version,
    accepted,
    refused,
    processedThrough,
    replayOf:
      replayOf === undefined ? null : new Map(replayOf.map((id, index) => [fromOffset + BigInt(index), id])),
  };
  const result = await flush(worker, batch, registry);
  if (result.kind !== 'committed') throw new Error(`the flush ended as ${result.kind}`);
  return result;
}

export function valueOf(event: UsageEvent): bigint {
  const value = parseDecimal(event.value);
  if (typeof value !== 'bigint') throw new TypeError(`${event.value} is no decimal`);
  return value;
}
