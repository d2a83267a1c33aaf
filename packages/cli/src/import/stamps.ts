/** Reading the times of foreign files. Instants are epoch ms; digits below the millisecond are cut off. */
import { parseInstant } from '@meterhouse/usage';
import { UsageError } from '../exit.ts';

/** An instant, or what is wrong with the text. */
type Stamp = number | string;
export type StampReader = (text: string) => Stamp;

const EPOCH_MS = /^-?[0-9]{12,14}$/;
/** No zone: a local time, `2023-11-16 18:17:03.9799600`. */
const LOCAL = /^(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2})(?::(\d{2})(\.\d{1,9})?)?$/;
const WITH_ZONE = /^(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?)\s?(Z|[+-]\d{2}:\d{2})$/;
const OFFSET = /^(?:Z|UTC|([+-])(\d{2}):(\d{2}))$/;

/**
 * @param timeZone of stamps that carry none: `UTC`, an offset such as `+02:00`, or a name such as
 *   `Europe/Paris`
 * @throws UsageError when there is no such zone
 */
export function createStampReader(timeZone: string): StampReader {
  const toInstant = localTimeReader(timeZone);
  return (text) => {
    if (EPOCH_MS.test(text)) return Number(text);
    const zoned = WITH_ZONE.exec(text);
    if (zoned !== null) return parseInstant(`${zoned[1]}T${zoned[2]}${zoned[3]}`) ?? noTime(text);
    const local = LOCAL.exec(text);
    if (local === null) return noTime(text);
    const [, date = '', minutes = '', seconds = '00', fraction = ''] = local;
    const asUtc = parseInstant(`${date}T${minutes}:${seconds}${fraction}Z`);
    return asUtc === null ? noTime(text) : toInstant(asUtc);
  };
}

function noTime(text: string): string {
  return `${JSON.stringify(text.slice(0, 60))} is not a time such as 2023-11-16 18:17:03.97, 2023-11-16T18:17:03Z or epoch milliseconds`;
}

/** @returns a function from the local time, written as if it were UTC, to the instant */
function localTimeReader(timeZone: string): (asUtc: number) => Stamp {
  const offset = OFFSET.exec(timeZone);
  if (offset !== null) {
    const sign = offset[1] === '-' ? -1 : 1;
    const offsetMs = sign * (Number(offset[2] ?? 0) * 60 + Number(offset[3] ?? 0)) * 60_000;
    return (asUtc) => asUtc - offsetMs;
  }
  const offsetAt = zoneOffsets(timeZone);
  let lastQuarter = Number.NaN;
  let lastCandidates: readonly number[] = [];
  return (asUtc) => {
    // Zones change their offset at whole quarters of an hour: one look a quarter is enough.
    const quarter = Math.floor(asUtc / QUARTER_MS);
    if (quarter !== lastQuarter) {
      lastQuarter = quarter;
      lastCandidates = offsetsOf(quarter * QUARTER_MS, offsetAt);
    }
    const [only, second] = lastCandidates;
    if (only === undefined) return `there is no such time in ${timeZone}: the clock was put forward over it`;
    if (second !== undefined)
      return `this time came twice in ${timeZone}: the clock was put back; write it with its offset`;
    return asUtc - only;
  };
}

const QUARTER_MS = 15 * 60_000;
const DAY_MS = 86_400_000;

/** The offsets under which the local time exists: none, one, or two. */
function offsetsOf(asUtc: number, offsetAt: (ts: number) => number): readonly number[] {
  const around = new Set([offsetAt(asUtc - DAY_MS), offsetAt(asUtc + DAY_MS)]);
  return [...around].filter((offset) => offsetAt(asUtc - offset) === offset);
}

function zoneOffsets(timeZone: string): (ts: number) => number {
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
  } catch {
    throw new UsageError(
      `--time-zone: ${JSON.stringify(timeZone)} is not a zone such as UTC, +02:00 or Europe/Paris`,
    );
  }
  return (ts) => {
    const parts = new Map(format.formatToParts(ts).map((part) => [part.type, Number(part.value)]));
    const of = (type: Intl.DateTimeFormatPartTypes): number => parts.get(type) ?? 0;
    const local = Date.UTC(of('year'), of('month') - 1, of('day'), of('hour'), of('minute'), of('second'));
    return local - Math.floor(ts / 1000) * 1000;
  };
}
