/**
 * On a real Postgres and ClickHouse. Guarantees:
 * - I5: ClickHouse ends equal to Postgres, bucket by bucket, whatever happens to it or to the mirror:
 *   it is frozen, killed, wiped, put back, or the mirror is cut off, overtaken or started twice.
 * - I5: while ClickHouse is away counting goes on.
 * - I5: a rebuild heals rows that are wrong, missing or too many, while flushes go on.
 * - I6: what ClickHouse says to be complete is what it holds.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { randomUUID } from 'node:crypto';
import {
  compareMirror,
  createClickHouse,
  migrateClickHouse,
  readMirrorProgress,
  rebuildClickHouse,
  type ClickHouse,
  type MirrorComparison,
  type RebuildProgress,
} from '@meterhouse/clickhouse';
import { freshClickHouse, select } from '@meterhouse/clickhouse/testing';
import { startStack, type Stack } from '@meterhouse/dev-stack';
import {
  CLICKHOUSE_MIRROR,
  holdLogFromHere,
  inTransaction,
  mirrorComparisonSource,
  mirrorRebuildSource,
  pruneChangeLog,
  readTailer,
  requestResync,
  type Pool,
} from '@meterhouse/postgres';
import { changeLogBed, randomEvents, seeded, type ChangeLogBed } from '@meterhouse/postgres/testing';
import { createLogger, waitFor } from '@meterhouse/runtime';
import { describe, expect, onTestFinished, test } from 'vitest';
import { startMirror, type Mirror, type MirrorOptions } from './mirror.ts';

const DEADLINE = { deadlineMs: 40_000 };
const SOURCE = 'events';

function mirror(bed: ChangeLogBed, clickhouse: ClickHouse, overrides: Partial<MirrorOptions> = {}): Mirror {
  const started = startMirror({
    pool: bed.poolAs('meterhouse_aggregator'),
    clickhouse,
    logger: createLogger('mirror', process.env['LOG_LEVEL'] ?? 'silent'),
    now: Date.now,
    random: Math.random,
    unique: randomUUID,
    times: { standbyMs: 50, pollMs: 50, minIntervalMs: 0 },
    ...overrides,
  });
  onTestFinished(() => started.stop());
  return started;
}

function compare(pool: Pool, clickhouse: ClickHouse): Promise<MirrorComparison> {
  return compareMirror({ clickhouse, source: mirrorComparisonSource(pool), catchUpMs: 40_000 });
}

/** Equal to the last bucket and digit, with something in it, once the mirror has caught up. */
async function expectEqual(pool: Pool, clickhouse: ClickHouse): Promise<void> {
  await caughtUp(pool);
  const result = await compare(pool, clickhouse);
  expect(result).toMatchObject({ different: 0, listed: [], moving: 0, mirrorBehind: false });
  expect(result.postgresBuckets).toBeGreaterThan(0);
  expect(result.clickhouseBuckets).toBe(result.postgresBuckets);
}

async function caughtUp(pool: Pool): Promise<void> {
  const source = mirrorComparisonSource(pool);
  expect(await source.mirrorCaughtUp(DEADLINE.deadlineMs, new AbortController().signal)).toBe(true);
}

/** Its first batch after the start is through, and nothing changes. */
function atRest(following: Mirror): boolean {
  const status = following.status();
  return status.role === 'active' && status.phase === 'following' && status.batches > 0;
}

/** Flushes into three partitions and prunes the log, until stopped; no faster than a mirror on a busy machine follows. */
function counting(bed: ChangeLogBed, random: () => number): { stop: () => Promise<number> } {
  let stopped = false;
  const run = async (): Promise<number> => {
    let flushes = 0;
    for (; !stopped; flushes++) {
      await bed.count(SOURCE, flushes % 3, randomEvents(random, 20));
      await pruneChangeLog(bed.pool, { maxRows: 10_000 });
      await delay(20);
    }
    return flushes;
  };
  const done = run();
  const stop = (): Promise<number> => {
    stopped = true;
    return done;
  };
  onTestFinished(async () => {
    await stop();
  });
  return { stop };
}

