/**
 * On a real Postgres. Guarantees:
 * - I5: a state that follows the log equals usage_hourly, whatever fails, is killed or comes twice.
 * - I5: whoever moves the cursors from an old version changes nothing.
 * - I6: complete-through is said only when everything counted by then has been applied.
 * - Changes arrive by NOTIFY, and by polling where NOTIFY is lost.
 * - Rows stay in the log until all tailers are past them; a bound on the log overtakes a tailer,
 *   which then starts again from usage_hourly.
 */
import { waitFor } from '@meterhouse/runtime';
import type { Pool } from 'pg';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { ChangedBucket } from './change-log-reading-row.ts';
import { cursorsOf, readAfter, readProgress, type ChangeBatch } from './change-log-reading.ts';
import { atOnePoint, bucketPages, bucketsByKey } from './tailer-buckets.ts';
import { holdLogFromHere, moveTailer, readTailer, registerTailer, requestResync } from './tailer-cursors.ts';
import { pruneChangeLog } from './tailer-pruning.ts';
import { mirrorRebuildSource } from './tailer-rebuilding.ts';
import {
  changeLogBed,
  randomEvents,
  seeded,
  type ChangeLogBed,
  type CountedEvent,
} from './tailer-testing.ts';
import { startTailer, type TailerOptions } from './tailer.ts';
import { inTransaction } from './transaction.ts';

const DEADLINE = { deadlineMs: 20_000 };
const BOUNDS = { maxRows: 100, maxBytes: 1_000_000 };
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

function event(fields: Partial<CountedEvent> = {}): CountedEvent {
  return { tenantId: 't', metric: 'm', ts: 3_600_000, value: '1', id: 'a', attrs: {}, ...fields };
}

async function read(
  pool: Pool,
  cursors: Parameters<typeof readAfter>[1],
  bounds = BOUNDS,
): Promise<ChangeBatch> {
  const result = await inTransaction(pool, (client) => readAfter(client, cursors, bounds), 'repeatable read');
  if (result.kind !== 'batch') throw new Error(`resync: ${result.reason}`);
  return result.batch;
}

/** A state in memory, as a service would hold it, and what of it is wrong. */
function memory(): {
  state: Map<string, ChangedBucket>;
  take: (changes: readonly ChangedBucket[]) => void;
  differs: (pool: Pool) => Promise<string[]>;
} {
  const state = new Map<string, ChangedBucket>();
  const keyOf = (bucket: ChangedBucket): string =>
    `${bucket.tenantId} ${bucket.metric} ${bucket.hour} ${bucket.attrsKey}`;
  return {
    state,
    take: (changes) => {
      for (const bucket of changes) {
        const known = state.get(keyOf(bucket));
        if (known === undefined || known.revision < bucket.revision) state.set(keyOf(bucket), bucket);
      }
    },
    differs: async (pool) => {
      const text = (bucket: ChangedBucket): string => Object.values(bucket).join(' ');
      const truth = new Map<string, string>();
      for await (const page of bucketPages(pool, {}, 7))
        for (const bucket of page) truth.set(keyOf(bucket), text(bucket));
      const held = new Map(Array.from(state, ([key, bucket]) => [key, text(bucket)]));
      return [...new Set([...truth.keys(), ...held.keys()])].filter(
        (key) => truth.get(key) !== held.get(key),
      );
    },
  };
}

function start(
  bed: ChangeLogBed,
  options: Pick<TailerOptions, 'name' | 'state' | 'apply'> & Partial<TailerOptions>,
): ReturnType<typeof startTailer> {
  const tailer = startTailer({
    pool: bed.poolAs('meterhouse_snapshot'),
    log: silent,
    pollMs: 100,
    ...options,
  });
  onTestFinished(() => tailer.stop());
  return tailer;
}

