/** Where a flush stands in the traces, as its row of the change log keeps it. */
import {
  CORRELATION_ID,
  LinkSet,
  type BeginSpan,
  type Span,
  type SpanFacts,
} from '@meterhouse/runtime/tracing';

export interface FlushTrace {
  /** W3C. */
  readonly traceparent: string;
  /** Of the flush's one event; null where there were more, or it had none that can be kept here. */
  readonly correlationId: string | null;
}

/** Begins the span of a batch that passes traced flushes on; they are what it links to. */
export function beginPassingOn(
  beginSpan: BeginSpan,
  name: string,
  flushes: Iterable<FlushTrace>,
  facts: SpanFacts,
): Span {
  const links = new LinkSet();
  const correlations = new Set<string | null>();
  for (const { traceparent, correlationId } of flushes) {
    links.add(traceparent);
    correlations.add(correlationId);
  }
  const [only = null] = correlations.size === 1 ? correlations : [];
  return beginSpan(name, {
    kind: 'consumer',
    links,
    facts: { ...facts, ...(only === null ? {} : { [CORRELATION_ID]: only }) },
  });
}
