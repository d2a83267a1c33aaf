/**
 * A normalized event as JSON: how it is kept where Postgres is the way, in the outbox and in quarantine.
 * Every field is there, so nothing is filled in when it is read.
 */
import { checkShape, EVENT_FIELDS, type UsageEvent } from './event.ts';
import type { Refusal } from './outcome.ts';

export function eventToJson(event: UsageEvent): string {
  // In a fixed order, and nothing beside the fields.
  return JSON.stringify(Object.fromEntries(EVENT_FIELDS.map((field) => [field, event[field]])));
}

/** @returns the event, or why the text is none: `undecodable`, `invalid_event` */
export function eventFromJson(text: string): UsageEvent | Refusal {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undecodable(null, 'the text is not JSON');
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    return undecodable(null, 'the JSON is not an object');
  const fields = parsed as Readonly<Record<string, unknown>>;
  const wrong = EVENT_FIELDS.find((field) => !HOLDS[field](fields[field]));
  if (wrong !== undefined) return undecodable(wrong, 'is missing, or not of its type');
  const event = fields as unknown as UsageEvent;
  return checkShape(event) ?? event;
}

const isText = (value: unknown): boolean => typeof value === 'string';
const isTextOrNull = (value: unknown): boolean => value === null || isText(value);
const isTexts = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && Object.values(value).every(isText);

const HOLDS: Readonly<Record<keyof UsageEvent, (value: unknown) => boolean>> = {
  id: isText,
  tenantId: isText,
  metric: isText,
  value: isText,
  ts: (value) => Number.isSafeInteger(value),
  unit: isTextOrNull,
  source: isText,
  attrs: isTexts,
  correlationId: isTextOrNull,
  attribution: (value) => value === null || isTexts(value),
};

function undecodable(field: string | null, detail: string): Refusal {
  return { reason: 'undecodable', field, detail };
}
