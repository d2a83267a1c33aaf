/** Events that are taken and not settled yet: bounded, first in first out. Pure. */
import type { UsageEvent } from '@meterhouse/usage';
import { estimateBytes } from './event-size.ts';
import type { MeterError } from './errors.ts';

export interface Entry {
  readonly event: UsageEvent;
  /** When to give up, epoch ms; Infinity: only when the meter closes. */
  readonly deadline: number;
  /** Called once: with null when acknowledged. */
  readonly settle: (error: MeterError | null) => void;
}

export interface Bounds {
  readonly maxEvents: number;
  readonly maxBytes: number;
}

/** An entry in the buffer. */
export interface Held extends Entry {
  readonly order: number;
  readonly sizeBytes: number;
}

export class EventBuffer {
  readonly #bounds: Bounds;
  /** Unsettled entries in order of arrival; a Set keeps that order and forgets in O(1). */
  readonly #held = new Set<Held>();
  readonly #waiting: Held[] = [];
  #head = 0;
  #bytes = 0;
  #nextOrder = 0;
  #firstDeadline = Number.POSITIVE_INFINITY;

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
  }

  get size(): number {
    return this.#held.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Entries that no batch has taken yet. */
  get waiting(): number {
    return this.#waiting.length - this.#head;
  }

  /** The order that the next entry will get. */
  get nextOrder(): number {
    return this.#nextOrder;
  }

  /** Whether an entry would be over the bound. */
  isFull(): boolean {
    return this.#held.size >= this.#bounds.maxEvents || this.#bytes >= this.#bounds.maxBytes;
  }

  /** @returns false where the bound is hit */
  offer(entry: Entry): boolean {
    if (this.isFull()) return false;
    const held: Held = { ...entry, order: this.#nextOrder++, sizeBytes: estimateBytes(entry.event) };
    this.#held.add(held);
    this.#waiting.push(held);
    this.#bytes += held.sizeBytes;
    this.#firstDeadline = Math.min(this.#firstDeadline, held.deadline);
    return true;
  }

  /** The next entries, up to the limits, but one at least if there is one; some may be settled by now. */
  takeBatch(limits: Bounds): Held[] {
    const batch: Held[] = [];
    let bytes = 0;
    while (batch.length < limits.maxEvents) {
      const next = this.#waiting[this.#head];
      if (next === undefined || (batch.length > 0 && bytes + next.sizeBytes > limits.maxBytes)) break;
      this.#head += 1;
      batch.push(next);
      bytes += next.sizeBytes;
    }
    // Move the rest up now and then, so that taking stays O(1).
    if (this.#head > 1_024 && this.#head * 2 > this.#waiting.length) {
      this.#waiting.splice(0, this.#head);
      this.#head = 0;
    }
    return batch;
  }

  /** @returns false where it was settled before */
  release(entry: Held): boolean {
    if (!this.#held.delete(entry)) return false;
    this.#bytes -= entry.sizeBytes;
    return true;
  }

  /** Lets go of every unsettled entry. @returns them, in order */
  releaseAll(): Held[] {
    const all = [...this.#held];
    this.#held.clear();
    this.#waiting.length = 0;
    this.#head = 0;
    this.#bytes = 0;
    return all;
  }

  /** Whether it is still unsettled. */
  isHeld(entry: Held): boolean {
    return this.#held.has(entry);
  }

  /** Order of the oldest unsettled entry, or Infinity. */
  oldest(): number {
    for (const held of this.#held) return held.order;
    return Number.POSITIVE_INFINITY;
  }

  /** No unsettled entry has an earlier deadline. */
  get firstDeadline(): number {
    return this.#firstDeadline;
  }

  /** Unsettled entries whose deadline has come. Looks through all only when one may have. */
  expired(now: number): Held[] {
    if (now < this.#firstDeadline) return [];
    const expired: Held[] = [];
    this.#firstDeadline = Number.POSITIVE_INFINITY;
    for (const held of this.#held) {
      if (held.deadline <= now) expired.push(held);
      else this.#firstDeadline = Math.min(this.#firstDeadline, held.deadline);
    }
    return expired;
  }
}
