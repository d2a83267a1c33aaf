export { CORRELATION_ID, LinkSet, type BeginSpan, type Span, type SpanFacts } from './span.ts';
export { openTraces, type Traces } from './open-traces.ts';
export { TRACE_METRICS } from './traces-metrics.ts';
