/** The span of each flush: it goes back to the contexts that its messages came with. */
import type { FetchedRecord } from '@meterhouse/kafka';
import type { FlushTrace } from '@meterhouse/postgres';
import type { CountResult, DecodedRecord } from '@meterhouse/postgres/counting';
import {
  CORRELATION_ID,
  LinkSet,
  traceableCorrelation,
  type BeginSpan,
  type SpanFacts,
} from '@meterhouse/runtime/tracing';

interface BatchToFlush {
  readonly partition: number;
  readonly fromOffset: bigint;
  readonly nextOffset: bigint;
  readonly records: readonly FetchedRecord[];
  readonly decoded: readonly DecodedRecord[];
}

export interface FlushSpan {
  /** To be kept with the flush; null where its trace is not kept. */
  readonly trace: FlushTrace | null;
  /** Null: nobody waited for it any more. */
  ended(result: CountResult | null): void;
  failed(error: unknown): void;
}

export type TraceFlush = (batch: BatchToFlush) => FlushSpan;

export function flushTraces(beginSpan: BeginSpan, topic: string): TraceFlush {
  return ({ partition, fromOffset, nextOffset, records, decoded }) => {
    const links = new LinkSet();
    for (const { traceparent } of records) if (traceparent !== undefined) links.add(traceparent);
    const correlationId = onlyCorrelation(decoded);
    const span = beginSpan('usage.flush', {
      kind: 'consumer',
      links,
      facts: {
        'messaging.system': 'kafka',
        'messaging.destination.name': topic,
        'messaging.destination.partition.id': String(partition),
        'messaging.batch.message_count': records.length,
        // Offsets outgrow what a number holds exactly.
        'meterhouse.from_offset': fromOffset.toString(),
        'meterhouse.next_offset': nextOffset.toString(),
        ...(correlationId === null ? {} : { [CORRELATION_ID]: correlationId }),
      },
    });
    const { traceparent } = span;
    return {
      trace: traceparent === null ? null : { traceparent, correlationId },
      ended: (result) => span.end(outcome(result)),
      failed: (error) => span.end({ 'meterhouse.flush': 'failed' }, { error }),
    };
  };
}

function onlyCorrelation(decoded: readonly DecodedRecord[]): string | null {
  const [only] = decoded;
  if (decoded.length !== 1 || only === undefined || !('event' in only)) return null;
  return traceableCorrelation(only.event.correlationId);
}

function outcome(result: CountResult | null): SpanFacts {
  if (result?.kind !== 'committed') return { 'meterhouse.flush': result?.kind ?? 'abandoned' };
  return {
    'meterhouse.flush': 'committed',
    'meterhouse.counted': result.counted,
    'meterhouse.duplicates': result.duplicates,
    'meterhouse.quarantined': result.quarantined,
    'meterhouse.buckets': result.buckets,
  };
}
