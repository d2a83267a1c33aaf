/** What the meter did so far. accepted = acknowledged + failed + refused.too_large + refused.rejected + buffered, at every moment. */
import type { RefusalReason } from './errors.ts';

export interface MeterCounters {
  /** Events taken into the buffer or the spool. */
  readonly accepted: number;
  readonly acknowledged: number;
  /** Not taken, by reason; `too_large` and `rejected` were taken, and then refused by the receiver. */
  readonly refused: Readonly<Record<RefusalReason | 'buffer_full' | 'not_stored' | 'closed', number>>;
  /** Taken, and given up without an acknowledgement. */
  readonly failed: number;
  /** Taken, and neither acknowledged nor given up yet. */
  readonly buffered: number;
  /** Estimated. */
  readonly bufferedBytes: number;
  /** What is being added up; each goes out as one event, and is counted then. */
  readonly sums: number;
  /** Taken and sent nowhere, as the configuration wants it; in none of the others. */
  readonly discarded: number;
  /** Lines in the audit log, where tenants' classes ask for one. */
  readonly audited: number;
  /** Events that should have had a line there and got none. */
  readonly auditLost: number;
  /** Sends that failed and were repeated. */
  readonly retries: number;
  /** New kafkajs producers after a failed send. */
  readonly producersRemade: number;
  /** Null: there is none. */
  readonly spool: SpoolCounters | null;
}

/** `buffered` of a meter with a spool are the events in its files. */
export interface SpoolCounters {
  /** Events of processes that ended, found in files that this one took over; among `accepted`. */
  readonly recovered: number;
  /** How long the oldest event has waited; null where none waits. */
  readonly oldestAgeMs: number | null;
  /** Events refused for good that lie in this process's file for a person. */
  readonly setAside: number;
}

/** The counts that the meter and its delivery raise. */
export interface Tally {
  accepted: number;
  acknowledged: number;
  failed: number;
  discarded: number;
  retries: number;
  readonly refused: Record<RefusalReason | 'buffer_full' | 'not_stored' | 'closed', number>;
}

export function newTally(): Tally {
  return {
    accepted: 0,
    acknowledged: 0,
    failed: 0,
    discarded: 0,
    retries: 0,
    refused: {
      invalid_event: 0,
      invalid_value: 0,
      too_large: 0,
      rejected: 0,
      buffer_full: 0,
      not_stored: 0,
      closed: 0,
    },
  };
}