/** A ClickHouse of the test's own, to be frozen and killed. */
async function ownClickHouse(): Promise<{ stack: Stack; clickhouse: ClickHouse }> {
  const dataDir = await mkdtemp(join(tmpdir(), 'meterhouse-mirror-'));
  const stack = await startStack({ dataDir, parts: ['clickhouse'] });
  const clickhouse = createClickHouse(stack.endpoints.clickhouse, 'meterhouse', { requestTimeoutMs: 1_000 });
  onTestFinished(async () => {
    await clickhouse.close();
    await stack.stop();
    await rm(dataDir, { recursive: true, force: true });
  });
  return { stack, clickhouse };
}

/** Of three inserts one fails on the way there and one on the way back, after it took effect. */
function losingAnswers(clickhouse: ClickHouse): ClickHouse {
  let calls = 0;
  const insert: ClickHouse['client']['insert'] = async (params) => {
    const call = calls++ % 3;
    if (call === 0) throw new Error('lost on the way there');
    const result = await clickhouse.client.insert(params);
    if (call === 1) throw new Error('lost on the way back');
    return result;
  };
  const client = new Proxy(clickhouse.client, {
    get: (target, name): unknown => {
      if (name === 'insert') return insert;
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  return { ...clickhouse, client };
}

async function rebuild(
  bed: ChangeLogBed,
  clickhouse: ClickHouse,
  options: { onProgress?: (progress: RebuildProgress) => void; signal?: AbortSignal; unique?: string } = {},
): Promise<RebuildProgress> {
  return rebuildClickHouse({
    clickhouse,
    source: mirrorRebuildSource(bed.poolAs('meterhouse_operator')),
    unique: randomUUID(),
    now: Date.now,
    ...options,
  });
}

/** Wrong numbers under a revision that no flush will reach, a row that is gone, a row that nobody counted. */
async function plant(clickhouse: ClickHouse): Promise<void> {
  const command = (query: string): Promise<unknown> =>
    clickhouse.client.command({ query, clickhouse_settings: { mutations_sync: '2' } });
  await command(
    `INSERT INTO usage_hourly_revisions
     SELECT tenant_id, metric, hour, attrs_key, attrs, sum + 1, count, min, max, latest, latest_ts, latest_id, revision + 1000
     FROM usage_hourly ORDER BY tenant_id, metric, hour, attrs_key LIMIT 2`,
  );
  await command(
    `DELETE FROM usage_hourly_revisions WHERE (tenant_id, metric, hour, attrs_key) IN (
       SELECT tenant_id, metric, hour, attrs_key FROM usage_hourly ORDER BY tenant_id DESC, metric DESC, hour DESC, attrs_key DESC LIMIT 3)`,
  );
  await command(
    `INSERT INTO usage_hourly_revisions (tenant_id, metric, hour, attrs_key, sum, count, revision)
     VALUES ('nobody', 'm', '2026-01-01 00:00:00', '{}', 1, 1, 1)`,
  );
}

describe('the comparison', () => {
  test('I5: finds wrong, missing and extra rows, each once, and only them', async () => {
    const bed = await changeLogBed();
    const clickhouse = await freshClickHouse();
    mirror(bed, clickhouse);
    await bed.count(SOURCE, 0, randomEvents(seeded(1), 300));
    await expectEqual(bed.pool, clickhouse);
    await plant(clickhouse);
    const planted = await compare(bed.pool, clickhouse);
    expect(planted).toMatchObject({ different: 6, moving: 0, mirrorBehind: false });
    const kind = (side: unknown): string => (side === null ? 'none' : 'some');
    expect(
      planted.listed.map((each) => `${kind(each.postgres)} ${kind(each.clickhouse)}`).toSorted(),
    ).toEqual(['some some', 'some some', 'some none', 'some none', 'some none', 'none some'].toSorted());
  });

  test('I5: does not take buckets that move meanwhile for differences', async () => {
    const bed = await changeLogBed();
    const clickhouse = await freshClickHouse();
    mirror(bed, clickhouse);
    const flushes = counting(bed, seeded(2));
    for (let i = 0; i < 3; i++) expect((await compare(bed.pool, clickhouse)).different).toBe(0);
    expect(await flushes.stop()).toBeGreaterThan(0);
    await expectEqual(bed.pool, clickhouse);
  });
});

describe('following', () => {
  test('I5: the log, replayed from any cursor, any number of times, while flushes go on, ends in the same state', async () => {
    const bed = await changeLogBed();
    const clickhouse = await freshClickHouse();
    const random = seeded(3);
    await bed.count(SOURCE, 0, randomEvents(random, 50));
    const following = mirror(bed, losingAnswers(clickhouse), {
      bounds: { maxRows: 5, maxBytes: 1_000_000 },
    });
    await caughtUp(bed.pool);
    for (let round = 0; round < 15; round++) {
      await Promise.all([0, 1, 2].map((partition) => bed.count(SOURCE, partition, randomEvents(random, 20))));
      // Back to any row that the log holds, as a lost COMMIT or a mirror that was cut off would.
      await bed.pool.query(
        `WITH raised AS (UPDATE meterhouse.tailers SET version = version + 1 WHERE name = $1)
         UPDATE meterhouse.tailer_cursors AS c SET next_offset = (
           SELECT l.from_offset FROM meterhouse.change_log AS l
           WHERE l.source = c.source AND l.partition = c.partition AND l.from_offset <= c.next_offset
           ORDER BY random() LIMIT 1)
         WHERE tailer = $1 AND EXISTS (
           SELECT FROM meterhouse.change_log AS l
           WHERE l.source = c.source AND l.partition = c.partition AND l.from_offset <= c.next_offset)`,
        [CLICKHOUSE_MIRROR],
      );
    }
    await expectEqual(bed.pool, clickhouse);
    expect(following.status()).toMatchObject({ role: 'active', resyncs: 1 });
  });

  test('I5: two mirrors at once, both without the lock, both cut off at any moment', async () => {
    const bed = await changeLogBed();
    const clickhouse = await freshClickHouse();
    const flushes = counting(bed, seeded(4));
    for (let round = 0; round < 5; round++) {
      const both = [mirror(bed, clickhouse), mirror(bed, clickhouse)];
      const active = (): Mirror[] => both.filter((each) => each.status().role === 'active');
      await waitFor('one to be active', () => (active().length > 0 ? true : undefined), DEADLINE);
      expect(active()).toHaveLength(1);
      // The lock is taken away from the one that holds it; the other gets it while the first still works.
      await bed.pool.query(
        `SELECT pg_terminate_backend(pid) FROM pg_locks
         WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
           AND objid::bigint = (hashtext($1)::bigint & 4294967295)`,
        [`meterhouse.mirror.${CLICKHOUSE_MIRROR}`],
      );
      const [first] = active();
      if (round % 2 === 0) await first?.stop();
      await Promise.all(both.map((each) => each.stop()));
    }
    await flushes.stop();
    mirror(bed, clickhouse);
    await expectEqual(bed.pool, clickhouse);
  });

  test('I6: complete_through reaches the watermark once everything is mirrored, and not before', async () => {
    const bed = await changeLogBed();
    const clickhouse = await freshClickHouse();
    const through = async (): Promise<string | undefined> =>
      (
        await select<{ complete_through: string }>(
          clickhouse,
          'SELECT complete_through FROM complete_through',
        )
      )[0]?.complete_through;
    await bed.count(SOURCE, 0, randomEvents(seeded(5), 10));
    await bed.watermark(SOURCE, 0, Date.UTC(2026, 0, 1, 0, 0, 0, 250));
    const first = mirror(bed, clickhouse);
    await waitFor(
      'the watermark',
      async () => ((await through()) === '2026-01-01 00:00:00.250' ? true : undefined),
      DEADLINE,
    );
    await first.stop();
    await bed.count(SOURCE, 0, randomEvents(seeded(6), 10));
    await bed.watermark(SOURCE, 0, Date.UTC(2026, 0, 2));
    expect(await through()).toBe('2026-01-01 00:00:00.250');
    mirror(bed, clickhouse);
    await waitFor(
      'the watermark',
      async () => ((await through()) === '2026-01-02 00:00:00.000' ? true : undefined),
      DEADLINE,
    );
    await expectEqual(bed.pool, clickhouse);
    const stored = await bed.pool.query<{ complete_through: Date }>(
      'SELECT complete_through FROM meterhouse.tailers WHERE name = $1',
      [CLICKHOUSE_MIRROR],
    );
    expect(stored.rows[0]?.complete_through).toEqual(new Date(Date.UTC(2026, 0, 2)));
  });
});

describe('ClickHouse away', () => {
  test('I5: frozen, then killed: counting goes on, the mirror waits, catches up, difference 0', async () => {
    const bed = await changeLogBed();
    const random = seeded(7);
    const { stack, clickhouse } = await ownClickHouse();
    const following = mirror(bed, clickhouse);
    const flush = async (howMany: number): Promise<void> => {
      for (let i = 0; i < howMany; i++) await bed.count(SOURCE, i % 3, randomEvents(random, 20));
    };
    const failing = (): Promise<unknown> =>
      waitFor(
        'the mirror to say that it fails',
        () => ((following.status() as { phase?: string }).phase === 'failing' ? true : undefined),
        DEADLINE,
      );
    await flush(3);
    await caughtUp(bed.pool);
    for (const fault of ['SIGSTOP', 'SIGKILL'] as const) {
      await stack.part('clickhouse').kill(fault);
      await flush(30);
      await failing();
      // Whoever prunes meanwhile takes nothing that the mirror still needs.
      expect((await pruneChangeLog(bed.pool, { maxRows: 1_000 })).overtaken).toEqual([]);
      if (fault === 'SIGSTOP') await stack.part('clickhouse').kill('SIGCONT');
      else await stack.part('clickhouse').start();
      await expectEqual(bed.pool, clickhouse);
    }
    // The first start's, which is not counted where its last answer came too late; none after it.
    const status = following.status();
    expect('resyncs' in status && status.resyncs <= 1).toBe(true);
  });

  test('I5: away for longer than the log is kept: the mirror makes ClickHouse again', async () => {
    const bed = await changeLogBed();
    const random = seeded(8);
    const { stack, clickhouse } = await ownClickHouse();
    const following = mirror(bed, clickhouse);
    await bed.count(SOURCE, 0, randomEvents(random, 20));
    await caughtUp(bed.pool);
    await stack.part('clickhouse').kill('SIGKILL');
    for (let i = 0; i < 30; i++) await bed.count(SOURCE, i % 3, randomEvents(random, 20));
    const pruned = await pruneChangeLog(bed.poolAs('meterhouse_aggregator'), { maxRows: 10 });
    expect(pruned.overtaken).toEqual([CLICKHOUSE_MIRROR]);
    await stack.part('clickhouse').start();
    await expectEqual(bed.pool, clickhouse);
    expect(following.status()).toMatchObject({ role: 'active' });
  });

  const wipes: [how: string, (clickhouse: ClickHouse) => Promise<unknown>][] = [
    ['the database is gone', (it) => it.client.command({ query: `DROP DATABASE ${it.database} SYNC` })],
    ['every table is gone', (it) => it.client.command({ query: `TRUNCATE ALL TABLES FROM ${it.database}` })],
    [
      'an old backup was put back',
      async (it) => {
        await it.client.command({ query: 'TRUNCATE TABLE usage_hourly_revisions' });
        await it.client.command({ query: 'TRUNCATE TABLE mirror_progress' });
        await it.client.command({ query: `INSERT INTO mirror_progress VALUES ('${SOURCE}', 0, 1, 0, 0)` });
      },
    ],
    [
      'Postgres was put back: ClickHouse has what Postgres never counted',
      async (it) => {
        await plant(it);
        await it.client.command({
          query: `INSERT INTO mirror_progress VALUES ('${SOURCE}', 0, 1000000, now(), now())`,
        });
      },
    ],
  ];
  test.each(wipes)('I5: heals by itself: %s', async (_, wipe) => {
    const bed = await changeLogBed();
    const random = seeded(9);
    const clickhouse = await freshClickHouse();
    await bed.count(SOURCE, 0, randomEvents(random, 100));
    const following = mirror(bed, clickhouse);
    // A wipe within the very statement by which the mirror writes its progress is beyond what it can see.
    await waitFor('the mirror to be at rest', () => (atRest(following) ? true : undefined), DEADLINE);
    await wipe(clickhouse);
    await bed.count(SOURCE, 1, randomEvents(random, 1));
    await expectEqual(bed.pool, clickhouse);
    const said = await readMirrorProgress(clickhouse);
    expect(said.map((at) => at.nextOffset)).toEqual([100n, 1n]);
  });

  test('a database that a newer release has migrated is left alone, and the mirror says so', async () => {
    const bed = await changeLogBed();
    const clickhouse = await freshClickHouse();
    await clickhouse.client.insert({
      table: 'schema_migrations',
      values: [{ name: '9999_future.sql' }],
      format: 'JSONEachRow',
    });
    const following = mirror(bed, clickhouse);
    await bed.count(SOURCE, 0, randomEvents(seeded(10), 10));
    await waitFor(
      'the mirror to say so',
      () =>
        (following.status() as { error?: string | null }).error?.includes('9999_future.sql') === true
          ? true
          : undefined,
      DEADLINE,
    );
    expect(await select(clickhouse, 'SELECT count() AS n FROM usage_hourly')).toEqual([{ n: '0' }]);
  });
});

describe('rebuilding', () => {
  test('I5: heals wrong, missing and extra rows while flushes and the mirror go on; nobody sees the numbers go back', async () => {
    const bed = await changeLogBed();
    const clickhouse = await freshClickHouse();
    mirror(bed, clickhouse);
    await bed.count(SOURCE, 0, randomEvents(seeded(11), 300));
    await caughtUp(bed.pool);
    const flushes = counting(bed, seeded(12));
    for (let round = 0; round < 3; round++) {
      await plant(clickhouse);
      // Every event counts 1, so what a reader sees can only grow, apart from the planted rows' own 1.
      const seen = readers(clickhouse);
      const done = await rebuild(bed, clickhouse);
      expect(done.phase).toBe('done');
      expect(done.buckets).toBeGreaterThan(0);
      expect(await seen.stop()).toBe('never went back');
      expect((await compare(bed.pool, clickhouse)).different).toBe(0);
    }
    await flushes.stop();
    await expectEqual(bed.pool, clickhouse);
    const left = await select(
      clickhouse,
      `SELECT name FROM system.tables WHERE database = currentDatabase() AND name LIKE '%rebuild%'`,
    );
    expect(left).toEqual([]);
    expect((await pruneChangeLog(bed.pool, { maxRows: 1_000 })).left, 'the log is let go').toBe(0);
  });

  test('I5: one that dies at any step leaves a mirror that ends equal', async () => {
    const bed = await changeLogBed();
    const clickhouse = await freshClickHouse();
    const random = seeded(13);
    mirror(bed, clickhouse);
    await bed.count(SOURCE, 0, randomEvents(random, 100));
    await caughtUp(bed.pool);
    for (const phase of ['waiting', 'filling', 'following', 'exchanging'] as const) {
      const flushes = counting(bed, random);
      const dying = new AbortController();
      const died = rebuild(bed, clickhouse, {
        signal: dying.signal,
        onProgress: (progress) => {
          if (progress.phase === phase) dying.abort(new Error(`died while ${phase}`));
        },
      });
      await expect(died, phase).rejects.toThrow();
      await flushes.stop();
      await expectEqual(bed.pool, clickhouse);
    }
  });

  test('I5: an exchange that reaches ClickHouse only after its rebuild has died undoes nothing', async () => {
    const bed = await changeLogBed();
    const random = seeded(14);
    const { stack, clickhouse } = await ownClickHouse();
    await migrateClickHouse(clickhouse);
    const following = mirror(bed, clickhouse);
    await bed.count(SOURCE, 0, randomEvents(random, 100));
    await caughtUp(bed.pool);
    const freezing: Promise<void>[] = [];
    const unique = randomUUID();
    const died = rebuild(bed, clickhouse, {
      unique,
      onProgress: (progress) => {
        if (progress.phase === 'exchanging') freezing.push(stack.part('clickhouse').kill('SIGSTOP'));
      },
    });
    await expect(died).rejects.toThrow();
    await Promise.all(freezing);
    const stand = await inTransaction(bed.pool, (client) => readTailer(client, CLICKHOUSE_MIRROR));
    expect(stand?.resyncRequested, 'the note that makes the mirror rebuild').toBe(true);
    await bed.count(SOURCE, 1, randomEvents(random, 50));
    await stack.part('clickhouse').kill('SIGCONT');
    await caughtUp(bed.pool);
    await bed.count(SOURCE, 2, randomEvents(random, 50));
    await caughtUp(bed.pool);
    const table = `usage_hourly_rebuild_${unique.replaceAll('-', '')}`;
    const late = clickhouse.client.command({
      query: `EXCHANGE TABLES usage_hourly_revisions AND ${table}`,
    });
    await expect(late).rejects.toThrow(table);
    await expectEqual(bed.pool, clickhouse);
    expect(following.status()).toMatchObject({ role: 'active' });
  });

  test('what a rebuild that died has left in either store is gone before the next one exchanges', async () => {
    const bed = await changeLogBed();
    const clickhouse = await freshClickHouse();
    const first = mirror(bed, clickhouse);
    await bed.count(SOURCE, 0, randomEvents(seeded(16), 50));
    await caughtUp(bed.pool);
    await first.stop();
    await holdLogFromHere(bed.pool, `${CLICKHOUSE_MIRROR}_rebuild`);
    await bed.count(SOURCE, 0, randomEvents(seeded(17), 50));
    mirror(bed, clickhouse);
    await expectEqual(bed.pool, clickhouse);
    expect((await pruneChangeLog(bed.pool, { maxRows: 1_000 })).left, 'the log is let go').toBe(0);
    await clickhouse.client.command({
      query: 'CREATE TABLE usage_hourly_rebuild_dead AS usage_hourly_revisions',
    });
    const tables: Promise<unknown[]>[] = [];
    await rebuild(bed, clickhouse, {
      onProgress: ({ phase }) => {
        if (phase === 'filling')
          tables.push(
            select(
              clickhouse,
              `SELECT name FROM system.tables WHERE name = 'usage_hourly_rebuild_dead' AND database = currentDatabase()`,
            ),
          );
      },
    });
    expect((await Promise.all(tables)).flat()).toEqual([]);
  });

  test('two at once take turns, and one that a person asked for by a resync request happens', async () => {
    const bed = await changeLogBed();
    const clickhouse = await freshClickHouse();
    const following = mirror(bed, clickhouse);
    await bed.count(SOURCE, 0, randomEvents(seeded(15), 50));
    await caughtUp(bed.pool);
    await plant(clickhouse);
    await Promise.all([rebuild(bed, clickhouse), rebuild(bed, clickhouse)]);
    await expectEqual(bed.pool, clickhouse);
    await plant(clickhouse);
    await requestResync(bed.pool, CLICKHOUSE_MIRROR);
    await expectEqual(bed.pool, clickhouse);
    expect(following.status()).toMatchObject({ role: 'active' });
  });
});

/** Looks at the view as finance would, over and over. */
function readers(clickhouse: ClickHouse): { stop: () => Promise<string> } {
  let stopped = false;
  const run = async (): Promise<string> => {
    let most = 0n;
    while (!stopped) {
      const [row] = await select<{ events: string }>(
        clickhouse,
        `SELECT sum(count) AS events FROM usage_hourly WHERE tenant_id != 'nobody'`,
      );
      const events = BigInt(row?.events ?? 0);
      if (events < most) return `went back from ${most} to ${events}`;
      most = events;
    }
    return 'never went back';
  };
  const done = run();
  return {
    stop: () => {
      stopped = true;
      return done;
    },
  };
}
