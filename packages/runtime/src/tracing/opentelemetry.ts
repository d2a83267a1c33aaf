/** Spans by OpenTelemetry's SDK, sent as OTLP over HTTP. Imported only where traces are on. */
import {
  context,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Context,
  type Link,
  type Span as OtelSpan,
  type Tracer,
} from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { parseTraceParent, setGlobalErrorHandler, W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, ParentBasedSampler, TracerProvider } from '@opentelemetry/sdk-trace';
import type { Logger } from '../logger.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { pause } from '../waiting.ts';
import { BoundedQueue, CountingExporter, SpanTally } from './counted-export.ts';
import { LinkedOrRatio } from './linked-or-ratio.ts';
import type { Traces } from './open-traces.ts';
import type { BeginSpan, Span, SpanStart } from './span.ts';

const QUEUE = { maxQueueSize: 2_048, maxExportBatchSize: 512, scheduledDelayMillis: 1_000 };
/** Of one export with its attempts. */
const EXPORT_TIMEOUT_MS = 10_000;
const KINDS = { server: SpanKind.SERVER, consumer: SpanKind.CONSUMER } as const;

export interface TraceOptions {
  readonly service: string;
  /** Where OTLP traces are posted to. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Share of the traces begun here that are kept, 0 to 1. */
  readonly ratio: number;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** One a process: the context of the work under way is registered for the whole of it, for the meter to find. */
export function startTraces(options: TraceOptions): Traces {
  const { logger, metrics } = options;
  const tally = new SpanTally(metrics, logger);
  const exporter = new CountingExporter(
    new OTLPTraceExporter({
      url: options.url,
      headers: { ...options.headers },
      timeoutMillis: EXPORT_TIMEOUT_MS,
      // The queue sends one at a time, and another at a stop: what else there is waits there, bounded.
      concurrencyLimit: 2,
    }),
    tally,
  );
  const batches = new BatchSpanProcessor({
    ...QUEUE,
    exporter,
    exportTimeoutMillis: EXPORT_TIMEOUT_MS + 1_000,
  });
  const provider = new TracerProvider({
    resource: resourceFromAttributes({
      'service.name': options.service,
      'service.namespace': 'meterhouse',
      'process.pid': process.pid,
    }),
    sampler: new ParentBasedSampler({ root: new LinkedOrRatio(options.ratio) }),
    spanLimits: { attributeValueLengthLimit: 256 },
    spanProcessors: [new BoundedQueue(batches, tally, QUEUE.maxQueueSize)],
  });
  // The exporter has told of a failed export; the SDK would tell again.
  setGlobalErrorHandler((error) => {
    logger.debug({ err: error }, 'traces');
  });
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  trace.setGlobalTracerProvider(provider);
  logger.info({ share: options.ratio }, 'making traces');
  return {
    beginSpan: beginSpanOf(provider.getTracer('meterhouse')),
    close: (deadlineMs) => closeWithin(provider, deadlineMs, logger),
  };
}

async function closeWithin(provider: TracerProvider, deadlineMs: number, logger: Logger): Promise<void> {
  const over = new AbortController();
  const closed = provider.shutdown().then(
    () => null,
    (error: unknown) => ({ error }),
  );
  const tooLate = pause(deadlineMs, over.signal).then(() => ({ error: new Error('no answer in time') }));
  const failed = await Promise.race([closed, tooLate]);
  over.abort();
  if (failed !== null) logger.warn({ err: failed.error }, 'the last spans were not delivered');
}

function beginSpanOf(tracer: Tracer): BeginSpan {
  return (name, start) => {
    const parent = parentOf(start);
    // Asked for explicitly: whatever is active here may be of the work that once began a loop.
    const span = tracer.startSpan(
      name,
      { kind: KINDS[start.kind], links: linksOf(start), ...factsOf(start) },
      parent,
    );
    return spanOf(span, trace.setSpan(parent, span));
  };
}

function parentOf({ parent }: SpanStart): Context {
  const given = parent === undefined ? null : parseTraceParent(parent);
  return given === null ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, { ...given, isRemote: true });
}

function linksOf({ links }: SpanStart): Link[] {
  return Array.from(links?.values() ?? [], parseTraceParent).flatMap((linked) =>
    linked === null ? [] : [{ context: { ...linked, isRemote: true } }],
  );
}

function factsOf({ facts, links }: SpanStart): { attributes: Record<string, string | number | boolean> } {
  const leftOut = links?.leftOut ?? 0;
  return { attributes: { ...facts, ...(leftOut === 0 ? {} : { 'meterhouse.links_left_out': leftOut }) } };
}

function spanOf(span: OtelSpan, active: Context): Span {
  const { traceId, spanId } = span.spanContext();
  return {
    traceparent: span.isRecording() ? `00-${traceId}-${spanId}-01` : null,
    run: (work) => context.with(active, work),
    end: (facts, failure) => {
      if (facts !== undefined) span.setAttributes(facts);
      if (failure !== undefined) {
        const { error } = failure;
        span.setAttribute('error.type', error instanceof Error ? error.name : typeof error);
        span.setStatus({ code: SpanStatusCode.ERROR });
      }
      span.end();
    },
  };
}
