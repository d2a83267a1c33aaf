/**
 * What is measured, said once: the code registers it, and docs/ops/metrics.md is generated from it.
 * Names are promises to dashboards and alerts.
 */

type MetricType = 'counter' | 'gauge' | 'histogram';

interface Definition<Type extends MetricType, Label extends string> {
  readonly type: Type;
  /** snake_case; the unit last, `_total` for counters. */
  readonly name: string;
  readonly unit: string;
  /** For whoever reads a dashboard: what it says, and what it says when all is well. */
  readonly help: string;
  readonly labels: readonly Label[];
}

/** Only grows, from 0 at the start of the process. */
export type CounterDefinition<Label extends string = string> = Definition<'counter', Label>;
/** Read when somebody scrapes, from what the process holds in memory. */
export type GaugeDefinition<Label extends string = string> = Definition<'gauge', Label>;
export interface HistogramDefinition<Label extends string = string> extends Definition<'histogram', Label> {
  /** Upper bounds, ascending. */
  readonly buckets: readonly number[];
}
export type MetricDefinition = CounterDefinition | GaugeDefinition | HistogramDefinition;

interface Said<Label extends string> {
  readonly name: string;
  readonly unit: string;
  readonly help: string;
  readonly labels?: readonly Label[];
}

export function counter<Label extends string = never>(said: Said<Label>): CounterDefinition<Label> {
  return { labels: [], ...said, type: 'counter' };
}

export function gauge<Label extends string = never>(said: Said<Label>): GaugeDefinition<Label> {
  return { labels: [], ...said, type: 'gauge' };
}

export function histogram<Label extends string = never>(
  said: Said<Label> & { readonly buckets: readonly number[] },
): HistogramDefinition<Label> {
  return { labels: [], ...said, type: 'histogram' };
}
