/**
 * Guarantees, on buckets that the real flush counted:
 * - I8: whatever is asked, each row is the exact aggregate of the events that it names
 * - pages put together are the answer, and while buckets change no row comes twice and none is left out
 * - descendants are those that the tenant has now
 * - an event is late when the broker got it more than five minutes after its hour was over
 */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HOUR_MS } from '@meterhouse/usage';
import { readMetrics } from '../registry.ts';
import { lateShare } from './as-of.ts';
import { AGGREGATIONS, FIRST_HOUR, naiveUsage, usageWorld, type World } from './naive-usage.testing.ts';
import { readUsage, type UsageKey, type UsageQuestion, type UsageRow } from './read-usage.ts';
import { usageBed, type UsageBed } from './testing.ts';

const ends: (() => Promise<void>)[] = [];
let bed: UsageBed;
let worlds = 0;

beforeAll(async () => {
  bed = await usageBed((end) => ends.push(end));
  await bed.register(
    AGGREGATIONS.map((aggregation) => ({
      kind: 'metric',
      body: {
        name: `m.${aggregation}`,
        unit: 'unit',
        aggregation,
        scale: 9,
        family: 'compute',
        groupBy: ['region', 'model'],
      },
    })),
  );
});
afterAll(async () => {
  for (const end of ends) await end();
});

/** The world's tenants, under names that no other world has, and its events counted in its flushes. */
async function built(world: World): Promise<World> {
  const prefix = `w${++worlds}-`;
  const named = {
    parents: world.parents.map(
      ([id, parent]) => [prefix + id, parent === null ? null : prefix + parent] as const,
    ),
    flushes: world.flushes.map((events) =>
      events.map((event) => ({ ...event, tenantId: prefix + event.tenantId })),
    ),
  };
  await bed.register(
    named.parents.map(([id, parent]) => ({ kind: 'tenant', body: { id, name: id, parent } })),
  );
  for (const events of named.flushes) await bed.count(events);
  return named;
}

const ask = async (question: UsageQuestion): Promise<readonly UsageRow[]> =>
  readUsage(bed.owner, question, await readMetrics(bed.owner));

const keyOf = ({ tenantId, metric, periodStart, attrs }: UsageKey): UsageKey => ({
  tenantId,
  metric,
  periodStart,
  attrs,
});

/** Every page from the cursor on. @param between pages, something may happen */
async function paged(
  question: UsageQuestion,
  pageRows: number,
  between: () => Promise<void> = () => Promise.resolve(),
): Promise<UsageRow[]> {
  const rows: UsageRow[] = [];
  for (let after: UsageKey | null = null; ;) {
    const page = await ask({ ...question, after, maxRows: pageRows });
    rows.push(...page.slice(0, pageRows));
    const last = page[pageRows - 1];
    if (page.length <= pageRows || last === undefined) return rows;
    after = keyOf(last);
    await between();
  }
}

describe('usage that is read', () => {
  test('I8: is the exact aggregate of the events, whatever is asked, at once or page by page', async () => {
    await fc.assert(
      fc.asyncProperty(
        usageWorld(),
        fc.array(fc.tuple(naiveUsage.question(), fc.integer({ min: 1, max: 7 })), {
          minLength: 4,
          maxLength: 4,
        }),
        async (random, questions) => {
          const world = await built(random);
          for (const [partial, pageRows] of questions) {
            const question = {
              ...partial,
              tenantId: world.parents[partial.tenant]?.[0] ?? '',
              maxRows: 10_000,
            };
            const expected = naiveUsage(world, question);
            expect(await ask(question)).toEqual(expected);
            expect(await paged(question, pageRows)).toEqual(expected);
          }
        },
      ),
      { numRuns: 25 },
    );
  });

  test('comes page by page without a row twice or left out while buckets change', async () => {
    const [random] = fc.sample(usageWorld(), { numRuns: 1, seed: 7 });
    if (random === undefined) throw new Error('no world');
    const { parents } = await built(random);
    const tenants = parents.slice(0, 4).map(([id]) => id);
    const events = (round: number) =>
      tenants.flatMap((tenantId) =>
        [0, 1, 2, 3].map((hour) => ({
          tenantId,
          metric: 'm.sum',
          id: `r${round}-${hour}`,
          value: '1',
          ts: FIRST_HOUR + hour * HOUR_MS,
          attrs: { region: `r${(round * 7 + hour) % 5}` },
        })),
      );
    await bed.count(events(0));
    for (const mode of ['each', 'together'] as const) {
      const question = {
        tenantId: tenants[0] ?? '',
        tenants: mode,
        metrics: ['m.sum'],
        from: FIRST_HOUR,
        to: FIRST_HOUR + 4 * HOUR_MS,
        by: 'hour',
        groupBy: ['region'],
        maxRows: 10_000,
      } as const;
      const before = (await ask(question)).map((row) => JSON.stringify(keyOf(row)));
      let round = mode === 'each' ? 0 : 100;
      const rows = await paged(question, 2, () => bed.count(events(++round)));
      const seen = rows.map((row) => JSON.stringify(keyOf(row)));
      expect(new Set(seen).size).toBe(seen.length);
      expect(before.filter((key) => !seen.includes(key))).toEqual([]);
    }
  });

  test('is of the descendants that the tenant has now', async () => {
    await bed.register(
      [
        ['old', null],
        ['new', null],
        ['mover', 'old'],
        ['below', 'mover'],
      ].map(([id, parent]) => ({ kind: 'tenant', body: { id: id ?? '', name: 'x', parent } })),
    );
    await bed.count([
      { tenantId: 'mover', metric: 'm.sum', value: '1', ts: FIRST_HOUR },
      { tenantId: 'below', metric: 'm.sum', value: '2', ts: FIRST_HOUR },
    ]);
    const sumOf = async (tenantId: string) =>
      (
        await ask({
          tenantId,
          tenants: 'together',
          metrics: null,
          from: FIRST_HOUR,
          to: FIRST_HOUR + HOUR_MS,
          by: 'total',
          maxRows: 10,
        })
      ).map(({ sum }) => sum / 1_000_000_000n);
    expect([await sumOf('old'), await sumOf('new')]).toEqual([[3n], []]);
    await bed.register([
      { kind: 'tenant', body: { id: 'mover', name: 'x', parent: 'new' } as { id: string } },
    ]);
    expect([await sumOf('old'), await sumOf('new')]).toEqual([[], [3n]]);
  });
});

