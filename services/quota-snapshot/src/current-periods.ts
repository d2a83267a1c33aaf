/** The periods of one calendar that are current; they only move on. Pure. */
import { PERIODS, type Period } from '@meterhouse/usage';
import { Periods, type Calendar, type Span } from '@meterhouse/usage/calendar';

export class CurrentPeriods {
  readonly #periods: Periods;
  readonly #current: Record<Period, Span>;

  /** @param now epoch ms that lies in the current periods */
  constructor(calendar: Calendar, now: number) {
    const periods = new Periods(calendar);
    this.#periods = periods;
    this.#current = {
      hour: periods.of('hour', now),
      day: periods.of('day', now),
      month: periods.of('month', now),
      total: periods.of('total', now),
    };
  }

  get calendar(): Calendar {
    return this.#periods.calendar;
  }

  of(period: Period): Span {
    return this.#current[period];
  }

  /** The period that an hour counts in, current or not begun yet; null: it is over. */
  spanOf(period: Period, hour: number): Span | null {
    const current = this.#current[period];
    if (hour < current.start && period !== 'total') return null;
    return hour < current.end ? current : this.#periods.of(period, hour);
  }

  /**
   * Moves on to those that `now` lies in; never back.
   * @returns the kinds of period that have begun anew
   */
  advance(now: number): readonly Period[] {
    const begun = PERIODS.filter((period) => now >= this.#current[period].end);
    for (const period of begun) this.#current[period] = this.#periods.of(period, now);
    return begun;
  }
}
