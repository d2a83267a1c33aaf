/** Sends planned events until each is acknowledged, and tells the oracle then. */
import { setTimeout as delay } from 'node:timers/promises';
import { MeterError, type Meter } from '@meterhouse/producer';
import type { Random } from '../random.ts';
import type { EventStream } from './event-stream.ts';
import type { OracleLine } from './oracle-line.ts';
import type { PlannedEvent } from './planned-event.ts';
import { damageKey, type Damages } from './spread-transport.ts';

export interface ProductionParts {
  readonly stream: EventStream;
  /** The producer as services use it. */
  readonly meter: Meter;
  /** The same meter over a transport that spreads and damages. */
  readonly spread: Meter;
  readonly damages: Damages;
  readonly oracle: OracleLine;
  readonly random: Random;
  readonly now: () => number;
}

/** Acknowledged events to choose repetitions from. */
const REMEMBERED = 20_000;
const CONFLICTS = 0.003;
const RETRY_MS = 50;

export class Production {
  readonly #parts: ProductionParts;
  readonly #remembered: PlannedEvent[] = [];
  readonly #inFlight = new Set<Promise<void>>();
  acknowledged = 0;
  duplicates = 0;
  /** Distinct events sent, acknowledged or not. */
  started = 0;

  constructor(parts: ProductionParts) {
    this.#parts = parts;
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  sendNew(): void {
    this.started += 1;
    this.#track(this.#sendFirst(this.#parts.stream.next()));
  }

  /** Sends one that has been acknowledged once more. False when there is none yet. */
  sendAgain(): boolean {
    if (this.#remembered.length === 0) return false;
    this.#track(this.#repeat(this.#parts.random.pick(this.#remembered)));
    return true;
  }

  async settled(): Promise<void> {
    while (this.#inFlight.size > 0) await Promise.race(this.#inFlight);
  }

  #track(sending: Promise<void>): void {
    this.#inFlight.add(sending);
    void sending.finally(() => this.#inFlight.delete(sending));
  }

  async #sendFirst(planned: PlannedEvent): Promise<void> {
    const { oracle, damages, random, stream, now } = this.#parts;
    if (planned.damage !== null) damages.wanted.set(damageKey(planned.event), planned.damage);
    await this.#deliver(planned);
    const unreadable = planned.fate === 'undecodable';
    oracle.report({
      event: planned.event,
      fate: planned.fate,
      payload: unreadable ? (damages.payloads.get(damageKey(planned.event)) ?? null) : null,
      at: now(),
    });
    this.acknowledged += 1;
    this.#remember(planned);
    // Only now: the original lies before its contradiction in the log.
    const conflict = random.chance(CONFLICTS) ? stream.conflictOf(planned) : null;
    if (conflict !== null) {
      this.started += 1;
      await this.#sendFirst(conflict);
    }
  }

  async #repeat(planned: PlannedEvent): Promise<void> {
    await this.#deliver(planned);
    this.duplicates += 1;
  }

  /** The same id until it is acknowledged: what the broker took is then known, whatever happened on the way. */
  async #deliver(planned: PlannedEvent): Promise<void> {
    const meter = planned.spread ? this.#parts.spread : this.#parts.meter;
    for (;;) {
      try {
        await meter.record(planned.event);
        return;
      } catch (error) {
        if (!(error instanceof MeterError) || !error.canRetry) throw error;
        await delay(RETRY_MS);
      }
    }
  }

  #remember(planned: PlannedEvent): void {
    if (this.#remembered.length < REMEMBERED) this.#remembered.push(planned);
    else this.#remembered[this.#parts.random.between(0, REMEMBERED - 1)] = planned;
  }
}