test('of two tenants’ events with one id and time, the higher value is the latest, whichever comes first', async () => {
  await bed.register(
    [
      ['pair', null],
      ['pair-1', 'pair'],
      ['pair-2', 'pair'],
    ].map(([id, parent]) => ({ kind: 'tenant', body: { id: id ?? '', name: 'x', parent } })),
  );
  const event = (tenantId: string, metric: string, value: string) => ({
    ...{ tenantId, metric, value },
    id: metric,
    ts: FIRST_HOUR,
  });
  await bed.count([
    event('pair-1', 'm.sum', '1'),
    event('pair-2', 'm.sum', '2'),
    event('pair-1', 'm.max', '2'),
    event('pair-2', 'm.max', '1'),
  ]);
  const span = { from: FIRST_HOUR, to: FIRST_HOUR + HOUR_MS };
  const question = {
    tenantId: 'pair',
    tenants: 'together',
    metrics: null,
    by: 'total',
    maxRows: 10,
  } as const;
  const rows = await ask({ ...question, ...span });
  expect(rows.map(({ latest }) => latest / 1_000_000_000n)).toEqual([2n, 2n]);
});

describe('lateness', () => {
  test('counts an event that the broker got more than five minutes after its hour was over', async () => {
    await bed.register([
      { kind: 'tenant', body: { id: 'tardy', name: 'x', parent: null } as { id: string } },
    ]);
    const event = { tenantId: 'tardy', metric: 'm.sum', value: '1', ts: FIRST_HOUR + HOUR_MS - 1 };
    const inTime = FIRST_HOUR + HOUR_MS + 5 * 60_000 - 1;
    await bed.count([event, event, event], { receivedAt: inTime });
    await bed.count([event], { receivedAt: inTime + 1 });
    const question = {
      tenantId: 'tardy',
      tenants: 'own',
      metrics: null,
      from: FIRST_HOUR,
      to: FIRST_HOUR + HOUR_MS,
      by: 'hour',
      maxRows: 10,
    } as const;
    const rows = await ask(question);
    expect(rows.map(({ late, count }) => [late, count])).toEqual([[1n, 4n]]);
    expect(lateShare(rows)).toEqual({ share: '0.250000', unknown: null });
    await bed.owner.query(`UPDATE meterhouse.usage_hourly SET late = NULL WHERE tenant_id = 'tardy'`);
    // A bucket from before it was written down stays unknown, whatever is added to it.
    await bed.count([event], { receivedAt: inTime });
    expect(lateShare(await ask(question))).toEqual({ share: null, unknown: 'not_recorded' });
  });

  test('is rounded up, so that what shows as nothing is nothing', () => {
    expect(lateShare([{ count: 3_000_000n, late: 1n }]).share).toBe('0.000001');
    expect(lateShare([{ count: 1n, late: 1n }]).share).toBe('1.000000');
    expect(lateShare([{ count: 5n, late: 0n }]).share).toBe('0.000000');
    expect(lateShare([])).toEqual({ share: null, unknown: 'no_events' });
  });
});