describe('reading', () => {
  test('hands out changes after the cursors within the bounds, and says when there are more', async () => {
    const bed = await changeLogBed();
    for (let i = 0; i < 5; i++) await bed.count('events', 0, [event({ value: '1.5', id: `a${i}` })]);
    await bed.count('events', 1, [event({ tenantId: 'u' })]);
    const first = await read(bed.pool, new Map(), { maxRows: 3, maxBytes: 1_000_000 });
    expect(first.changes.map((bucket) => [bucket.tenantId, bucket.sum, bucket.revision])).toEqual([
      ['t', 1_500_000_000n, 1n],
      ['u', 1_000_000_000n, 1n],
      ['t', 3_000_000_000n, 2n],
    ]);
    expect(first.more).toBe(true);
    const rest = await read(bed.pool, cursorsOf(first.positions));
    expect(rest.changes.map((bucket) => bucket.revision)).toEqual([3n, 4n, 5n]);
    expect(rest.more).toBe(false);
  });

  test('a bound in bytes ends a read; a row that is larger by itself still comes', async () => {
    const bed = await changeLogBed();
    for (let i = 0; i < 40; i++) await bed.count('events', 0, [event({ id: `a${i}` })]);
    const batch = await read(bed.pool, new Map(), { maxRows: 100, maxBytes: 1 });
    expect(batch.changes.length).toBeGreaterThan(0);
    expect(batch.changes.length).toBeLessThan(40);
    expect(batch.more).toBe(true);
  });

  test('I6: complete only once all partitions are read to the end of what is counted', async () => {
    const bed = await changeLogBed();
    await bed.count('events', 0, [event()]);
    await bed.count('events', 0, [event({ id: 'b' })]);
    await bed.count('events', 1, [event({ id: 'c' })]);
    await bed.watermark('events', 0, 5_000);
    const through = async (bounds = BOUNDS): Promise<number | null> =>
      (await read(bed.pool, new Map(), bounds)).completeThrough;
    expect(await through(), 'partition 1 has no watermark yet').toBeNull();
    await bed.watermark('events', 1, 7_000);
    expect(await through()).toBe(5_000);
    expect(
      await through({ maxRows: 2, maxBytes: 1_000_000 }),
      'a row of partition 0 is not in this read',
    ).toBeNull();
    await bed.count('quarantine', 0, [event({ id: 'd' })]);
    expect(await through(), 'a replay is passed on; it has no watermark of its own').toBe(5_000);
    expect(await through({ maxRows: 3, maxBytes: 1_000_000 })).toBeNull();
  });

  test('buckets come whole and in key order, page by page, and by key', async () => {
    const bed = await changeLogBed();
    const random = seeded(1);
    for (let i = 0; i < 10; i++) await bed.count('events', 0, randomEvents(random, 20));
    const pages: ChangedBucket[] = [];
    for await (const page of bucketPages(bed.pool, {}, 7)) pages.push(...page);
    const keys = pages.map((bucket) => `${bucket.tenantId}\0${bucket.metric}\0${bucket.hour}`);
    expect(keys).toEqual(keys.toSorted());
    const total = await bed.pool.query<{ n: string }>('SELECT count(*) AS n FROM meterhouse.usage_hourly');
    expect(pages).toHaveLength(Number(total.rows[0]?.n));
    const found = await bucketsByKey(bed.pool, [...pages, { ...event(), hour: 0, attrsKey: '{}' }]);
    expect(new Set(found)).toEqual(new Set(pages));
  });
});

describe('cursors', () => {
  test('I5: a move from an old version, or past a request to start again, changes nothing', async () => {
    const bed = await changeLogBed();
    await bed.count('events', 0, [event()]);
    const { version, cursors } = await holdLogFromHere(bed.pool, 'mirror');
    const to = (nextOffset: bigint, fromVersion: bigint): Promise<boolean> =>
      moveTailer(bed.pool, 'mirror', {
        fromVersion,
        cursors: [{ source: 'events', partition: 0, nextOffset }],
        completeThrough: 1_000,
      });
    const stored = async (): Promise<bigint | undefined> =>
      (await inTransaction(bed.pool, (client) => readTailer(client, 'mirror')))?.cursors.get('events/0')
        ?.nextOffset;
    expect(cursors.get('events/0')?.nextOffset).toBe(1n);
    expect(await to(5n, version)).toBe(true);
    expect(await to(3n, version), 'the version of before').toBe(false);
    expect(await stored()).toBe(5n);
    await requestResync(bed.pool, 'mirror');
    expect(await to(6n, version + 2n)).toBe(false);
    expect(await stored()).toBe(5n);
  });
});

