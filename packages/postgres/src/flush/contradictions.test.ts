/**
 * Guarantees, on a real Postgres:
 *  - I2: the repetition of a counted event is never quarantined, also where a batch brings it after
 *    an event that contradicts it
 *  - of two events under one id, the one that was counted first stays counted, in whatever batches
 *    and order both are delivered again
 */
import { freshDatabase, sharedStack } from '@meterhouse/dev-stack/testing';
import { contentDigest, eventKey, parseDecimal, type UsageEvent } from '@meterhouse/usage';
import type { Pool } from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { migratePostgres } from '../migrations.ts';
import { createPool } from '../pool.ts';
import { loadRegistry } from '../registry.ts';
import type { AcceptedRecord } from './batch.ts';
import { dedupPeriod, ensurePeriods, ensureProgress, flush, type FlushResult } from './index.ts';

const SOURCE = 'usage_events';
const NOW = Date.UTC(2026, 5, 15, 12);
const WEEKS_AGO = NOW - 34 * 24 * 3_600_000;

async function database(): Promise<Pool> {
  const url = await freshDatabase(await sharedStack());
  await migratePostgres(url);
  const pool = createPool({ url, applicationName: 'test' });
  onTestFinished(() => pool.end());
  await pool.query(`
    INSERT INTO meterhouse.tenants (id, name) VALUES ('acme', 'Acme');
    INSERT INTO meterhouse.metrics (name, unit, aggregation, scale, family) VALUES ('calls', 'call', 'sum', 0, 'api')`);
  await ensureProgress(pool, SOURCE, [{ partition: 0, offset: 0n }]);
  await ensurePeriods(pool, dedupPeriod(WEEKS_AGO), dedupPeriod(NOW));
  return pool;
}

/** Counts events of one id, told apart by value and time, as one batch. */
async function count(
  pool: Pool,
  events: readonly { value: string; ts?: number }[],
): Promise<Extract<FlushResult, { kind: 'committed' }>> {
  const registry = await loadRegistry(pool);
  const tenant = registry.tenants.get('acme');
  const metric = registry.metrics.get('calls');
  const progress = await pool.query<{ next_offset: string }>('SELECT next_offset FROM meterhouse.progress');
  const fromOffset = BigInt(progress.rows[0]?.next_offset ?? 0);
  if (tenant === undefined || metric === undefined) throw new Error('the registry is empty');
  const accepted = events.map(({ value, ts = NOW }, index): AcceptedRecord => {
    const event: UsageEvent = {
      id: 'one-id',
      tenantId: 'acme',
      metric: 'calls',
      value,
      ts,
      unit: null,
      source: 'test',
      attrs: {},
      correlationId: null,
      attribution: null,
    };
    const amount = parseDecimal(value);
    if (typeof amount !== 'bigint') throw new TypeError(value);
    const origin = { offset: fromOffset + BigInt(index), receivedAt: NOW, payload: Buffer.from(value) };
    const [key, content] = [eventKey(event.id), contentDigest(event, amount)];
    return { event, tenant, metric, value: amount, origin, key, content };
  });
  const result = await flush(
    pool,
    {
      source: SOURCE,
      partition: 0,
      fromOffset,
      nextOffset: fromOffset + BigInt(events.length),
      registryVersion: registry.version,
      accepted,
      refused: [],
      processedThrough: null,
      replayOf: null,
    },
    registry,
  );
  if (result.kind !== 'committed') throw new Error(`the flush ended as ${result.kind}`);
  return result;
}

async function quarantined(pool: Pool): Promise<unknown[]> {
  const rows = await pool.query(
    'SELECT reason, value, occurrences FROM meterhouse.quarantine ORDER BY value',
  );
  return rows.rows;
}

async function usage(pool: Pool): Promise<unknown[]> {
  const rows = await pool.query('SELECT trim_scale(sum)::text AS sum, count FROM meterhouse.usage_hourly');
  return rows.rows;
}

test('I2: a repetition that comes after its contradiction in a batch is a repetition', async () => {
  const pool = await database();
  await count(pool, [{ value: '1' }]);
  const second = await count(pool, [{ value: '7' }, { value: '1' }, { value: '9' }]);
  expect(second).toMatchObject({ counted: 0, duplicates: 1, quarantined: 2 });
  expect(await quarantined(pool)).toEqual([
    { reason: 'id_conflict', value: '7', occurrences: '1' },
    { reason: 'id_conflict', value: '9', occurrences: '1' },
  ]);
  expect(await usage(pool)).toEqual([{ sum: '1', count: '1' }]);
});

test('I2: so it is when the contradiction lies in another period of the de-duplication', async () => {
  const pool = await database();
  expect(dedupPeriod(WEEKS_AGO)).not.toBe(dedupPeriod(NOW));
  await count(pool, [{ value: '1' }]);
  const second = await count(pool, [{ value: '1', ts: WEEKS_AGO }, { value: '1' }]);
  expect(second).toMatchObject({ counted: 0, duplicates: 1, quarantined: 1 });
  expect(await quarantined(pool)).toEqual([{ reason: 'id_conflict', value: '1', occurrences: '1' }]);
  expect(await usage(pool)).toEqual([{ sum: '1', count: '1' }]);
});

test('of a new id, the first of the batch counts and what says otherwise is quarantined', async () => {
  const pool = await database();
  expect(await count(pool, [{ value: '1' }, { value: '7' }, { value: '1' }])).toMatchObject({
    counted: 1,
    duplicates: 1,
    quarantined: 1,
  });
  expect(await usage(pool)).toEqual([{ sum: '1', count: '1' }]);
});
