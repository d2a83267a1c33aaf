/**
 * Guarantees:
 * - Whatever is missing, too much, or has another number in any column is found, and nothing else is.
 * - A bucket that only moved on between two reads is not called different; one that cannot have is.
 */
import fc from 'fast-check';
import { HOUR_MS } from '@meterhouse/usage';
import { describe, expect, test } from 'vitest';
import { differences, settle } from './comparison.ts';
import { mirrorKeyText, type MirroredBucket } from './usage-hourly-row.ts';

function bucket(fields: Partial<MirroredBucket> = {}): MirroredBucket {
  return {
    tenantId: 't',
    metric: 'm',
    hour: 0,
    attrsKey: '{}',
    sum: 1n,
    count: 1n,
    min: 1n,
    max: 1n,
    latest: 1n,
    latestTs: 1,
    latestId: 'id',
    revision: 1n,
    ...fields,
  };
}

async function* pages(
  buckets: readonly MirroredBucket[],
  size: number,
): AsyncGenerator<readonly MirroredBucket[]> {
  for (let i = 0; i < buckets.length; i += size) yield await Promise.resolve(buckets.slice(i, i + size));
}

async function compare(
  postgres: readonly MirroredBucket[],
  clickhouse: readonly MirroredBucket[],
  size = 3,
): Promise<string[]> {
  const found: string[] = [];
  const counts = { postgresBuckets: 0, clickhouseBuckets: 0 };
  for await (const difference of differences(pages(postgres, size), pages(clickhouse, size + 1), counts))
    found.push(mirrorKeyText(difference.key));
  expect(counts).toEqual({ postgresBuckets: postgres.length, clickhouseBuckets: clickhouse.length });
  return found;
}

const order = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
const inOrder = (buckets: readonly MirroredBucket[]): MirroredBucket[] =>
  buckets.toSorted((a, b) => order(mirrorKeyText(a), mirrorKeyText(b)));
/** Within an hour Postgres sorts attributes in another order than ClickHouse: here the other way round. */
const asPostgres = (buckets: readonly MirroredBucket[]): MirroredBucket[] =>
  buckets.toSorted(
    (a, b) =>
      order(mirrorKeyText({ ...a, attrsKey: '' }), mirrorKeyText({ ...b, attrsKey: '' })) ||
      order(b.attrsKey, a.attrsKey),
  );

describe('differences', () => {
  test('exactly the planted ones are found', async () => {
    const key = fc.record({
      tenantId: fc.constantFrom('a', 'b', 'b/c', 'b0'),
      metric: fc.constantFrom('m', 'n'),
      hour: fc.constantFrom(0, 1, 2).map((n) => n * HOUR_MS),
      attrsKey: fc.constantFrom('{}', '{"x":"1"}', '{"x":"22"}', '{"yy":"1"}'),
    });
    const plant = fc.record({ key, fault: fc.constantFrom('missing', 'extra', 'wrong', 'right') });
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(plant, { selector: (each) => mirrorKeyText(each.key) }),
        fc.integer({ min: 1, max: 5 }),
        async (plants, size) => {
          const postgres = plants.filter((each) => each.fault !== 'extra').map((each) => bucket(each.key));
          const clickhouse = plants
            .filter((each) => each.fault !== 'missing')
            .map((each) => bucket({ ...each.key, ...(each.fault === 'wrong' ? { sum: 2n } : {}) }));
          const planted = plants
            .filter((each) => each.fault !== 'right')
            .map((each) => mirrorKeyText(each.key));
          expect((await compare(asPostgres(postgres), inOrder(clickhouse), size)).toSorted()).toEqual(
            planted.toSorted(),
          );
        },
      ),
    );
  });

  test.each<Partial<MirroredBucket>>([
    { sum: 2n },
    { count: 2n },
    { min: 2n },
    { max: 2n },
    { latest: 2n },
    { latestTs: 2 },
    { latestId: 'other' },
    { revision: 2n },
  ])('a difference in one column is one: %o', async (fields) => {
    expect(await compare([bucket()], [bucket(fields)])).toHaveLength(1);
  });
});

describe('settle', () => {
  const at = (revision: bigint, sum = 1n): MirroredBucket => bucket({ revision, sum });
  const cases: [what: string, before: bigint, MirroredBucket | null, MirroredBucket | null, string][] = [
    ['equal now', 1n, at(2n), at(2n), 'same'],
    ['equal revisions, other numbers', 2n, at(2n), at(2n, 9n), 'different'],
    ['the mirror lacks what it has passed on', 1n, at(3n), at(2n), 'different'],
    ['the mirror lacks the bucket', 0n, at(1n), null, 'different'],
    ['Postgres has no such bucket', 1n, null, at(1n), 'different'],
    ['gone on both sides', 1n, null, null, 'same'],
    ['the mirror went on after Postgres was read', 2n, at(3n), at(4n), 'moving'],
    ['the mirror had a revision that Postgres reached only later, or never', 9n, at(3n), at(9n), 'different'],
  ];
  test.each(cases)('%s', (_, before, postgres, clickhouse, verdict) => {
    expect(settle(before, postgres, clickhouse)).toBe(verdict);
  });
});
