/** Usage of all tenants together by hour and metric. Pure. */
import { mergeTotals, usageOf, type Metric, type Totals } from '@meterhouse/usage';
import { tableLines, type Column } from '../screen/table.ts';
import { formatInstant, withThousands } from '../screen/words.ts';
import type { Palette } from '../screen/palette.ts';

export interface HourUsage extends Totals {
  readonly metric: string;
  /** Start of the hour, epoch ms. */
  readonly periodStart: number;
}

/** What fits on one screen; the rest stands in the tables. */
const MAX_HOURS = 30;

export function hourlyTableLines(
  usage: readonly HourUsage[],
  metrics: readonly Metric[],
  paint: Palette,
): string[] {
  const hours = new Map<number, Map<string, Totals>>();
  for (const { metric, periodStart, sum, count, min, max, latest, latestTs, latestId } of usage) {
    const totals = hours.get(periodStart) ?? new Map<string, Totals>();
    hours.set(periodStart, totals);
    const mine = { sum, count, min, max, latest, latestTs, latestId };
    const before = totals.get(metric);
    if (before === undefined) totals.set(metric, mine);
    else mergeTotals(before, mine);
  }
  const used = metrics.filter(({ name }) => usage.some(({ metric }) => metric === name));
  const columns = [
    { title: paint.dim('hour (UTC)'), align: 'left' },
    ...used.flatMap(({ name }): Column[] => [
      { title: paint.dim(name), align: 'right' },
      { title: paint.dim('events'), align: 'right' },
    ]),
  ] as const;
  const sorted = [...hours].sort(([a], [b]) => a - b);
  const rows = sorted.slice(0, MAX_HOURS).map(([hour, totals]) => [
    formatInstant(hour).slice(0, 16),
    ...used.flatMap(({ name, aggregation }) => {
      const total = totals.get(name);
      return total === undefined
        ? ['', '']
        : [withThousands(usageOf(total, aggregation)), withThousands(total.count)];
    }),
  ]);
  const rest = sorted.length - rows.length;
  return [
    ...tableLines(columns, rows),
    ...(rest > 0 ? [paint.dim(`and ${rest} more hours: npx meterhouse usage show --by hour`)] : []),
  ];
}
