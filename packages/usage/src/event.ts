/**
 * The usage event: an immutable fact. Limits here are the ones that every way in checks.
 */
import type { Refusal } from './outcome.ts';

export interface UsageEvent {
  /** Unique per tenant. */
  readonly id: string;
  readonly tenantId: string;
  readonly metric: string;
  /** Decimal string. */
  readonly value: string;
  /** Event time, epoch milliseconds. */
  readonly ts: number;
  /** Checked against the metric's unit when given. */
  readonly unit: string | null;
  /** Who sent it: a service's name, or a file. */
  readonly source: string;
  readonly attrs: Readonly<Record<string, string>>;
  readonly correlationId: string | null;
  readonly attribution: Readonly<Record<string, string>> | null;
}

/** There are no others, whichever way an event comes. */
export const EVENT_FIELDS = [
  'id',
  'tenantId',
  'metric',
  'value',
  'ts',
  'unit',
  'source',
  'attrs',
  'correlationId',
  'attribution',
] as const satisfies readonly (keyof UsageEvent)[];

export const EVENT_LIMITS = {
  idLength: 256,
  nameLength: 128,
  attrs: 32,
  attrKeyLength: 64,
  attrValueLength: 256,
} as const;

/** The instants that a four-digit year can write: what stores and people can read. */
const FIRST_INSTANT = -62_167_219_200_000;
const LAST_INSTANT = 253_402_300_799_999;

export const TENANT_ID = /^[A-Za-z0-9][A-Za-z0-9._:@/-]{0,127}$/;
export const METRIC_NAME = /^[A-Za-z][A-Za-z0-9._-]{0,127}$/;

/**
 * Checks what can be checked without a registry, apart from the value.
 * Attribute keys and texts may hold anything but NUL (Postgres cannot store it) and broken UTF-16.
 */
export function checkShape(event: UsageEvent): Refusal | null {
  return (
    checkText('id', event.id, EVENT_LIMITS.idLength, true) ??
    checkText('tenantId', event.tenantId, EVENT_LIMITS.nameLength, true) ??
    checkText('metric', event.metric, EVENT_LIMITS.nameLength, true) ??
    checkInstant(event.ts) ??
    (event.unit === null ? null : checkText('unit', event.unit, EVENT_LIMITS.nameLength, true)) ??
    checkText('source', event.source, EVENT_LIMITS.idLength, false) ??
    checkMap('attrs', event.attrs) ??
    (event.correlationId === null
      ? null
      : checkText('correlationId', event.correlationId, EVENT_LIMITS.idLength, false)) ??
    (event.attribution === null ? null : checkMap('attribution', event.attribution))
  );
}

function checkInstant(ts: number): Refusal | null {
  return Number.isSafeInteger(ts) && ts >= FIRST_INSTANT && ts <= LAST_INSTANT
    ? null
    : invalid('ts', 'is not an instant between the years 0000 and 9999');
}

function checkMap(field: string, map: Readonly<Record<string, string>>): Refusal | null {
  let entries = 0;
  for (const key in map) {
    if (++entries > EVENT_LIMITS.attrs) return invalid(field, `has more than ${EVENT_LIMITS.attrs} entries`);
    const problem =
      checkText(`${field} key`, key, EVENT_LIMITS.attrKeyLength, true) ??
      checkText(`${field}.${key}`, map[key] ?? '', EVENT_LIMITS.attrValueLength, false);
    if (problem !== null) return problem;
  }
  return null;
}

function checkText(field: string, text: string, maxLength: number, required: boolean): Refusal | null {
  if (required && text.length === 0) return invalid(field, 'is empty');
  if (text.length > maxLength)
    return invalid(field, `has ${text.length} characters, at most ${maxLength} are taken`);
  if (text.includes('\0')) return invalid(field, 'holds a NUL character');
  if (!text.isWellFormed()) return invalid(field, 'is not well-formed Unicode');
  return null;
}

function invalid(field: string, detail: string): Refusal {
  return { reason: 'invalid_event', field: field.slice(0, 100), detail };
}
