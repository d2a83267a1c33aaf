/**
 * Guarantees, on a real Postgres, with the rights of meterhouse_producer:
 *  - I1: an id that came through Kafka and comes again directly counts once, and the other way round
 *  - I3: whatever step of a direct flush dies, and however often, its effects are all there or none is; a
 *    lost answer to COMMIT is settled, so nothing is counted or quarantined twice
 *  - I4: any number of processes count side by side; lanes keep their offsets without gaps
 *  - I6: a direct lane is complete through the moment at which it is read, also while nothing is sent
 *  - I9: within a scope nothing of another tenant can be counted, and never in another source's name
 */
import { DEFAULT_WINDOW, type UsageEvent } from '@meterhouse/usage';
import { anEvent as usageEvent } from '@meterhouse/usage/testing';
import type { Pool } from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import {
  countDirect,
  DedupPeriods,
  directRecord,
  RegistryCache,
  UNOBSERVED,
  type CountingDeps,
  type DirectOutcome,
} from '../counting/index.ts';
import { readCountingProgress } from '../lag-queries.ts';
import { createPool } from '../pool.ts';
import { ensureDirectLanes, FLUSH_STEPS, type FlushStep } from './index.ts';
import { flushBed, flushNext, NOW } from './testing.ts';

interface Direct {
  readonly pool: Pool;
  readonly worker: Pool;
  readonly producer: Pool;
  readonly count: (
    events: readonly UsageEvent[],
    overrides?: Partial<CountingDeps>,
  ) => Promise<DirectOutcome | null>;
}

async function directBed(): Promise<Direct> {
  const { pool, worker } = await flushBed();
  const url = pool.options.connectionString ?? '';
  const producer = createPool({ url, role: 'meterhouse_producer', applicationName: 'producer', max: 10 });
  onTestFinished(() => producer.end());
  await ensureDirectLanes(producer);
  const deps = (overrides: Partial<CountingDeps> = {}): CountingDeps => ({
    pool: producer,
    registry: new RegistryCache(producer),
    periods: new DedupPeriods(producer),
    window: DEFAULT_WINDOW,
    failpoint: () => Promise.resolve(),
    random: Math.random,
    logger: { info: () => undefined, warn: () => undefined },
    observer: UNOBSERVED,
    postgresTimeoutMs: 30_000,
    ...overrides,
  });
  const count = (events: readonly UsageEvent[], overrides: Partial<CountingDeps> = {}) =>
    countDirect(deps(overrides), {
      records: events.map((event, index) => directRecord(event, index, NOW)),
      lane: 0,
      abandoned: () => false,
    });
  return { pool, worker, producer, count };
}

function anEvent(fields: Partial<UsageEvent> = {}): UsageEvent {
  return usageEvent({ tenantId: 'acme', metric: 'calls' }, { ts: NOW, ...fields });
}

async function usage(pool: Pool): Promise<unknown[]> {
  const rows = await pool.query<object>(
    'SELECT tenant_id, trim_scale(sum(sum))::text AS sum, sum(count)::integer AS count, sum(direct)::integer AS direct FROM meterhouse.usage_hourly GROUP BY 1 ORDER BY 1',
  );
  return rows.rows;
}

async function logIsWhole(pool: Pool): Promise<void> {
  const log = await pool.query<{ partition: number; from_offset: string; next_offset: string }>(
    `SELECT partition, from_offset, next_offset FROM meterhouse.change_log WHERE source = 'direct' ORDER BY 1, 3`,
  );
  const at = new Map<number, string>();
  for (const { partition, from_offset, next_offset } of log.rows) {
    expect(from_offset).toBe(at.get(partition) ?? '0');
    at.set(partition, next_offset);
  }
}

