/**
 * The current periods of every tree of tenants: by the calendar of its root, so that what rolls up to
 * the root turns as one. Pure.
 */
import { lineageOf, type Period, type Tenant } from '@meterhouse/usage';
import { UTC_CALENDAR, type Calendar } from '@meterhouse/usage/calendar';
import { CurrentPeriods } from './current-periods.ts';

export class TreePeriods {
  readonly #calendarOf: (root: string) => Calendar;
  /** By name; as many as there are calendars. */
  readonly #calendars = new Map<string, CurrentPeriods>();
  readonly #byRoot = new Map<string, CurrentPeriods>();
  /** Of no tree. */
  readonly utc: CurrentPeriods;
  #now: number;

  /** @param now epoch ms that lies in the current periods */
  constructor(now: number, calendarOf: (root: string) => Calendar) {
    this.#now = now;
    this.#calendarOf = calendarOf;
    this.utc = this.#periodsOf(UTC_CALENDAR);
  }

  of(tenants: ReadonlyMap<string, Tenant>, tenantId: string): CurrentPeriods {
    // Only what was published and is registered no longer has no root; nothing is ever taken out of a registry.
    const root = tenants.has(tenantId) ? lineageOf(tenants, tenantId)[0] : undefined;
    return root === undefined ? this.utc : this.ofRoot(root);
  }

  ofRoot(root: string): CurrentPeriods {
    let current = this.#byRoot.get(root);
    if (current === undefined) {
      current = this.#periodsOf(this.#calendarOf(root));
      this.#byRoot.set(root, current);
    }
    return current;
  }

  /** @returns what has begun anew, by what it is current for */
  advance(now: number): ReadonlyMap<CurrentPeriods, readonly Period[]> {
    this.#now = Math.max(this.#now, now);
    const begun = new Map<CurrentPeriods, readonly Period[]>();
    for (const current of this.#calendars.values()) {
      const periods = current.advance(now);
      if (periods.length > 0) begun.set(current, periods);
    }
    return begun;
  }

  /** Whether a tree that was asked for has another calendar by now. */
  get outdated(): boolean {
    return Array.from(this.#byRoot).some(
      ([root, { calendar }]) => nameOf(this.#calendarOf(root)) !== nameOf(calendar),
    );
  }

  #periodsOf(calendar: Calendar): CurrentPeriods {
    const name = nameOf(calendar);
    let current = this.#calendars.get(name);
    if (current === undefined) {
      current = new CurrentPeriods(calendar, this.#now);
      this.#calendars.set(name, current);
    }
    return current;
  }
}

function nameOf({ timeZone, anchorDay }: Calendar): string {
  return `${timeZone} ${anchorDay}`;
}
