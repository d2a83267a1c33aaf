/** Instants and lengths of time as people read them. Instants are epoch milliseconds, UTC. */
import { DAY_MS, HOUR_MS, parseInstant } from '@meterhouse/usage';
import { UsageError } from '../exit.ts';

/** `2026-11-22 17:00:03Z`. */
export function formatInstant(ts: number): string {
  return `${new Date(ts).toISOString().slice(0, 19).replace('T', ' ')}Z`;
}

/** `2026-11-22 17:00Z`. */
export function formatHour(ts: number): string {
  return `${new Date(ts).toISOString().slice(0, 16).replace('T', ' ')}Z`;
}

/** `2026-11-22`. */
export function formatDay(ts: number): string {
  return new Date(ts).toISOString().slice(0, 10);
}

/** Whole seconds below two minutes, then the two largest units: `45 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`. */
export function formatLength(lengthMs: number): string {
  const seconds = Math.round(Math.max(0, lengthMs) / 1000);
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

const UNIT_MS: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: HOUR_MS,
  d: DAY_MS,
  w: 7 * DAY_MS,
};

/**
 * `90s`, `30m`, `24h`, `7d`, `4w` in milliseconds.
 * @throws UsageError naming the option
 */
export function parseLength(option: string, text: string): number {
  const match = /^([1-9][0-9]{0,5})([smhdw])$/.exec(text);
  const unitMs = UNIT_MS[match?.[2] ?? ''];
  if (match?.[1] === undefined || unitMs === undefined)
    throw new UsageError(`${option}: ${JSON.stringify(text)} is not a length of time such as 24h, 7d or 4w`);
  return Number(match[1]) * unitMs;
}

/**
 * An instant with its zone (`2026-11-22T17:00:00Z`) or a day (`2026-11-22`: its start in UTC).
 * @throws UsageError naming the option
 */
export function parseInstantOption(option: string, text: string): number {
  const ts = parseInstant(/^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00:00Z` : text);
  if (ts === null)
    throw new UsageError(
      `${option}: ${JSON.stringify(text)} is not an instant such as 2026-11-22T17:00:00Z, or a day such as 2026-11-22`,
    );
  return ts;
}
