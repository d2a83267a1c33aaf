/** A fresh database for one test, and flushes of the real kind without a broker. */
import { freshDatabase, sharedStack } from '@meterhouse/dev-stack/testing';
import { addEvent, hourOf, parseDecimal, type Bucket, type Buckets } from '@meterhouse/usage';
import type { Pool } from 'pg';
import { onTestFinished } from 'vitest';
import { writeBuckets } from './flush/buckets.ts';
import { migratePostgres } from './migrations.ts';
import { createPool, type Role } from './pool.ts';
import { CHANGE_LOG_CHANNEL } from './tailer-wakeups.ts';
import { inTransaction } from './transaction.ts';

export interface CountedEvent {
  readonly tenantId: string;
  readonly metric: string;
  /** Epoch ms. */
  readonly ts: number;
  /** Decimal. */
  readonly value: string;
  readonly id: string;
  readonly attrs: Readonly<Record<string, string>>;
  /** The broker had it well after its hour was over. */
  readonly isLate?: boolean;
}

export interface ChangeLogBed {
  readonly url: string;
  /** With the rights of the database's owner. */
  readonly pool: Pool;
  /** A pool with a service's rights. */
  poolAs(role: Role): Pool;
  /** Counts events as one flush: the same statement, in one transaction, as the aggregator's. */
  count(source: string, partition: number, events: readonly CountedEvent[]): Promise<void>;
  /** Says that everything that the partition had before the instant has been counted. */
  watermark(source: string, partition: number, at: number): Promise<void>;
}

export async function changeLogBed(): Promise<ChangeLogBed> {
  const url = await freshDatabase(await sharedStack());
  await migratePostgres(url);
  const open = (role?: Role): Pool => {
    const pool = createPool({
      url,
      applicationName: 'test',
      max: 6,
      ...(role === undefined ? {} : { role }),
    });
    onTestFinished(() => pool.end());
    return pool;
  };
  const pool = open();
  return {
    url,
    pool,
    poolAs: open,
    count: (source, partition, events) => count(pool, source, partition, events),
    watermark: async (source, partition, at) => {
      await pool.query(
        `INSERT INTO meterhouse.progress AS p (source, partition, next_offset, processed_through)
         VALUES ($1, $2, 0, to_timestamp($3::numeric / 1000))
         ON CONFLICT (source, partition) DO UPDATE SET processed_through = excluded.processed_through`,
        [source, partition, at],
      );
    },
  };
}

async function count(
  pool: Pool,
  source: string,
  partition: number,
  events: readonly CountedEvent[],
): Promise<void> {
  await inTransaction(pool, async (client) => {
    await client.query(
      'INSERT INTO meterhouse.progress (source, partition, next_offset) VALUES ($1, $2, 0) ON CONFLICT DO NOTHING',
      [source, partition],
    );
    const locked = await client.query<{ next_offset: string; flush_id: string }>(
      `SELECT next_offset, nextval('meterhouse.flush_id') AS flush_id
       FROM meterhouse.progress WHERE source = $1 AND partition = $2 FOR UPDATE`,
      [source, partition],
    );
    const buckets = aggregate(events);
    const fromOffset = BigInt(locked.rows[0]?.next_offset ?? 0);
    await writeBuckets(client, {
      source,
      partition,
      fromOffset,
      nextOffset: fromOffset + BigInt(Math.max(1, events.length)),
      flushId: BigInt(locked.rows[0]?.flush_id ?? 0),
      processedThrough: null,
      buckets,
      late: lateOf(buckets, events),
      direct: new Map(),
    });
    await client.query('SELECT pg_notify($1, $2)', [CHANGE_LOG_CHANNEL, '']);
  });
}

/** All or none of a bucket's events are late here. */
function lateOf(buckets: Buckets, events: readonly CountedEvent[]): ReadonlyMap<Bucket, bigint> {
  const hours = new Set(events.filter(({ isLate }) => isLate).map(({ ts }) => hourOf(ts)));
  return new Map(
    [...buckets.values()].filter(({ hour }) => hours.has(hour)).map((bucket) => [bucket, bucket.count]),
  );
}

function aggregate(events: readonly CountedEvent[]): Buckets {
  const buckets: Buckets = new Map();
  for (const { id, tenantId, metric, ts, value, attrs } of events) {
    const billionths = parseDecimal(value);
    if (typeof billionths !== 'bigint') throw new Error(`${value}: ${billionths}`);
    addEvent(buckets, {
      event: {
        id,
        tenantId,
        metric,
        ts,
        value,
        attrs,
        unit: null,
        source: '',
        correlationId: null,
        attribution: null,
      },
      tenant: { id: tenantId, name: tenantId, parent: null, number: 1 },
      metric: {
        name: metric,
        unit: 'unit',
        aggregation: 'sum',
        scale: 9,
        family: 'compute',
        groupBy: Object.keys(attrs),
      },
      value: billionths,
    });
  }
  return buckets;
}

/** A repeatable stream of numbers in [0, 1): a test's own randomness (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const FIRST_HOUR = Date.UTC(2026, 0, 31, 22);

/** Events of few tenants, metrics and hours (across midnight and a month's end), so that buckets change often. */
export function randomEvents(random: () => number, howMany: number): CountedEvent[] {
  const pick = <T>(list: readonly [T, ...T[]]): T => list[Math.floor(random() * list.length)] ?? list[0];
  return Array.from({ length: howMany }, () => ({
    tenantId: pick(['acme', 'acme-search', 'zenith']),
    metric: pick(['llm.input_tokens', 'storage.bytes']),
    ts: FIRST_HOUR + Math.floor(random() * 4 * 3_600_000),
    value: `${random() < 0.2 ? '-' : ''}${Math.floor(random() * 1e9)}.${Math.floor(random() * 1e9)
      .toString()
      .padStart(9, '0')}`,
    id: `e${Math.floor(random() * 1e15)}`,
    attrs: pick<Record<string, string>>([
      {},
      { model: 'small' },
      { model: 'lärge "1"' },
      { bb: '1', a: 'x' },
      { bb: '2', a: 'x\\' },
    ]),
  }));
}
