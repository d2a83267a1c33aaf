/** Usage by tenant and, where descendants are asked for, together. Pure. */
import { mergeTotals, usageOf, type Totals } from '@meterhouse/usage';
import type { UsageRow } from '@meterhouse/postgres';

/** What is shown of one metric, period and tenant. */
export interface UsageLine {
  readonly metric: string;
  readonly unit: string;
  /** Epoch ms. */
  readonly periodStart: number;
  /** Null: all of the tenants together. */
  readonly tenantId: string | null;
  /** The metric's own aggregation, as a decimal string. */
  readonly usage: string;
  readonly events: bigint;
}

/** @param rows in the order of metric, period and tenant */
export function usageLines(rows: readonly UsageRow[], together: boolean): readonly UsageLine[] {
  const lines: UsageLine[] = [];
  let at = 0;
  while (at < rows.length) {
    const first = rows[at];
    if (first === undefined) break;
    const group: UsageRow[] = [];
    for (let row = rows[at]; row !== undefined && isSameGroup(row, first); row = rows[at]) {
      group.push(row);
      lines.push(lineOf(row, row, row.tenantId));
      at += 1;
    }
    if (together) lines.push(lineOf(first, sumOf(group, first), null));
  }
  return lines;
}

function isSameGroup(a: UsageRow, b: UsageRow): boolean {
  return a.metric === b.metric && a.periodStart === b.periodStart;
}

function lineOf(row: UsageRow, totals: Totals, tenantId: string | null): UsageLine {
  return {
    metric: row.metric,
    unit: row.unit,
    periodStart: row.periodStart,
    tenantId,
    usage: usageOf(totals, row.aggregation),
    events: totals.count,
  };
}

function sumOf(rows: readonly UsageRow[], first: UsageRow): Totals {
  const { sum, count, min, max, latest, latestTs, latestId } = first;
  const totals: Totals = { sum, count, min, max, latest, latestTs, latestId };
  for (const row of rows.slice(1)) mergeTotals(totals, row);
  return totals;
}
