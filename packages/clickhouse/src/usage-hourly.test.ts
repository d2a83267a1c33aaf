/**
 * On a real ClickHouse. Guarantees:
 * - I5: the views show each bucket's highest revision, whatever was written again, in whatever order
 *   and division; readers need not know of FINAL or of merges.
 * - I6: every row says up to when it is complete.
 * - I8: no digit is lost on the way in or out.
 * - Days add up to what their hours say.
 */
import fc from 'fast-check';
import { DAY_MS, formatDecimal, HOUR_MS } from '@meterhouse/usage';
import { describe, expect, test } from 'vitest';
import type { ClickHouse } from './client.ts';
import { insertMirrorProgress, readMirrorProgress } from './mirror-progress.ts';
import { bucket, freshClickHouse, select, START } from './testing.ts';
import { insertBuckets, mirrorBucketsByKey, mirrorPages } from './usage-hourly.ts';
import { highestRevisions, mirrorKeyText, toRow, type MirroredBucket } from './usage-hourly-row.ts';

async function everything(clickhouse: ClickHouse, pageRows?: number): Promise<MirroredBucket[]> {
  const all: MirroredBucket[] = [];
  for await (const page of mirrorPages(clickhouse, {}, pageRows)) all.push(...page);
  return all;
}

describe('the views', () => {
  test('I5: any part of the log, any number of times, in any order and division, ends in the same state', async () => {
    // A history of three buckets in two months, five revisions each.
    const history = [0, 1, 2].flatMap((n) =>
      [1n, 2n, 3n, 4n, 5n].map((revision) =>
        bucket({ hour: START + n * HOUR_MS, revision, sum: revision * BigInt(n + 1), count: revision }),
      ),
    );
    const last = history.filter((each) => each.revision === 5n);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.subarray(history), { minLength: 1, maxLength: 6 }),
        fc.shuffledSubarray(history, { minLength: history.length }),
        async (replays, order) => {
          const clickhouse = await freshClickHouse();
          for (const part of [...replays, order, ...replays]) await insertBuckets(clickhouse, part);
          expect(await everything(clickhouse)).toEqual(last);
        },
      ),
      { numRuns: 10 },
    );
  });

  test('days are UTC and add up to their hours; the latest value is that of the latest event', async () => {
    const clickhouse = await freshClickHouse();
    const hours = [
      bucket({ sum: 10n, min: -3n, max: 4n, latest: 4n, latestTs: START + 5, latestId: 'b' }),
      bucket({
        hour: START + HOUR_MS,
        sum: 20n,
        min: 2n,
        max: 9n,
        latest: 2n,
        latestTs: START + HOUR_MS,
        latestId: 'b',
      }),
      bucket({ hour: START + 2 * HOUR_MS, sum: 40n, revision: 7n }),
      bucket({ attrsKey: '{"model":"x"}', sum: 80n }),
    ];
    // Older revisions must not show, in sums least of all.
    await insertBuckets(
      clickhouse,
      hours.map((each) => ({ ...each, revision: each.revision + 1n })),
    );
    await insertBuckets(
      clickhouse,
      hours.map((each) => ({ ...each, sum: 1_000n })),
    );
    const days = await select(
      clickhouse,
      `SELECT day, attrs, sum, count, min, max, latest, revision FROM usage_daily WHERE tenant_id = 't' ORDER BY day, attrs_key DESC`,
    );
    const nano = (value: bigint): string => formatDecimal(value);
    expect(days).toEqual([
      {
        day: '2026-01-31',
        attrs: {},
        sum: nano(30n),
        count: '2',
        min: nano(-3n),
        max: nano(9n),
        latest: nano(2n),
        revision: '4',
      },
      {
        day: '2026-01-31',
        attrs: { model: 'x' },
        sum: nano(80n),
        count: '1',
        min: '1',
        max: '1',
        latest: '1',
        revision: '2',
      },
      {
        day: '2026-02-01',
        attrs: {},
        sum: nano(40n),
        count: '1',
        min: '1',
        max: '1',
        latest: '1',
        revision: '8',
      },
    ]);
  });

  test('aggregating a view by its own column names means the columns', async () => {
    const clickhouse = await freshClickHouse();
    await insertBuckets(clickhouse, [bucket({ sum: 5n }), bucket({ tenantId: 'u', sum: 7n, max: 3n })]);
    for (const settings of ['', 'SETTINGS prefer_column_name_to_alias = 1', 'SETTINGS final = 1'])
      for (const view of ['usage_hourly', 'usage_daily'])
        expect(
          await select(
            clickhouse,
            `SELECT sum(sum) AS sum, sum(count) AS count, max(max) AS max FROM ${view} ${settings}`,
          ),
        ).toEqual([{ sum: formatDecimal(12n), count: '2', max: '1' }]);
  });

  test('I6: complete_through is the least of the partitions, never goes back, and stands beside every row', async () => {
    const clickhouse = await freshClickHouse();
    await insertBuckets(clickhouse, [bucket()]);
    const through = async (): Promise<unknown[]> => [
      ...(await select(clickhouse, 'SELECT complete_through FROM complete_through')),
      ...(await select(clickhouse, 'SELECT complete_through FROM usage_hourly')),
      ...(await select(clickhouse, 'SELECT complete_through FROM usage_daily')),
    ];
    const say = (partition: number, nextOffset: bigint, completeThrough: number | null): Promise<void> =>
      insertMirrorProgress(
        clickhouse,
        [{ source: 'events', partition, nextOffset, completeThrough, fromOffset: null }],
        START,
      );
    const all = (text: string): { complete_through: string }[] =>
      [1, 2, 3].map(() => ({ complete_through: text }));
    expect(await through(), 'nothing is known').toEqual(all('1970-01-01 00:00:00.000'));
    await say(0, 10n, START);
    await say(1, 10n, START + 1);
    expect(await through()).toEqual(all('2026-01-31 22:00:00.000'));
    await say(0, 12n, null);
    expect(await through(), 'more offsets, nothing known of their completeness').toEqual(
      all('2026-01-31 22:00:00.000'),
    );
    await say(0, 13n, START + DAY_MS);
    expect(await through()).toEqual(all('2026-01-31 22:00:00.001'));
    await say(1, 8n, START - DAY_MS);
    expect(await through(), 'a late word of another writer').toEqual(all('2026-01-31 22:00:00.001'));
    expect(await readMirrorProgress(clickhouse)).toEqual([
      { source: 'events', partition: 0, nextOffset: 13n, completeThrough: START + DAY_MS },
      { source: 'events', partition: 1, nextOffset: 10n, completeThrough: START + 1 },
    ]);
  });
});

