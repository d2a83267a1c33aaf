/**
 * Reads the events that nearly all callers hand over, several times as fast as zod's shape does. It only ever
 * says yes: what it does not know is null, and goes to the shape, which has the words for what is wrong.
 */
import { EVENT_FIELDS, EVENT_LIMITS, METRIC_NAME, TENANT_ID } from '@meterhouse/usage';
import type { UsageEventInput } from './event-input.ts';

const FIELDS: ReadonlySet<string> = new Set<keyof UsageEventInput>(EVENT_FIELDS);

/** @returns what `eventInputShape` makes of it, as a copy; or null, which says nothing */
export function readPlainEvent(input: unknown): UsageEventInput | null {
  if (!isPlain(input)) return null;
  for (const key in input) if (!FIELDS.has(key)) return null;
  // Each once: a getter may say something else the next time.
  const { id, tenantId, metric, value, ts, unit, source, attrs, correlationId, attribution } = input;
  if (typeof metric !== 'string' || !METRIC_NAME.test(metric)) return null;
  if (tenantId !== undefined && !(typeof tenantId === 'string' && TENANT_ID.test(tenantId))) return null;
  if (value !== undefined && !isAmount(value)) return null;
  if (ts !== undefined && !isInstant(ts)) return null;
  if (id !== undefined && !(isText(id, EVENT_LIMITS.idLength) && id !== '')) return null;
  if (unit !== undefined && unit !== null && !(isText(unit, EVENT_LIMITS.nameLength) && unit !== ''))
    return null;
  if (source !== undefined && !isText(source, EVENT_LIMITS.idLength)) return null;
  if (correlationId !== undefined && correlationId !== null && !isText(correlationId, EVENT_LIMITS.idLength))
    return null;
  const ownAttrs = attrs === undefined ? undefined : copyTexts(attrs);
  if (ownAttrs === null) return null;
  if (attribution === undefined || attribution === null)
    return { id, tenantId, metric, value, ts, unit, source, attrs: ownAttrs, correlationId, attribution };
  const ownAttribution = copyTexts(attribution);
  return ownAttribution === null
    ? null
    : {
        ...{ id, tenantId, metric, value, ts, unit, source, attrs: ownAttrs, correlationId },
        attribution: ownAttribution,
      };
}

/** An object as a literal or JSON makes it. */
function isPlain(input: unknown): input is Readonly<Record<string, unknown>> {
  return typeof input === 'object' && input !== null && Object.getPrototypeOf(input) === Object.prototype;
}

function isAmount(value: unknown): value is string | number | bigint {
  return typeof value === 'number' || typeof value === 'string' || typeof value === 'bigint';
}

function isInstant(ts: unknown): ts is string | number | Date {
  return typeof ts === 'number' || typeof ts === 'string' || ts instanceof Date;
}

function isText(text: unknown, maxLength: number): text is string {
  return typeof text === 'string' && text.length <= maxLength;
}

function copyTexts(map: unknown): Record<string, string> | null {
  if (!isPlain(map)) return null;
  const copy: Record<string, string> = {};
  for (const key of Reflect.ownKeys(map)) {
    // An own __proto__ is refused by name, and symbols are; so is what a getter hides.
    if (typeof key !== 'string' || key === '__proto__' || key === 'constructor') return null;
    if (
      key === '' ||
      key.length > EVENT_LIMITS.attrKeyLength ||
      !Object.prototype.propertyIsEnumerable.call(map, key)
    )
      return null;
    const text = map[key];
    if (!isText(text, EVENT_LIMITS.attrValueLength)) return null;
    copy[key] = text;
  }
  return copy;
}
