/**
 * How work tells of itself for traces. Whoever has null instead of a `BeginSpan` makes and keeps nothing:
 * traces are off.
 */

/** Attributes. Never a secret, nor a value that was measured. */
export type SpanFacts = Readonly<Record<string, string | number | boolean>>;

export interface SpanStart {
  /** `server`: answers a request. `consumer`: works on what came by a queue or a log. */
  readonly kind: 'server' | 'consumer';
  /** `traceparent` as it came from outside; one that is not valid counts as none. */
  readonly parent?: string | undefined;
  readonly links?: LinkSet | undefined;
  readonly facts?: SpanFacts;
}

export interface Span {
  /** The W3C `traceparent` to hand on; null where this trace is not kept. */
  readonly traceparent: string | null;
  /** Runs work with this span as the active one, also beyond its awaits. */
  run<T>(work: () => T): T;
  /** Once. With what the work failed with, if it did: its class is told, its words are not. */
  end(facts?: SpanFacts, failure?: { readonly error: unknown }): void;
}

export type BeginSpan = (name: string, start: SpanStart) => Span;

/** The attribute by which everything of one request is found. */
export const CORRELATION_ID = 'meterhouse.correlation_id';

/** As the API lets one in; the text of others is not ours to spread. */
const CORRELATION = /^[A-Za-z0-9][A-Za-z0-9._:@/-]{0,127}$/;

/** A correlation id, where it can stand in a trace. */
export function traceableCorrelation(text: string | null): string | null {
  return text !== null && CORRELATION.test(text) ? text : null;
}

const MAX_LINKS = 32;
/** Version 00, kept: one that its sender did not keep leads nowhere. */
const KEPT = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f][13579bdf]$/;

/** Whether a `traceparent`, from wherever it comes, is valid and kept by its sender. */
export function isKept(traceparent: string): boolean {
  return KEPT.test(traceparent);
}

/** The contexts that one piece of work goes back to: the first so many, each once. */
export class LinkSet {
  readonly #kept = new Set<string>();
  #leftOut = 0;

  /** @param traceparent from wherever it comes; what is not valid, or not kept by its sender, is passed over */
  add(traceparent: string): void {
    if (this.#kept.has(traceparent) || !isKept(traceparent)) return;
    if (this.#kept.size < MAX_LINKS) this.#kept.add(traceparent);
    else this.#leftOut += 1;
  }

  get size(): number {
    return this.#kept.size;
  }

  /** How often one came that found no room. */
  get leftOut(): number {
    return this.#leftOut;
  }

  /** The `traceparent` of each. */
  values(): Iterable<string> {
    return this.#kept;
  }
}
