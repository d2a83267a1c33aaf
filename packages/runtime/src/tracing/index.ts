export { CORRELATION_ID, LinkSet, type BeginSpan, type Span, type SpanFacts } from './span.ts';
export { TRACE_METRICS } from './traces-metrics.ts';
