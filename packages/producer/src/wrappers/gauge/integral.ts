/**
 * A level over time as usage: level × hours, exact. Pure.
 *
 * The area under the level is summed in billionths × milliseconds, whole numbers. It is told slot by
 * slot, so that no interval lies in two hours; what is less than a billionth of a unit then stays in
 * the area and is told with the next. So the sum of all that was told, and what is left, is the area.
 */
import { HOUR_MS, type Billionths } from '@meterhouse/usage';

export interface Interval {
  /** Epoch ms. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Level × hours. */
  readonly value: Billionths;
}

export class Integral {
  readonly #slotMs: number;
  #startMs: number;
  #atMs: number;
  #area: bigint;

  /**
   * @param slotMs divides the hour
   * @param area what an earlier one had left, in billionths × ms
   */
  constructor(slotMs: number, fromMs: number, area = 0n) {
    this.#slotMs = slotMs;
    this.#startMs = fromMs;
    this.#atMs = fromMs;
    this.#area = area;
  }

  get atMs(): number {
    return this.#atMs;
  }

  /** What could not be told yet: with `cut` just before, less than a billionth of a unit. */
  get area(): bigint {
    return this.#area;
  }

  /** The level was held until then. @returns the slots that are complete by it */
  advance(toMs: number, level: Billionths): Interval[] {
    const complete: Interval[] = [];
    while (this.#atMs < toMs) {
      const slotEndMs = (Math.floor(this.#atMs / this.#slotMs) + 1) * this.#slotMs;
      const stepMs = Math.min(toMs, slotEndMs);
      this.#area += level * BigInt(stepMs - this.#atMs);
      this.#atMs = stepMs;
      if (stepMs === slotEndMs) complete.push(this.#tell());
    }
    return complete;
  }

  /** Ends the open interval here and goes on from `nextMs`; between the two there is nothing. */
  cut(nextMs: number): Interval[] {
    const told = this.#atMs > this.#startMs ? [this.#tell()] : [];
    this.#atMs = nextMs;
    this.#startMs = nextMs;
    return told;
  }

  #tell(): Interval {
    const value = this.#area / BigInt(HOUR_MS);
    this.#area %= BigInt(HOUR_MS);
    const interval = { fromMs: this.#startMs, toMs: this.#atMs, value };
    this.#startMs = this.#atMs;
    return interval;
  }
}
