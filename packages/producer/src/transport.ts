/** The port through which a meter delivers: Kafka, an HTTP sink, a database. */
import type { UsageEvent } from '@meterhouse/usage';

export interface Transport {
  /**
   * Delivers a batch of normalized events; one call at a time.
   * Resolves once every one of them is durable where it went. Rejects with TransportError; then, unless
   * it says otherwise, any part of the batch may have arrived, and the meter sends it again: the receiver
   * de-duplicates by id. An aborted signal means that the meter no longer waits: give up what hangs.
   */
  send(events: readonly UsageEvent[], signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
  /** How often the connection was made anew after a failed send. */
  readonly remakes: () => number;
}

/**
 * `unavailable`: send again. `too_large`: no use with the same batch; fewer events may do. `rejected`: the
 * batch holds events that will never be taken. Which, `rejected` says, and then every other event of the
 * batch is durable; where the receiver did not say, the meter finds out by sending fewer.
 */
export type TransportProblem = 'unavailable' | 'too_large' | 'rejected';

/** Why the receiver will never take an event. */
export interface Rejection {
  /** Of the event, by our name; null where the receiver names none. */
  readonly field: string | null;
  readonly detail: string;
}

interface TransportErrorDetails extends ErrorOptions {
  /** How long the receiver asks to be left alone, in ms. */
  readonly retryAfterMs?: number;
  /** By the event's position in the batch. */
  readonly rejected?: ReadonlyMap<number, Rejection>;
}

export class TransportError extends Error {
  readonly problem: TransportProblem;
  readonly retryAfterMs: number | null;
  readonly rejected: ReadonlyMap<number, Rejection> | null;

  constructor(problem: TransportProblem, message: string, details: TransportErrorDetails = {}) {
    super(message, details);
    this.name = 'TransportError';
    this.problem = problem;
    this.retryAfterMs = details.retryAfterMs ?? null;
    this.rejected = details.rejected ?? null;
  }
}