describe('following', () => {
  test('I5: a state in memory equals usage_hourly while flushes go on, apply fails, and connections are cut', async () => {
    const bed = await changeLogBed();
    const random = seeded(2);
    await bed.count('events', 0, randomEvents(random, 50));
    const held = memory();
    let failures = 0;
    const tailer = start(bed, {
      name: 'snapshot',
      bounds: { maxRows: 3, maxBytes: 1_000_000 },
      state: {
        kept: 'in_memory',
        load: async (point) => {
          held.state.clear();
          for await (const page of point.buckets()) held.take(page);
          // What is counted while the state is loaded.
          await bed.count('events', 1, randomEvents(random, 10));
        },
      },
      apply: async (batch) => {
        if (random() < 0.3) {
          // Half of it took effect.
          held.take(batch.changes.slice(0, batch.changes.length / 2));
          failures += 1;
          throw new Error('the store is away');
        }
        held.take(batch.changes);
        return Promise.resolve();
      },
    });
    for (let i = 0; i < 60; i++) {
      await bed.count('events', i % 3, randomEvents(random, 10));
      if (i % 20 === 10)
        await bed.pool.query(
          'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
        );
    }
    const isTruth = (): Promise<true> =>
      waitFor(
        'the state to be the truth',
        async () => ((await held.differs(bed.pool)).length === 0 ? true : undefined),
        DEADLINE,
      );
    await isTruth();
    // Where it was slow to start, all of it came by loading, and nothing was applied that could fail.
    while (failures === 0) {
      await bed.count('events', 0, randomEvents(random, 10));
      await isTruth();
    }
    expect(tailer.status().resyncs).toBeGreaterThan(0);
  });

  test('NOTIFY brings changes at once, polling where nobody notified, also after the listener was cut', async () => {
    const bed = await changeLogBed();
    await bed.count('events', 0, [event()]);
    const seen: string[] = [];
    const follow = (name: string, pollMs: number): void => {
      start(bed, {
        name,
        pollMs,
        state: { kept: 'in_memory', load: () => Promise.resolve() },
        apply: (batch) => {
          for (const bucket of batch.changes) seen.push(`${name} ${bucket.latestId}`);
          return Promise.resolve();
        },
      });
    };
    follow('woken', 3_600_000);
    follow('polling', 50);
    const bothStarted = async (): Promise<true | undefined> => {
      const tailers = await bed.pool.query('SELECT FROM meterhouse.tailers');
      const listening = await bed.pool.query(
        `SELECT FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%' AND state = 'idle'`,
      );
      return tailers.rowCount === 2 && listening.rowCount === 2 ? true : undefined;
    };
    const arrives = (what: string): Promise<true> =>
      waitFor(what, () => (seen.includes(what) ? true : undefined), DEADLINE);
    await waitFor('both to listen', bothStarted, DEADLINE);
    await bed.count('events', 0, [event({ id: 'b' })]);
    await Promise.all([arrives('woken b'), arrives('polling b')]);
    await bed.pool.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'`,
    );
    await waitFor('both to listen again', bothStarted, DEADLINE);
    await bed.count('events', 0, [event({ id: 'c' })]);
    await Promise.all([arrives('woken c'), arrives('polling c')]);
    // A flush that could not notify: only the one that polls sees it.
    await bed.pool.query(
      `WITH flushed AS (
         INSERT INTO meterhouse.change_log (source, partition, from_offset, next_offset, flush_id, changes)
         VALUES ('events', 0, 3, 4, 0, '[["t","m",0,{},"1","1","1","1","1",0,"d","1"]]'))
       UPDATE meterhouse.progress SET next_offset = 4`,
    );
    await arrives('polling d');
  });

  test('what is written by hand leads to a new start, not to a standstill: a skipped and a rewound offset', async () => {
    const bed = await changeLogBed();
    await bed.count('events', 0, [event(), event({ id: 'b' })]);
    const held = memory();
    const reasons: string[] = [];
    start(bed, {
      name: 'snapshot',
      state: {
        kept: 'in_memory',
        load: async (point, reason) => {
          reasons.push(reason);
          for await (const page of point.buckets()) held.take(page);
        },
      },
      apply: (batch) => {
        held.take(batch.changes);
        return Promise.resolve();
      },
    });
    const followed = (reason: string): Promise<true> =>
      waitFor(
        `a start because of ${reason}`,
        async () =>
          reasons.at(-1) === reason && (await held.differs(bed.pool)).length === 0 ? true : undefined,
        DEADLINE,
      );
    await followed('first_start');
    await bed.pool.query('UPDATE meterhouse.progress SET next_offset = 10');
    await bed.count('events', 0, [event({ id: 'c' })]);
    await followed('pruned');
    await bed.pool.query('UPDATE meterhouse.progress SET next_offset = 5');
    await bed.count('events', 0, [event({ id: 'd' })]);
    await followed('rewound');
    await requestResync(bed.pool, 'snapshot');
    await followed('requested');
    await bed.count('events', 0, [event({ id: 'e' })]);
    await waitFor(
      'the change',
      async () => ((await held.differs(bed.pool)).length === 0 ? true : undefined),
      DEADLINE,
    );
  });
});

