export {
  CORRELATION_ID,
  isKept,
  LinkSet,
  traceableCorrelation,
  type BeginSpan,
  type Span,
  type SpanFacts,
} from './span.ts';
export { TRACE_METRICS } from './traces-metrics.ts';
