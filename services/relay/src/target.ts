/** The port to where the outbox goes. */
import type { HeldLane, OutboxRow } from '@meterhouse/postgres/outbox';

export interface Target {
  open(held: HeldLane): Promise<OpenLane>;
}

export interface OpenLane {
  /**
   * Delivers rows in their order, all of them, and takes them out of the outbox. After a rejection nobody
   * knows how much has arrived, and this is of no more use: open again, and deliver again.
   * @returns false when nothing was done, because the lane or its rows have changed: read them again
   */
  deliver(rows: readonly OutboxRow[]): Promise<boolean>;
  close(): Promise<void>;
}