describe('pruning', () => {
  const logRows = async (pool: Pool): Promise<number> =>
    Number((await pool.query<{ n: string }>('SELECT count(*) AS n FROM meterhouse.change_log')).rows[0]?.n);

  test('I5: a row goes when every tailer is past it, not before', async () => {
    const bed = await changeLogBed();
    const aggregator = bed.poolAs('meterhouse_aggregator');
    const prune = async (): Promise<number> => {
      expect((await pruneChangeLog(aggregator, { maxRows: 1_000 })).overtaken).toEqual([]);
      return logRows(bed.pool);
    };
    const fast = await holdLogFromHere(bed.pool, 'fast');
    const slow = await holdLogFromHere(bed.pool, 'slow');
    for (let i = 0; i < 4; i++) await bed.count('events', 0, [event({ id: `a${i}` })]);
    await bed.count('events', 1, [event({ id: 'b' })]);
    const move = (name: string, fromVersion: bigint, nextOffset: bigint): Promise<boolean> =>
      moveTailer(bed.pool, name, {
        fromVersion,
        cursors: [{ source: 'events', partition: 0, nextOffset }],
        completeThrough: null,
      });
    expect(await prune()).toBe(5);
    expect(await move('fast', fast.version, 4n)).toBe(true);
    expect(await prune(), 'slow has seen nothing').toBe(5);
    expect(await move('slow', slow.version, 3n)).toBe(true);
    expect(await prune(), 'one row of partition 0 and the partition that nobody has a cursor for').toBe(2);
    await registerTailer(bed.pool, 'new');
    await requestResync(bed.pool, 'slow');
    expect(await prune(), 'who starts again holds nothing back').toBe(1);
  });

  test('I5: a tailer that is overtaken by the bound starts again and ends in the truth', async () => {
    const bed = await changeLogBed();
    const random = seeded(3);
    const held = memory();
    let away = false;
    const tailer = start(bed, {
      name: 'snapshot',
      state: {
        kept: 'in_memory',
        load: async (point) => {
          if (away) throw new Error('the store is away');
          for await (const page of point.buckets()) held.take(page);
        },
      },
      apply: (batch) => {
        if (away) return Promise.reject(new Error('the store is away'));
        held.take(batch.changes);
        return Promise.resolve();
      },
    });
    await waitFor('the first start', () => (tailer.status().resyncs === 1 ? true : undefined), DEADLINE);
    away = true;
    for (let i = 0; i < 30; i++) await bed.count('events', i % 2, randomEvents(random, 5));
    const pruned = await pruneChangeLog(bed.poolAs('meterhouse_aggregator'), { maxRows: 10 });
    expect(pruned.overtaken).toEqual(['snapshot']);
    expect(await logRows(bed.pool)).toBeLessThanOrEqual(10);
    away = false;
    await waitFor(
      'the truth',
      async () => ((await held.differs(bed.pool)).length === 0 ? true : undefined),
      DEADLINE,
    );
    expect(tailer.status().resyncs).toBe(2);
  });

  test('I5: a tailer that begins to hold the log while it is being pruned misses nothing', async () => {
    const bed = await changeLogBed();
    await bed.count('events', 0, [event()]);
    for (let round = 0; round < 20; round++) {
      const name = `tailer-${round}`;
      const [{ cursors }] = await Promise.all([
        holdLogFromHere(bed.pool, name),
        bed.count('events', 0, [event({ id: `r${round}` })]),
        pruneChangeLog(bed.pool, { maxRows: 1_000 }),
      ]);
      await pruneChangeLog(bed.pool, { maxRows: 1_000 });
      const batch = await read(bed.pool, cursors);
      const progress = await inTransaction(bed.pool, readProgress);
      expect(batch.positions[0]?.nextOffset).toBe(progress[0]?.nextOffset);
      await requestResync(bed.pool, name);
    }
  });

  test('a resync that is asked for while a rebuild swaps stays asked for', async () => {
    const bed = await changeLogBed();
    await bed.count('events', 0, [event()]);
    const asked = async (meanwhile: () => Promise<unknown>): Promise<boolean | undefined> => {
      await mirrorRebuildSource(bed.pool, 'mirror').exclusively(
        (log) =>
          log.swap({
            apply: () => Promise.resolve(),
            exchange: async () => {
              await meanwhile();
            },
          }),
        new AbortController().signal,
      );
      return (await inTransaction(bed.pool, (client) => readTailer(client, 'mirror')))?.resyncRequested;
    };
    expect(await asked(() => Promise.resolve())).toBe(false);
    expect(await asked(() => requestResync(bed.pool, 'mirror'))).toBe(true);
  });

  test('a consistent point holds buckets and cursors of the same moment', async () => {
    const bed = await changeLogBed();
    await bed.count('events', 0, [event()]);
    await atOnePoint(bed.pool, async (point) => {
      await bed.count('events', 0, [event({ id: 'b' })]);
      const buckets: ChangedBucket[] = [];
      for await (const page of point.buckets()) buckets.push(...page);
      expect(buckets.map((bucket) => bucket.count)).toEqual([1n]);
      expect(point.cursors.get('events/0')?.nextOffset).toBe(1n);
    });
  });
});
