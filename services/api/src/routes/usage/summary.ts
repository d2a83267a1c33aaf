/** What a tenant has used in the current periods, and what is left of its limits. Pure. */
import type { UsageRow } from '@meterhouse/postgres';
import {
  Boundaries,
  ceilingsOf,
  QUOTA_PERIODS,
  showCeiling,
  type Ceiling,
  type Place,
  type PolicyView,
} from '@meterhouse/quota';
import { formatDecimal, projectLinear, usedAmount, type Billionths, type Metric } from '@meterhouse/usage';
import type { Periods } from '@meterhouse/usage/calendar';
import { z } from 'zod';
import { nextCursor } from '../../http/cursor.ts';
import { asOfSchema, decimal, instant, showInstant } from './answer.ts';

/** Periods whose usage is shown, whatever is limited. */
const SHOWN = ['hour', 'day', 'month'] as const;
type Shown = (typeof SHOWN)[number];

const summaryPeriod = z
  .object({
    period: z.enum(SHOWN),
    start: instant,
    end: instant.describe('Not included.'),
    used: decimal.describe("By the tenant and all below it, by the metric's aggregation."),
    projected: decimal
      .nullable()
      .describe(
        'What it comes to at the end if it goes on as up to completeThrough: used times the period over the part of it that is over, rounded up to the scale of the metric.',
      ),
    projectedUnknown: z
      .enum(['not_cumulative', 'not_complete', 'too_early'])
      .nullable()
      .describe(
        'Why there is no projection: peaks and levels do not add up; completeThrough is not known; less than a twentieth of the period is over.',
      ),
  })
  .meta({ id: 'PeriodUsage' });

const summaryLimit = z
  .object({
    scope: z
      .string()
      .nullable()
      .describe(
        'The tenant whose usage is limited, with all below it. Null: one above this one, of which only this is told, that it limits; the same in decisions.',
      ),
    period: z.enum(QUOTA_PERIODS),
    limit: decimal.nullable().describe('Null where scope is.'),
    mode: z.enum(['hard', 'soft']).describe('What the plan says; class says what becomes of it.'),
    used: decimal.nullable().describe('Null where scope is: what others have used there is theirs.'),
    remaining: decimal.nullable().describe('Never below 0. Null where used is.'),
  })
  .meta({ id: 'LimitUsage' });

export const summaryAnswer = z
  .object({
    tenantId: z.string(),
    class: z
      .enum(['internal', 'arms_length', 'external'])
      .describe('internal: limits never block; arms_length: they warn; external: hard ones block.'),
    registryVersion: z.string().describe('Of the limits.'),
    asOf: asOfSchema,
    metrics: z
      .array(
        z
          .object({
            metric: z.string(),
            unit: z.string(),
            aggregation: z.string(),
            periods: z.array(summaryPeriod).describe('The current hour, day and month.'),
            limits: z.array(summaryLimit).describe('Those in force, from the tenant upwards.'),
          })
          .meta({ id: 'MetricSummary' }),
      )
      .describe('Those used this month, or limited; by name.'),
    nextCursor,
  })
  .meta({ id: 'UsageSummary' });

export interface PeriodSpan {
  readonly period: Shown;
  /** Epoch ms; the end is not included. */
  readonly start: number;
  readonly end: number;
}

/** The hour, day and month that the instant lies in, by the calendar of the tenant's root. */
export function currentPeriods(calendar: Periods, now: number): readonly PeriodSpan[] {
  return SHOWN.map((period) => ({ period, ...calendar.of(period, now) }));
}

/** The ceilings in force for a tenant by metric, of the metrics that are registered. */
export function ceilingsByMetric(
  policy: PolicyView,
  { lineage }: Place,
  metrics: Iterable<string>,
  now: number,
): ReadonlyMap<string, readonly Ceiling[]> {
  const at = { earliest: now, latest: now };
  const found = new Map<string, readonly Ceiling[]>();
  for (const metric of metrics) {
    const { active } = ceilingsOf(policy, lineage, metric, at, new Boundaries());
    if (active.length > 0) found.set(metric, active);
  }
  return found;
}

type UsedByPeriod = ReadonlyMap<string, ReadonlyMap<string, UsageRow>>;

/** @param used rows of the tenant and all below it together, by period; a metric without a row used nothing */
export function metricSummary(
  metric: Metric,
  facts: {
    readonly tenantId: string;
    readonly periods: readonly PeriodSpan[];
    readonly used: UsedByPeriod;
    readonly ceilings: readonly Ceiling[];
    readonly completeThrough: number | null;
  },
): z.input<typeof summaryAnswer>['metrics'][number] {
  const usedIn = (period: string): Billionths | null => {
    const rows = facts.used.get(period);
    if (rows === undefined) return null;
    const row = rows.get(metric.name);
    return row === undefined ? 0n : usedAmount(row, metric.aggregation);
  };
  return {
    metric: metric.name,
    unit: metric.unit,
    aggregation: metric.aggregation,
    periods: facts.periods.map(({ period, start, end }) => {
      const used = usedIn(period) ?? 0n;
      const { value, unknown } = projectLinear(used, metric, { start, end }, facts.completeThrough);
      return {
        period,
        start: showInstant(start),
        end: showInstant(end),
        used: formatDecimal(used),
        projected: value === null ? null : formatDecimal(value),
        projectedUnknown: unknown,
      };
    }),
    limits: facts.ceilings.map((ceiling) => {
      // A tenant's own page: what is not of it is of one above.
      const isOwn = ceiling.scope === facts.tenantId;
      const amount = isOwn ? usedIn(ceiling.period) : null;
      const left = (of: Billionths): Billionths => (of < ceiling.value ? ceiling.value - of : 0n);
      const known = amount === null ? null : { used: amount, remaining: left(amount) };
      const { scope, period, value, mode, used, remaining } = showCeiling(ceiling, known, isOwn);
      return { scope, period, limit: value, mode, used, remaining };
    }),
  };
}
