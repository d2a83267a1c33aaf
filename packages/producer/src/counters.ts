/** What the meter did so far. accepted = acknowledged + failed + refused.too_large + buffered, at every moment. */
import type { RefusalReason } from './errors.ts';

export interface MeterCounters {
  /** Events taken into the buffer. */
  readonly accepted: number;
  readonly acknowledged: number;
  /** Not taken, by reason; `too_large` was taken, and then refused by the broker. */
  readonly refused: Readonly<Record<RefusalReason | 'buffer_full' | 'closed', number>>;
  /** Taken, and given up without an acknowledgement. */
  readonly failed: number;
  /** Taken, and neither acknowledged nor given up yet. */
  readonly buffered: number;
  /** Estimated. */
  readonly bufferedBytes: number;
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
}

/** The counts that the meter and its delivery raise. */
export interface Tally {
  accepted: number;
  acknowledged: number;
  failed: number;
  discarded: number;
  retries: number;
  readonly refused: Record<RefusalReason | 'buffer_full' | 'closed', number>;
}

export function newTally(): Tally {
  return {
    accepted: 0,
    acknowledged: 0,
    failed: 0,
    discarded: 0,
    retries: 0,
    refused: { invalid_event: 0, invalid_value: 0, too_large: 0, buffer_full: 0, closed: 0 },
  };
}
