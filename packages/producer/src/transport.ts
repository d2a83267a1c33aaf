/** The port through which a meter delivers. Kafka is one; a spool or HTTP can be others. */
import type { UsageEvent } from '@meterhouse/usage';

export interface Transport {
  /**
   * Delivers a batch of normalized events; one call at a time.
   * Resolves once every one of them is durable where it went. Rejects with TransportError; then any
   * part of the batch may have arrived, and the meter sends it again: the receiver de-duplicates by
   * id. An aborted signal means that the meter no longer waits: give up what hangs.
   */
  send(events: readonly UsageEvent[], signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
  /** How often the connection was made anew after a failed send. */
  readonly remakes: () => number;
}

/** `unavailable`: send again. `too_large`: no use with the same batch; fewer events may do. */
export type TransportProblem = 'unavailable' | 'too_large';

export class TransportError extends Error {
  readonly problem: TransportProblem;

  constructor(problem: TransportProblem, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'TransportError';
    this.problem = problem;
  }
}
