import { counter } from '../metrics/definition.ts';

/** What a service exports while it makes traces. */
export const TRACE_METRICS = {
  spans: counter({
    name: 'meterhouse_trace_spans_total',
    unit: 'spans',
    help: 'Spans by what became of them: "delivered" to the collector, "failed" to be, or "dropped" because too many waited.',
    labels: ['outcome'],
  }),
} as const;
