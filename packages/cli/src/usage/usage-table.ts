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

/** In the order of metric, period and tenant. */
export function usageLines(unordered: readonly UsageRow[], together: boolean): readonly UsageLine[] {
  const rows = unordered.toSorted(
    (a, b) => order(a.metric, b.metric) || a.periodStart - b.periodStart || order(a.tenantId, b.tenantId),
  );
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

/** Names are ASCII: the stores' order, by bytes, is this one. */
function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
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
