/**
 * Traces of what a meter sends, in a process that has OpenTelemetry's API registered; in any other, nothing
 * is loaded, made or kept. Which trace an event belongs to is known beside it, and written down with it where
 * it is spooled.
 */
import { createRequire } from 'node:module';
import type * as Api from '@opentelemetry/api';
import type { Context, Link, SpanContext } from '@opentelemetry/api';
import { CORRELATION_ID, isKept, LinkSet, traceableCorrelation } from '@meterhouse/runtime/tracing';
import type { UsageEvent } from '@meterhouse/usage';

type OpenTelemetry = typeof Api;

/** Where every copy of the API of its first major version registers. */
const REGISTERED = Symbol.for('opentelemetry.js.api.1');
const KEPT = 1;

let api: OpenTelemetry | null | undefined;
const origins = new WeakMap<UsageEvent, string>();
/** The last context and its text: the events of one request share it. */
let lastContext: SpanContext | null = null;
let lastText = '';

/** Remembers in which context an event was recorded, if in one that is kept. */
export function rememberContext(event: UsageEvent): void {
  if (!(REGISTERED in globalThis)) return;
  const otel = openTelemetry();
  const active = otel?.trace.getSpanContext(otel.context.active());
  if (active === undefined || (active.traceFlags & KEPT) === 0) return;
  if (active !== lastContext) {
    lastContext = active;
    lastText = textOf(active);
  }
  origins.set(event, lastText);
}

/** In which context an event was recorded, as a W3C `traceparent`; null where in none that is kept. */
export function originOf(event: UsageEvent): string | null {
  return origins.get(event) ?? null;
}

/** Of an event that was written down, and is read again. */
export function rememberOrigin(event: UsageEvent, traceparent: string): void {
  if (isKept(traceparent)) origins.set(event, traceparent);
}

export interface Sending {
  /** What its message carries; undefined where nobody keeps a trace. */
  headersOf(event: UsageEvent): { readonly traceparent: string } | undefined;
  end(failure?: { readonly error: unknown }): void;
}

/**
 * Begins the span of a batch. Events of one context are sent under it; those of several are what the span
 * links to, and each message carries its own.
 * @returns null where nobody traces
 */
export function beginSending(topic: string, events: readonly UsageEvent[]): Sending | null {
  if (!(REGISTERED in globalThis)) return null;
  const otel = openTelemetry();
  if (otel === null) return null;
  const links = new LinkSet();
  let withoutOrigin = 0;
  for (const event of events) {
    const origin = origins.get(event);
    if (origin === undefined) withoutOrigin += 1;
    else links.add(origin);
  }
  const [first] = links.values();
  const parent = links.size === 1 && withoutOrigin === 0 && first !== undefined ? first : null;
  const span = otel.trace.getTracer('@meterhouse/producer').startSpan(
    'usage.send',
    {
      kind: otel.SpanKind.PRODUCER,
      attributes: factsOf(topic, events, links.leftOut),
      links: parent === null ? Array.from(links.values(), linkTo) : [],
    },
    // Never what is active here: that is the context of whoever happened to wake the delivery.
    parent === null ? otel.ROOT_CONTEXT : under(otel, parent),
  );
  const own = span.isRecording() ? textOf(span.spanContext()) : null;
  return {
    headersOf: (event) => {
      const traceparent = parent === null ? (origins.get(event) ?? own) : (own ?? parent);
      return traceparent === null ? undefined : { traceparent };
    },
    end: (failure) => {
      if (failure !== undefined) {
        const { error } = failure;
        span.setAttribute('error.type', error instanceof Error ? error.name : typeof error);
        span.setStatus({ code: otel.SpanStatusCode.ERROR });
      }
      span.end();
    },
  };
}

/** Loaded when somebody has registered it, which they can only have done with the package at hand. */
function openTelemetry(): OpenTelemetry | null {
  if (api === undefined) {
    try {
      api = createRequire(import.meta.url)('@opentelemetry/api') as OpenTelemetry;
    } catch (error) {
      api = null;
      const detail = error instanceof Error ? error.message : String(error);
      process.emitWarning(`the meter makes no traces: @opentelemetry/api cannot be loaded: ${detail}`);
    }
  }
  return api;
}

function factsOf(
  topic: string,
  events: readonly UsageEvent[],
  leftOut: number,
): Record<string, string | number> {
  const correlationId = events.length === 1 ? traceableCorrelation(events[0]?.correlationId ?? null) : null;
  return {
    'messaging.system': 'kafka',
    'messaging.destination.name': topic,
    'messaging.batch.message_count': events.length,
    ...(leftOut === 0 ? {} : { 'meterhouse.links_left_out': leftOut }),
    ...(correlationId === null ? {} : { [CORRELATION_ID]: correlationId }),
  };
}

function textOf({ traceId, spanId, traceFlags }: SpanContext): string {
  return `00-${traceId}-${spanId}-${(traceFlags & 0xff).toString(16).padStart(2, '0')}`;
}

function contextOf(traceparent: string): SpanContext {
  const [, traceId = '', spanId = '', flags = ''] = traceparent.split('-');
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16) };
}

function linkTo(traceparent: string): Link {
  return { context: contextOf(traceparent) };
}

function under(otel: OpenTelemetry, traceparent: string): Context {
  return otel.trace.setSpanContext(otel.ROOT_CONTEXT, contextOf(traceparent));
}
