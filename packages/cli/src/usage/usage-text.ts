/** What `usage show` prints. */
import type { AsOf, UsagePeriod } from '@meterhouse/postgres';
import { formatDay, formatHour, formatInstant } from '../output/instants.ts';
import { CommandError } from '../exit.ts';
import { withThousands } from '../output/numbers.ts';
import type { Json } from '../output/output.ts';
import type { Palette } from '../output/palette.ts';
import { renderTable, type Column } from '../output/table.ts';
import { renderAsOf } from './as-of.ts';
import type { Span } from './period.ts';
import type { UsageLine } from './usage-table.ts';

export interface UsageAnswer {
  readonly tenantId: string;
  readonly descendants: boolean;
  readonly by: UsagePeriod;
  readonly store: 'postgres' | 'clickhouse';
  readonly span: Span;
  readonly lines: readonly UsageLine[];
  readonly asOf: AsOf;
}

export function usageJson(answer: UsageAnswer): Json {
  const { asOf, span } = answer;
  return {
    tenantId: answer.tenantId,
    descendants: answer.descendants,
    by: answer.by,
    store: answer.store,
    from: new Date(span.from).toISOString(),
    to: new Date(span.to).toISOString(),
    completeThrough: asOf.completeThrough === null ? null : new Date(asOf.completeThrough).toISOString(),
    eventsBehind: asOf.eventsBehind?.toString() ?? null,
    haltedPartitions: asOf.haltedPartitions,
    rows: answer.lines.map((line) => ({
      metric: line.metric,
      unit: line.unit,
      periodStart: new Date(line.periodStart).toISOString(),
      tenantId: line.tenantId,
      usage: line.usage,
      events: line.events.toString(),
    })),
  };
}

export function renderUsage(answer: UsageAnswer, palette: Palette): string {
  const { span, by, descendants } = answer;
  const who = descendants ? `${answer.tenantId} and all below it` : answer.tenantId;
  const head = `${palette.bold(who)}, ${formatHour(span.from)} to ${formatHour(span.to)}, from ${answer.store === 'postgres' ? 'Postgres' : 'ClickHouse'}\n`;
  const foot = `${renderAsOf(answer.asOf, palette)}\n`;
  if (answer.lines.length === 0) return `${head}no usage\n${foot}`;
  const columns: Column[] = [
    { title: 'metric' },
    ...(by === 'total' ? [] : [{ title: by }]),
    ...(descendants ? [{ title: 'tenant' }] : []),
    { title: 'usage', align: 'right' },
    { title: 'unit' },
    { title: 'events', align: 'right' },
  ];
  const rows = answer.lines.map((line) => {
    const usage = withThousands(line.usage);
    return [
      line.metric,
      ...(by === 'total' ? [] : [periodText(by, line.periodStart)]),
      ...(descendants ? [line.tenantId ?? palette.bold('together')] : []),
      line.tenantId === null ? palette.bold(usage) : usage,
      line.unit,
      withThousands(line.events),
    ];
  });
  return `${head}${renderTable(columns, rows, palette)}${foot}`;
}

function periodText(by: UsagePeriod, start: number): string {
  switch (by) {
    case 'hour':
      return formatHour(start);
    case 'day':
      return formatDay(start);
    case 'total':
      return formatInstant(start);
  }
}

export function unknownTenant(id: string): CommandError {
  return new CommandError(`there is no tenant ${id}`, 'see the registry file, or "meterhouse apply" it');
}
