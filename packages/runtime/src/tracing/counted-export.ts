/** What becomes of each span: a collector that is away costs spans, never the service, and is heard of. */
import { ExportResultCode, type ExportResult } from '@opentelemetry/core';
import type { ReadableSpan, Span, SpanExporter, SpanProcessor } from '@opentelemetry/sdk-trace';
import type { Context } from '@opentelemetry/api';
import type { Logger } from '../logger.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { TRACE_METRICS } from './traces-metrics.ts';

export class SpanTally {
  readonly #count: (outcome: 'delivered' | 'failed' | 'dropped', spans: number) => void;
  readonly #logger: Logger;
  #failedInARow = 0;
  #lost = 0;
  /** Ended and not given to the exporter yet. */
  waiting = 0;

  constructor(metrics: Metrics, logger: Logger) {
    const spans = metrics.counter(TRACE_METRICS.spans);
    this.#count = (outcome, count) => {
      spans.inc({ outcome }, count);
    };
    this.#logger = logger;
  }

  delivered(spans: number): void {
    this.#count('delivered', spans);
    if (this.#failedInARow > 0) this.#logger.info({ spansLost: this.#lost }, 'traces are delivered again');
    this.#failedInARow = 0;
    this.#lost = 0;
  }

  failed(spans: number, error: unknown): void {
    this.#count('failed', spans);
    this.#lost += spans;
    this.#failedInARow += 1;
    // The 1st, 2nd, 4th, 8th …: a day without a collector must not fill a disk.
    if ((this.#failedInARow & (this.#failedInARow - 1)) === 0)
      this.#logger.warn(
        { err: error, failedExports: this.#failedInARow, spansLost: this.#lost },
        'traces cannot be delivered; the service goes on without them',
      );
  }

  dropped(): void {
    this.#count('dropped', 1);
    this.#lost += 1;
  }
}

/** Ends spans into a queue; beyond its bound they are dropped, and counted. */
export class BoundedQueue implements SpanProcessor {
  readonly #batches: SpanProcessor;
  readonly #tally: SpanTally;
  readonly #maxSpans: number;

  constructor(batches: SpanProcessor, tally: SpanTally, maxSpans: number) {
    this.#batches = batches;
    this.#tally = tally;
    this.#maxSpans = maxSpans;
  }

  onStart(span: Span, parent: Context): void {
    this.#batches.onStart(span, parent);
  }

  onEnd(span: ReadableSpan): void {
    if (this.#tally.waiting >= this.#maxSpans) {
      this.#tally.dropped();
      return;
    }
    this.#tally.waiting += 1;
    this.#batches.onEnd(span);
  }

  forceFlush(): Promise<void> {
    return this.#batches.forceFlush();
  }

  shutdown(): Promise<void> {
    return this.#batches.shutdown();
  }
}

export class CountingExporter implements SpanExporter {
  readonly #exporter: SpanExporter;
  readonly #tally: SpanTally;

  constructor(exporter: SpanExporter, tally: SpanTally) {
    this.#exporter = exporter;
    this.#tally = tally;
  }

  export(spans: ReadableSpan[], done: (result: ExportResult) => void): void {
    this.#tally.waiting -= spans.length;
    this.#exporter.export(spans, (result) => {
      if (result.code === ExportResultCode.SUCCESS) this.#tally.delivered(spans.length);
      else this.#tally.failed(spans.length, result.error);
      done(result);
    });
  }

  shutdown(): Promise<void> {
    return this.#exporter.shutdown();
  }
}
