/** Usage of which only the sum matters: how often and how much, not each time by itself. */
import { formatDecimal, type Billionths } from '@meterhouse/usage';
import type { UsageEventInput } from '../event-input.ts';

export interface SummableUsage {
  /** Default: the tenant of the context. */
  readonly tenantId?: string | undefined;
  readonly attrs: Readonly<Record<string, string>>;
  /** Of metrics that are aggregated by sum. */
  readonly amounts: readonly MetricAmount[];
  /** Default: that of the context. */
  readonly attribution?: Readonly<Record<string, string>> | null | undefined;
  /** Kept where each amount goes out by itself. */
  readonly correlationId?: string | undefined;
}

export type MetricAmount = readonly [metric: string, amount: Billionths];

/** Each of its amounts as an event by itself. */
export function eventsOf({ amounts, ...common }: SummableUsage): UsageEventInput[] {
  return amounts.map(([metric, amount]) => ({ ...common, metric, value: formatDecimal(amount) }));
}