test('I1: an id counts once, whichever way it came first', async () => {
  const { pool, worker, count } = await directBed();
  const [first, second] = [anEvent({ id: 'one', value: '2' }), anEvent({ id: 'two', value: '3' })];
  await flushNext(worker, [{ event: first }]);
  expect(await count([first, second])).toMatchObject({ kind: 'committed', counted: 1, duplicates: 1 });
  expect(await flushNext(worker, [{ event: second }])).toMatchObject({ counted: 0, duplicates: 1 });
  expect(await usage(pool)).toEqual([{ tenant_id: 'acme', sum: '5', count: 2, direct: 1 }]);
});

test.each(FLUSH_STEPS)('I3: a session that ends %s loses nothing and counts nothing twice', async (step) => {
  const { pool, count } = await directBed();
  let strikes = 3;
  const failpoint = (at: FlushStep): Promise<void> => {
    if (at !== step || strikes === 0) return Promise.resolve();
    strikes -= 1;
    return Promise.reject(Object.assign(new Error(`struck ${at}`), { code: '57P01' }));
  };
  const events = Array.from({ length: 20 }, (_, index) => anEvent({ value: String(index) }));
  const bad = anEvent({ id: 'bad', tenantId: 'nobody' });
  expect(await count([...events, bad], { failpoint })).toMatchObject({ kind: 'committed' });
  expect(await usage(pool)).toEqual([{ tenant_id: 'acme', sum: '190', count: 20, direct: 20 }]);
  const waiting = await pool.query('SELECT event_id, occurrences, source FROM meterhouse.quarantine');
  expect(waiting.rows).toEqual([{ event_id: 'bad', occurrences: '1', source: 'direct' }]);
  const flushes = await pool.query('SELECT FROM meterhouse.change_log');
  expect(flushes.rowCount).toBe(1);
  await logIsWhole(pool);
});

test('I3: an answer to COMMIT that is lost on its way is settled by asking', async () => {
  const { pool, producer, count } = await directBed();
  let lost = 0;
  const connect = producer.connect.bind(producer);
  // The fault that a real server does not produce on demand: it commits, and nobody hears of it.
  const deaf = Object.create(producer, {
    connect: {
      value: async () => {
        const client = await connect();
        const query = client.query.bind(client) as (...asked: unknown[]) => Promise<unknown>;
        client.query = (async (...asked: unknown[]) => {
          const answer = await query(...asked);
          if (asked[0] !== 'COMMIT' || lost > 0) return answer;
          lost += 1;
          throw Object.assign(new Error('Connection terminated unexpectedly'), { code: 'ECONNRESET' });
        }) as typeof client.query;
        return client;
      },
    },
  }) as Pool;
  const bad = anEvent({ id: 'bad', tenantId: 'nobody' });
  const answer = await count([anEvent({ value: '4' }), bad], { pool: deaf });
  expect(lost).toBe(1);
  expect(answer).toMatchObject({ kind: 'committed', counted: 1, duplicates: 0, quarantined: 1 });
  expect((await pool.query('SELECT occurrences FROM meterhouse.quarantine')).rows).toEqual([
    { occurrences: '1' },
  ]);
  expect((await pool.query('SELECT FROM meterhouse.change_log')).rowCount).toBe(1);
});

test('I4: many at once, with the same events and different ones, each count once', async () => {
  const { pool, count } = await directBed();
  const shared = Array.from({ length: 40 }, () => anEvent());
  const rounds = Array.from({ length: 12 }, () => [
    ...shared,
    ...Array.from({ length: 10 }, () => anEvent({ value: '2' })),
  ]);
  const answers = await Promise.all(rounds.map((events) => count(events)));
  const counted = answers.map((answer) => (answer?.kind === 'committed' ? answer.counted : Number.NaN));
  expect(counted.reduce((sum, one) => sum + one, 0)).toBe(40 + 12 * 10);
  expect(await usage(pool)).toEqual([{ tenant_id: 'acme', sum: '280', count: 160, direct: 160 }]);
  await logIsWhole(pool);
  const lanes = await pool.query(
    `SELECT count(*) FILTER (WHERE next_offset > 0)::integer AS used FROM meterhouse.progress WHERE source = 'direct'`,
  );
  expect((lanes.rows as { used: number }[])[0]?.used).toBeGreaterThan(1);
});

