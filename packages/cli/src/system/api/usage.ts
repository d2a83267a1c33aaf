/** Usage over HTTP. */
import { itemsOf, pagesOf, type Answered, type MeterhouseClient } from '@meterhouse/client';
import type { AsOf, UsageRow } from '@meterhouse/postgres';
import { parseDecimal, type Aggregation } from '@meterhouse/usage';
import { UsageError } from '../../exit.ts';
import { usageLines, type UsageLine } from '../../usage/usage-table.ts';
import { unknownTenant } from '../../usage/usage-text.ts';
import type { UsageAsked, UsageRead } from '../system.ts';
import { ms, msOrNull, orInstead, said } from './refused.ts';

type Page = Answered<'/v1/usage', 'get'>;
type Row = Page['rows'][number];

export async function usageOverApi(asked: UsageAsked, client: MeterhouseClient): Promise<UsageRead> {
  if (asked.store === 'clickhouse')
    throw new UsageError('--store clickhouse: the API answers from Postgres; ask the stores, without --api');
  const rows: UsageRow[] = [];
  let as: AsOf | null = null;
  const reading = pagesOf((cursor) =>
    readPage(client, asked, { descendants: `${asked.descendants}`, ...said({ cursor }) }),
  );
  for (;;) {
    const { value: page, done } = await orInstead('unknown_tenant', reading.next(), () =>
      unknownTenant(asked.tenantId),
    );
    if (done === true) break;
    as = earlier(as, page.asOf);
    rows.push(...page.rows.map(toRow));
    if (rows.length > asked.maxRows) break;
  }
  const lines = usageLines(rows, asked.descendants && rows.length <= asked.maxRows);
  return { lines: await withLatest(lines, rows, asked, client), asOf: as ?? NOTHING_KNOWN };
}

const NOTHING_KNOWN: AsOf = { completeThrough: null, eventsBehind: null, haltedPartitions: [] };

async function readPage(
  client: MeterhouseClient,
  { tenantId, metric, span, by }: UsageAsked,
  more: {
    readonly descendants: 'true' | 'false';
    readonly together?: 'true';
    readonly metric?: string[];
    readonly cursor?: string;
  },
): Promise<Page> {
  const query = {
    ...{ tenantId, granularity: by, limit: 1_000 },
    from: new Date(span.from).toISOString(),
    to: new Date(span.to).toISOString(),
    ...said({ metric }),
    ...more,
  };
  return (await client.GET('/v1/usage', { params: { query } })).data;
}

/** Pages are of different points in time: they promise together what the first of them does. */
function earlier(
  before: AsOf | null,
  { completeThrough, eventsBehind, haltedPartitions }: Page['asOf'],
): AsOf {
  const now: AsOf = {
    completeThrough: msOrNull(completeThrough),
    eventsBehind: eventsBehind === null ? null : BigInt(eventsBehind),
    haltedPartitions,
  };
  if (before === null) return now;
  return {
    completeThrough:
      before.completeThrough === null || now.completeThrough === null
        ? null
        : Math.min(before.completeThrough, now.completeThrough),
    eventsBehind:
      before.eventsBehind === null || now.eventsBehind === null
        ? null
        : before.eventsBehind > now.eventsBehind
          ? before.eventsBehind
          : now.eventsBehind,
    haltedPartitions: [...new Set([...before.haltedPartitions, ...haltedPartitions])].sort((a, b) => a - b),
  };
}

function toRow(row: Row): UsageRow {
  return {
    ...{ tenantId: row.tenantId, metric: row.metric, unit: row.unit, attrs: [] },
    aggregation: row.aggregation as Aggregation,
    periodStart: ms(row.start),
    sum: decimal(row.sum),
    count: BigInt(row.count),
    min: decimal(row.min),
    max: decimal(row.max),
    latest: decimal(row.latest),
    // Not told. It matters only for the latest of several tenants: see withLatest().
    ...{ latestTs: 0, latestId: '', late: null },
  };
}

function decimal(text: string): bigint {
  const value = parseDecimal(text);
  if (typeof value !== 'bigint') throw new Error(`the API answered with ${text} for a decimal: ${value}`);
  return value;
}

/** Which of several tenants' values is the latest, only the API knows. */
async function withLatest(
  lines: readonly UsageLine[],
  rows: readonly UsageRow[],
  asked: UsageAsked,
  client: MeterhouseClient,
): Promise<readonly UsageLine[]> {
  const metrics = [...new Set(rows.filter((row) => row.aggregation === 'latest').map((row) => row.metric))];
  if (!lines.some((line) => line.tenantId === null) || metrics.length === 0) return lines;
  const together = new Map<string, string>();
  // As many as one question may name.
  for (let at = 0; at < metrics.length; at += 20) {
    const more = { descendants: 'true', together: 'true', metric: metrics.slice(at, at + 20) } as const;
    const found = itemsOf(
      (cursor) => readPage(client, asked, { ...more, ...said({ cursor }) }),
      (page) => page.rows,
    );
    for await (const row of found) together.set(`${row.metric} ${ms(row.start)}`, row.usage);
  }
  return lines.map((line) => {
    const usage = line.tenantId === null ? together.get(`${line.metric} ${line.periodStart}`) : undefined;
    return usage === undefined ? line : { ...line, usage };
  });
}
