/** One gauge: a level that is held for as long as somebody vouches for it. */
import type { Billionths } from '@meterhouse/usage';
import { Integral, type Interval } from './integral.ts';
import type { SteadyInstant } from './steady-clock.ts';

export interface GaugeBounds {
  readonly slotMs: number;
  readonly leaseMs: number;
}

export class LeasedGauge {
  readonly #leaseMs: number;
  readonly #integral: Integral;
  #beatMs: number;
  /** Null where it is not known: nothing is billed. */
  #level: Billionths | null = null;

  constructor(bounds: GaugeBounds, now: SteadyInstant, area: bigint) {
    this.#leaseMs = bounds.leaseMs;
    this.#integral = new Integral(bounds.slotMs, now.atMs, area);
    this.#beatMs = now.monotonicMs;
  }

  get area(): bigint {
    return this.#integral.area;
  }

  /**
   * Vouches that the level was held until now. Where the lease has run out, it was held until the last
   * time that somebody vouched for it.
   * @returns what can be told by now, and the milliseconds that nobody vouched for
   */
  beat(now: SteadyInstant): { readonly told: Interval[]; readonly unbilledMs: number } {
    const passedMs = now.monotonicMs - this.#beatMs;
    this.#beatMs = now.monotonicMs;
    if (this.#level === null) {
      const told = this.#integral.cut(now.atMs);
      return { told, unbilledMs: 0 };
    }
    if (passedMs > this.#leaseMs) {
      const told = this.#integral.cut(now.atMs);
      return { told, unbilledMs: this.#level === 0n ? 0 : passedMs };
    }
    const told = this.#integral.advance(this.#integral.atMs + passedMs, this.#level);
    // The wall clock was set forward: the time between is nobody's.
    if (now.atMs > this.#integral.atMs) told.push(...this.#integral.cut(now.atMs));
    return { told, unbilledMs: 0 };
  }

  /** From now on; to be called after `beat` of the same instant. */
  set(level: Billionths | null): void {
    this.#level = level;
  }

  /** Tells what was billed until the last beat, if the lease has run out by now. Then the level is unknown. */
  expire(now: SteadyInstant): { readonly told: Interval[]; readonly expired: boolean } {
    if (this.#level === null || now.monotonicMs - this.#beatMs <= this.#leaseMs)
      return { told: [], expired: false };
    const expired = this.#level !== 0n;
    this.#level = null;
    return { told: this.#integral.cut(this.#integral.atMs), expired };
  }

  /** Ends here. */
  end(): Interval[] {
    return this.#integral.cut(this.#integral.atMs);
  }
}
