/** Starts of the current periods, worked out once an hour: a calendar costs more than the rest of a reading. */
import { HOUR_MS, hourOf, periodStart, type Period } from '@meterhouse/usage';

export class PeriodStarts {
  #hour = Number.NaN;
  #day = Number.NaN;
  #month = Number.NaN;

  /** @param ts epoch ms */
  of(period: Period, ts: number): number {
    if (!(ts >= this.#hour && ts < this.#hour + HOUR_MS)) {
      // No period begins within an hour.
      this.#hour = hourOf(ts);
      this.#day = periodStart('day', ts);
      this.#month = periodStart('month', ts);
    }
    if (period === 'hour') return this.#hour;
    return period === 'day' ? this.#day : this.#month;
  }
}