test('I6: a lane is complete through the moment of reading, and not beyond what waits in the outbox', async () => {
  const { pool, producer } = await directBed();
  const before = await pool.query<{ now: Date }>('SELECT now()');
  const lanes = await readCountingProgress(producer);
  const [first] = lanes;
  expect(first?.processedThrough?.getTime()).toBeGreaterThanOrEqual(before.rows[0]?.now.getTime() ?? 0);
  const recorded = await producer.query<{ outcome: string }>(
    `SELECT outcome FROM meterhouse.record_usage('acme', '{}')`,
  );
  expect(recorded.rows).toEqual([{ outcome: 'recorded' }]);
  const waits = await pool.query<{ at: Date }>('SELECT recorded_at AS at FROM meterhouse.usage_outbox');
  const held = await readCountingProgress(producer);
  expect(held[0]?.processedThrough).toEqual(waits.rows[0]?.at);
  // What goes to Kafka has its own watermark there.
  await pool.query(`UPDATE meterhouse.outbox_state SET target = 'kafka'`);
  const free = await readCountingProgress(producer);
  expect(free[0]?.processedThrough?.getTime()).toBeGreaterThan(waits.rows[0]?.at.getTime() ?? 0);
});

test('I9: within a scope nothing of another tenant is counted or seen; never another source', async () => {
  const { pool, producer, count } = await directBed();
  await pool.query(
    `INSERT INTO meterhouse.tenants (id, name) VALUES ('other', 'Other');
     UPDATE meterhouse.registry_version SET version = version + 1`,
  );
  await count([anEvent({ tenantId: 'other' })]);
  const inScope = async (statement: string): Promise<unknown> => {
    const client = await producer.connect();
    try {
      await client.query('BEGIN');
      await client.query(`SET LOCAL meterhouse.tenant_scope = 'acme'`);
      return await client.query(statement).then(
        (found) => found.rowCount,
        (error: unknown) => (error instanceof Error && 'code' in error ? error.code : error),
      );
    } finally {
      await client.query('ROLLBACK');
      client.release();
    }
  };
  const insert = (tenant: string): string =>
    `INSERT INTO meterhouse.usage_hourly (tenant_id, metric, hour, sum, count, min, max, latest, latest_ts, latest_id, revision)
     VALUES ('${tenant}', 'calls', '2026-01-01', 1, 1, 1, 1, 1, now(), 'x', 1)`;
  expect(await inScope('SELECT FROM meterhouse.usage_hourly')).toBe(0);
  expect(await inScope('UPDATE meterhouse.usage_hourly SET sum = 0')).toBe(0);
  expect(await inScope(insert('other'))).toBe('42501');
  expect(await inScope(insert('acme'))).toBe(1);
  const refused = (statement: string): Promise<unknown> =>
    producer.query(statement).then(
      (found) => found.rowCount,
      (error: unknown) => (error instanceof Error && 'code' in error ? error.code : error),
    );
  await pool.query(
    `INSERT INTO meterhouse.progress (source, partition, next_offset) VALUES ('usage_events', 7, 5)`,
  );
  expect(await refused(`UPDATE meterhouse.progress SET next_offset = 9 WHERE source = 'usage_events'`)).toBe(
    0,
  );
  expect(
    await refused(
      `INSERT INTO meterhouse.progress (source, partition, next_offset) VALUES ('usage_events', 8, 0)`,
    ),
  ).toBe('42501');
  expect(
    await refused(
      `INSERT INTO meterhouse.change_log (source, partition, from_offset, next_offset, flush_id, changes) VALUES ('usage_events', 7, 5, 6, 1, '[]')`,
    ),
  ).toBe('42501');
  expect(await refused('DELETE FROM meterhouse.seen_events')).toBe('42501');
});
