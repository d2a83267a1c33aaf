/** Where a meter puts the events that it has taken: a buffer in memory, or a spool on disk. */
import type { Entry } from './buffer.ts';
import type { Delivery } from './delivery.ts';
import type { MeterError } from './errors.ts';

/** Resolves when something can be offered again. */
export type Room = () => Promise<void>;

/** An event that is offered again, or refused. */
export interface NotTaken {
  readonly by: 'meter' | 'audit_log';
  /** Null: to offer it again would be of no use. */
  readonly room: Room | null;
  /** Counts it: for whoever does not offer it again. */
  refuse(): MeterError;
}

export interface Outgoing {
  /** @returns why it is not taken; null when it is */
  offer(entry: Entry): 'buffer_full' | 'not_stored' | null;
  /** Resolves when it is below its bound. */
  room(): Promise<void>;
  /** Resolves when everything taken so far is settled. @returns how much of it did not arrive */
  flush(): Promise<number>;
  /** Brings what it can within the deadline, and closes the transport. */
  close(deadlineMs: number): Promise<void>;
  /** Of events that have not arrived. */
  readonly waiting: () => { readonly events: number; readonly bytes: number };
}

export function inMemory(delivery: Delivery): Outgoing {
  return {
    offer: (entry) => (delivery.offer(entry) ? null : 'buffer_full'),
    room: () => delivery.room(),
    flush: () => delivery.flush(),
    close: (deadlineMs) => delivery.close(deadlineMs),
    waiting: () => ({ events: delivery.buffer.size, bytes: delivery.buffer.bytes }),
  };
}
