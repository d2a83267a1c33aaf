/** The span that a question is about, and the periods that it falls into. Pure. */
import { DAY_MS, HOUR_MS, hourOf, parseInstant } from '@meterhouse/usage';
import { isTimeZone, periodStarts, startOfDate, type OddStart } from '@meterhouse/usage/calendar';
import { wrong } from './wrong.ts';

export const GRANULARITIES = ['hour', 'day', 'month', 'total'] as const;
export type Granularity = (typeof GRANULARITIES)[number];

/** Days at most: what one question may make the database read. */
const MAX_DAYS: Readonly<Record<Granularity, number>> = {
  hour: 93,
  day: 400,
  month: 1_100,
  total: 1_100,
};

/** Where an answer's periods begin: at each hour, once, or at these instants. */
export type Starts = 'hour' | 'total' | readonly number[];

/** Epoch ms on the hour; from is in, to is not. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

const DATE = /^\d{4}-\d{2}-\d{2}$/;
/** Nobody counted before, and every store can write all that follows. */
const FIRST = Date.UTC(2000, 0, 1);
const LAST = Date.UTC(9999, 0, 1);

/**
 * @param texts as they were asked for; by default the 24 hours up to the end of this one
 * @throws ApiProblem `invalid_request` naming the field
 */
export function spanOf(
  texts: { readonly from?: string | undefined; readonly to?: string | undefined },
  granularity: Granularity,
  timeZone: string,
  now: number,
): Span {
  if (!isTimeZone(timeZone))
    throw wrong('query.timeZone', 'is not the name of a time zone, such as Europe/Berlin');
  const to = texts.to === undefined ? hourOf(now) + HOUR_MS : edge('to', texts.to, timeZone);
  const from = texts.from === undefined ? to - DAY_MS : edge('from', texts.from, timeZone);
  if (from >= to) throw wrong('query.to', 'does not lie after from');
  if (to - from > MAX_DAYS[granularity] * DAY_MS)
    throw wrong(
      'query.from',
      `lies more than ${MAX_DAYS[granularity]} days before to, which is the most by ${granularity}`,
    );
  return { from, to };
}

function edge(field: 'from' | 'to', text: string, timeZone: string): number {
  const at = DATE.test(text) ? startOfDate(text, timeZone) : parseInstant(text);
  if (at === null)
    throw wrong(
      `query.${field}`,
      'is neither an instant such as 2026-11-01T00:00:00Z nor a day such as 2026-11-01',
    );
  if (typeof at !== 'number') throw oddZone(timeZone, at);
  if (at !== hourOf(at)) throw wrong(`query.${field}`, 'is not a whole hour: usage is kept by the UTC hour');
  if (at < FIRST || at > LAST) throw wrong(`query.${field}`, 'lies outside of the years 2000 to 9998');
  return at;
}

/**
 * Where the answer's periods begin.
 * @throws ApiProblem `invalid_request` where one of them would cut an hour in two
 */
export function startsOf(span: Span, granularity: Granularity, timeZone: string): Starts {
  if (granularity === 'hour' || granularity === 'total') return granularity;
  const starts = periodStarts(granularity, timeZone, span.from, span.to);
  if ('offset' in starts) throw oddZone(timeZone, starts);
  return starts;
}

/** The end of the row's period, or of the span where it comes first. */
export function endOf(start: number, span: Span, starts: Starts): number {
  if (starts === 'hour') return start + HOUR_MS;
  if (starts === 'total') return span.to;
  return starts.find((next) => next > start) ?? span.to;
}

function oddZone(timeZone: string, { at, offset }: OddStart): Error {
  return wrong(
    'query.timeZone',
    `is ${offset} from UTC at ${new Date(at).toISOString()} in ${timeZone}, and usage is kept by the UTC hour: take a zone that is whole hours from UTC`,
  );
}