test('I5: a step is not taken when ClickHouse has lost what it builds on', async () => {
  const clickhouse = await freshClickHouse();
  const step = (partition: number, fromOffset: bigint | null, nextOffset: bigint): Promise<void> =>
    insertMirrorProgress(
      clickhouse,
      [{ source: 'events', partition, fromOffset, nextOffset, completeThrough: null }],
      START,
    );
  const said = async (): Promise<bigint[]> =>
    (await readMirrorProgress(clickhouse)).map((at) => at.nextOffset);
  await step(0, null, 10n);
  await step(0, 10n, 12n);
  await step(0, 11n, 13n);
  expect(await said()).toEqual([13n]);
  await step(0, 14n, 15n);
  expect(await said()).toEqual([13n]);
  await step(1, 5n, 6n);
  expect(await said()).toEqual([13n]);
  await clickhouse.client.command({ query: 'TRUNCATE TABLE mirror_progress' });
  await step(0, 13n, 20n);
  expect(await said()).toEqual([]);
});

describe('reading and writing', () => {
  test('I8: the widest numbers and the strangest attributes come back as they were', async () => {
    const clickhouse = await freshClickHouse();
    const attrs = { 'a"\\\n': '\u2028\u{1F600}', __proto: 'x', "it's": 'a, [b]: {c}' };
    const widest = [
      bucket({
        sum: 10n ** 57n - 1n,
        count: 2n ** 63n - 1n,
        min: -(10n ** 38n) + 1n,
        max: 10n ** 38n - 1n,
        latest: -1n,
        latestTs: Date.UTC(2105, 11, 31, 23, 59, 59, 999),
        latestId: '\u2028\u{1F600}\t\\N',
        revision: 2n ** 63n,
        attrsKey: JSON.stringify(attrs),
      }),
      bucket({ metric: 'n', sum: -(10n ** 57n) + 1n, attrsKey: '{"__proto__":"x"}' }),
    ];
    await insertBuckets(clickhouse, widest);
    expect(await everything(clickhouse)).toEqual(widest);
    expect(await mirrorBucketsByKey(clickhouse, widest)).toHaveLength(2);
    const [shown] = await select<{ attrs: object }>(
      clickhouse,
      `SELECT attrs FROM usage_hourly WHERE metric = 'm'`,
    );
    expect(shown?.attrs).toEqual(attrs);
  });

  test('an instant that ClickHouse would bend is refused', () => {
    expect(() => toRow(bucket({ hour: -HOUR_MS }))).toThrow(RangeError);
    expect(() => toRow(bucket({ hour: Date.UTC(2107, 0, 1) }))).toThrow(RangeError);
    expect(() => toRow(bucket({ latestTs: Date.UTC(1899, 0, 1) }))).toThrow(RangeError);
  });

  test('pages come whole and in order, whatever their size', async () => {
    const clickhouse = await freshClickHouse();
    const buckets = ['a', 'b', 'b/c'].flatMap((tenantId) =>
      ['m', 'n'].flatMap((metric) =>
        [0, 1, 800].flatMap((hours) =>
          ['{"x":"1"}', '{}'].map((attrsKey) =>
            bucket({ tenantId, metric, hour: START + hours * HOUR_MS, attrsKey }),
          ),
        ),
      ),
    );
    await insertBuckets(clickhouse, buckets.toReversed());
    for (const pageRows of [1, 5, 36, 37]) expect(await everything(clickhouse, pageRows)).toEqual(buckets);
    expect(await mirrorBucketsByKey(clickhouse, [])).toEqual([]);
    const many = Array.from({ length: 20 }, () => buckets).flat();
    expect(new Set((await mirrorBucketsByKey(clickhouse, many)).map(mirrorKeyText))).toEqual(
      new Set(buckets.map(mirrorKeyText)),
    );
    expect(
      await mirrorBucketsByKey(clickhouse, [
        bucket({ tenantId: 'b', metric: 'n' }),
        bucket({ tenantId: '?' }),
      ]),
    ).toEqual([bucket({ tenantId: 'b', metric: 'n' })]);
  });

  test('of a batch only the highest revision of each bucket is written', () => {
    const changes = [1n, 3n, 2n].map((revision) => bucket({ revision }));
    expect(highestRevisions([...changes, bucket({ tenantId: 'u' })])).toEqual([
      bucket({ revision: 3n }),
      bucket({ tenantId: 'u' }),
    ]);
  });
});
