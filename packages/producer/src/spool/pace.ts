/** How fast a spool drains: after an outage of hours, a fleet that sends all at once is the next outage. Pure. */
const BURST_MS = 100;

export class Pace {
  readonly #perSecond: number;
  readonly #clock: () => number;
  /** When the events that were let through so far are paid for, on the clock. */
  #paidAt = Number.NEGATIVE_INFINITY;

  /** @param clock milliseconds that only go up */
  constructor(eventsPerSecond: number, clock: () => number) {
    this.#perSecond = eventsPerSecond;
    this.#clock = clock;
  }

  /** Lets events through. @returns how long to wait before the next, in ms; 0 while it goes slower than the pace, bursts of a tenth of a second aside */
  take(events: number): number {
    const now = this.#clock();
    this.#paidAt = Math.max(this.#paidAt, now) + (events * 1_000) / this.#perSecond;
    return Math.max(0, this.#paidAt - now - BURST_MS);
  }
}
