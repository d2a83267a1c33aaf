/** Usage of which only the sum matters: how often and how much, not each time by itself. */
import { formatDecimal, type Billionths } from '@meterhouse/usage';
import type { UsageEventInput } from '../event-input.ts';
import type { InputRefusal } from '../normalize.ts';

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

/** Billionths: `1_000_000_000n` is one. */
export type MetricAmount = readonly [metric: string, amount: Billionths];

/**
 * What is added up is written as it is, and goes out of a timer: so what is no text and no BigInt is found
 * here, where the caller can be told.
 * @returns the field in which it is nothing that can be added up; null where there is none
 */
export function unsummable(usage: unknown): InputRefusal | null {
  if (!isObject(usage)) return refusal('usage', 'is no object');
  const { amounts, attrs, attribution } = usage;
  if (!Array.isArray(amounts) || !amounts.every(isAmount))
    return refusal('amounts', 'are pairs of a metric and a BigInt of billionths');
  if (!isObject(attrs)) return refusal('attrs', 'is no object');
  if (attribution !== undefined && attribution !== null && !isObject(attribution))
    return refusal('attribution', 'is no object');
  return null;
}

function refusal(field: string, detail: string): InputRefusal {
  return { reason: 'invalid_event', field, detail };
}

function isAmount(amount: unknown): boolean {
  return Array.isArray(amount) && typeof amount[0] === 'string' && typeof amount[1] === 'bigint';
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

/** Each of its amounts as an event by itself. */
export function eventsOf({ amounts, ...common }: SummableUsage): UsageEventInput[] {
  return amounts.map(([metric, amount]) => ({ ...common, metric, value: formatDecimal(amount) }));
}
