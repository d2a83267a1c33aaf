/**
 * Guarantee, through the broker, the aggregator, Postgres and the mirror: whatever stands in an event's texts (id,
 * source, tenant, correlation id, names and values of attrs), it is a value all the way into ClickHouse.
 *  - Every event ends in a bucket or in quarantine; what is in a bucket is there to the letter, in both stores alike.
 *  - Rows of another tenant stay as they are.
 */
import { waitFor } from '@meterhouse/runtime';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { anEvent, commandBed } from '../../packages/cli/src/testing.ts';
import { corpusFor } from './corpus.ts';

const REGISTRY = `
tenants:
  - { id: acme, name: Acme }
  - { id: victim, name: Victim }
metrics:
  - { name: tokens, unit: token, aggregation: sum, scale: 0, family: token_request, groupBy: [region] }
`;

const bed = await commandBed();
const row = z.object({
  tenant_id: z.string(),
  region: z.string(),
  sum: z.string(),
  count: z.string(),
  revision: z.string(),
});
type Row = z.infer<typeof row>;

async function inClickHouse(): Promise<Row[]> {
  const url = new URL(bed.env['CLICKHOUSE_URL'] ?? '');
  url.searchParams.set('database', bed.env['CLICKHOUSE_DATABASE'] ?? '');
  const body = `SELECT tenant_id, attrs['region'] AS region, toString(sum) AS sum, toString(count) AS count,
      toString(revision) AS revision FROM usage_hourly FORMAT JSONEachRow`;
  const answer = await fetch(url, { method: 'POST', body });
  const text = await answer.text();
  if (!answer.ok) throw new Error(text);
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => row.parse(JSON.parse(line)));
}

async function inPostgres(): Promise<Row[]> {
  const { rows } = await bed.pool.query<Row>(
    `SELECT tenant_id, coalesce(attrs ->> 'region', '') AS region, trim_scale(sum)::text AS sum, count::text AS count,
       revision::text AS revision FROM meterhouse.usage_hourly`,
  );
  return rows;
}

const keyOf = (of: Row): string => JSON.stringify([of.tenant_id, of.region]);
const sorted = (rows: readonly Row[]): Row[] => rows.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
const countOf = (rows: readonly Row[]): number => rows.reduce((sum, { count }) => sum + Number(count), 0);

test('hostile texts of events reach ClickHouse as values, or quarantine', async () => {
  await bed.json(['apply', '-f', await bed.file('registry.yaml', REGISTRY)]);
  await bed.startAggregator();
  // One hour for all, so that a text is one bucket.
  const ts = Date.now();
  const canary = anEvent({ tenantId: 'victim', attrs: { region: 'c4nary' }, value: '7777', ts });
  await bed.send([bed.encode(canary)]);
  const mirrored = (events: number) =>
    waitFor(
      `${events} events in the mirror or in quarantine`,
      async () => {
        const { rowCount } = await bed.pool.query('SELECT FROM meterhouse.quarantine');
        const rows = await inClickHouse();
        return countOf(rows) + (rowCount ?? 0) >= events ? rows : undefined;
      },
      { deadlineMs: 120_000, everyMs: 250 },
    );
  const before = await mirrored(1);
  expect(before).toMatchObject([{ tenant_id: 'victim', region: 'c4nary', sum: '7777' }]);

  const texts = corpusFor('victim');
  const hostile = texts.flatMap((text) => [
    anEvent({ ts, attrs: { region: text } }),
    anEvent({ ts, attrs: { region: 'plain' }, id: text }),
    anEvent({ ts, attrs: { region: 'plain' }, source: text }),
    anEvent({ ts, attrs: { region: 'plain' }, correlationId: text }),
    anEvent({
      ts,
      attrs: Object.fromEntries([
        ['region', 'plain'],
        [text, 'x'],
      ]),
    }),
    anEvent({ ts, attrs: { region: 'plain' }, tenantId: text }),
  ]);
  await bed.send(hostile.map((event) => bed.encode(event)));
  const after = await mirrored(hostile.length + 1);

  expect(sorted(after)).toEqual(sorted(await inPostgres()));
  expect(after.filter(({ tenant_id }) => tenant_id === 'victim')).toEqual(before);
  expect(new Set(after.map(({ tenant_id }) => tenant_id))).toEqual(new Set(['acme', 'victim']));
  // On the wire a text is UTF-8, which has no half of a pair.
  const sent = new Set(['plain', ...texts.map((text) => text.toWellFormed())]);
  const regions = after.filter(({ tenant_id }) => tenant_id === 'acme').map(({ region }) => region);
  expect(regions.filter((region) => !sent.has(region))).toEqual([]);
  // Most are taken, each as a bucket of its own: refusals alone prove nothing.
  expect(new Set(regions).size).toBe(regions.length);
  expect(regions.length).toBeGreaterThan(texts.length / 2);
}, 300_000);
