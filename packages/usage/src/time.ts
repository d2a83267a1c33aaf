/** Instants are epoch milliseconds, UTC. Hours, days and months are UTC; a tenant's own: see calendar.ts. */

export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;

/** Periods that end, and begin anew. */
export const TURNING_PERIODS = ['hour', 'day', 'month'] as const;
export type TurningPeriod = (typeof TURNING_PERIODS)[number];
/** What usage is limited by; `total` is everything ever counted. */
export const PERIODS = [...TURNING_PERIODS, 'total'] as const;
export type Period = (typeof PERIODS)[number];

/** Start of the hour that the instant lies in. */
export function hourOf(ts: number): number {
  return Math.floor(ts / HOUR_MS) * HOUR_MS;
}

/** Start of the UTC period that the instant lies in. */
export function periodStart(period: TurningPeriod, ts: number): number {
  switch (period) {
    case 'hour':
      return hourOf(ts);
    case 'day':
      return Math.floor(ts / DAY_MS) * DAY_MS;
    case 'month': {
      // Not Date.UTC: it takes the years 0 to 99 for 1900 to 1999.
      return new Date(periodStart('day', ts)).setUTCDate(1);
    }
  }
}

const RFC3339 = /^\d{4}-\d{2}-\d{2}T(?:[01]\d|2[0-3]):\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})$/;

/** Reads RFC 3339 with a zone. Digits below the millisecond are cut off. Null when it is not one. */
export function parseInstant(text: string): number | null {
  if (!RFC3339.test(text)) return null;
  const ts = Date.parse(text);
  if (Number.isNaN(ts)) return null;
  // Date.parse takes 31 February for 3 March; an instant that nobody wrote must not be counted.
  const day = text.slice(0, 10);
  return new Date(`${day}T00:00:00Z`).toISOString().startsWith(day) ? ts : null;
}
