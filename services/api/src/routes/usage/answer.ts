/** How usage is answered. Pure. */
import { lateShare, type AsOf, type UsageRow } from '@meterhouse/postgres';
import { formatDecimal, usageOf } from '@meterhouse/usage';
import { z } from 'zod';
import { nextCursor } from '../../http/cursor.ts';
import { cursorAfter, type Asked } from './question.ts';
import { endOf, GRANULARITIES, type Span, type Starts } from './span.ts';

export const decimal = z.string().describe('Exact decimal, without trailing zeros.');
const whole = z.string().describe('Whole number.');
export const instant = z.string().describe('RFC 3339 in UTC, with milliseconds.');

export const asOfSchema = z
  .object({
    completeThrough: instant
      .nullable()
      .describe(
        'Every event that the broker had before this instant is in the numbers, or waits in quarantine. Null: not known, as while a partition has not been counted yet.',
      ),
    eventsBehind: whole
      .nullable()
      .describe(
        'Events of all tenants that the broker has and that are not counted yet. Null: the broker could not be asked.',
      ),
    haltedPartitions: z
      .array(z.int())
      .describe(
        'Partitions whose counting has stopped until a person acts; completeThrough stands still meanwhile.',
      ),
  })
  .meta({ id: 'AsOf' });

const usageAsOf = asOfSchema
  .extend({
    lateShare: z
      .string()
      .nullable()
      .describe(
        'Of the events in these rows, the share that reached the broker more than five minutes after their hour was over: 0 to 1, six decimals, rounded up.',
      ),
    lateShareUnknown: z
      .enum(['no_events', 'not_recorded'])
      .nullable()
      .describe(
        'Why there is no lateShare: there are no events, or some were counted before this was written down.',
      ),
  })
  .meta({ id: 'UsageAsOf' });

const usageRow = z
  .object({
    tenantId: z.string(),
    metric: z.string(),
    unit: z.string(),
    aggregation: z.string().describe('Which of the numbers below is the usage.'),
    start: instant.describe(
      'First instant of the row: of its period, or of the span where that begins later.',
    ),
    end: instant.describe('Not included.'),
    attrs: z
      .record(z.string(), z.string())
      .describe('Of the attributes in groupBy, those that the events carry.'),
    usage: decimal.describe("By the metric's aggregation; exact."),
    sum: decimal,
    count: whole.describe('Events.'),
    min: decimal,
    max: decimal,
    latest: decimal.describe('Value of the event with the latest time.'),
    lateEvents: whole
      .nullable()
      .describe('Of the events, those that came late. Null: not recorded for some of them.'),
  })
  .meta({ id: 'UsageRow' });

export const usageAnswer = z
  .object({
    tenantId: z.string(),
    descendants: z.boolean(),
    together: z.boolean(),
    granularity: z.enum(GRANULARITIES),
    timeZone: z.string(),
    from: instant,
    to: instant,
    asOf: usageAsOf,
    rows: z.array(usageRow).describe('In the order of tenant, metric, start and attributes.'),
    nextCursor,
  })
  .meta({ id: 'Usage' });

export function showInstant(ts: number): string {
  return new Date(ts).toISOString();
}

export function showAsOf(asOf: AsOf): z.input<typeof asOfSchema> {
  return {
    completeThrough: asOf.completeThrough === null ? null : showInstant(asOf.completeThrough),
    eventsBehind: asOf.eventsBehind?.toString() ?? null,
    haltedPartitions: [...asOf.haltedPartitions],
  };
}

/** @param read the page's rows, and one more where there are more */
export function usageAnswerOf(
  asked: Asked,
  page: { readonly span: Span; readonly by: Starts; readonly limit: number },
  read: readonly UsageRow[],
  asOf: AsOf,
): z.input<typeof usageAnswer> {
  const { span, by, limit } = page;
  const rows = read.slice(0, limit);
  const last = rows.at(-1);
  const { share, unknown } = lateShare(rows);
  return {
    tenantId: asked.tenantId,
    descendants: asked.tenants !== 'own',
    together: asked.tenants === 'together',
    granularity: asked.granularity,
    timeZone: asked.timeZone,
    from: showInstant(span.from),
    to: showInstant(span.to),
    asOf: { ...showAsOf(asOf), lateShare: share, lateShareUnknown: unknown },
    rows: rows.map((row) => rowOf(row, asked, span, by)),
    nextCursor: read.length > limit && last !== undefined ? cursorAfter(last, asked, span) : null,
  };
}

function rowOf(row: UsageRow, { groupBy = [] }: Asked, span: Span, by: Starts): z.input<typeof usageRow> {
  return {
    tenantId: row.tenantId,
    metric: row.metric,
    unit: row.unit,
    aggregation: row.aggregation,
    start: showInstant(row.periodStart),
    end: showInstant(endOf(row.periodStart, span, by)),
    attrs: Object.fromEntries(
      groupBy.flatMap((name, n) => (row.attrs[n] == null ? [] : [[name, row.attrs[n]]])),
    ),
    usage: usageOf(row, row.aggregation),
    sum: formatDecimal(row.sum),
    count: row.count.toString(),
    min: formatDecimal(row.min),
    max: formatDecimal(row.max),
    latest: formatDecimal(row.latest),
    lateEvents: row.late?.toString() ?? null,
  };
}
