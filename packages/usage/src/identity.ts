/** What makes two deliveries the same event, and what makes them contradict each other. */
import { hash } from 'node:crypto';
import createXxhash from 'xxhash-wasm';
import { formatDecimal, type Billionths } from './decimal.ts';
import type { UsageEvent } from './event.ts';

const xxhash = await createXxhash();

/**
 * 128 bits that stand for the id within its tenant: the id itself where it is a UUID in canonical
 * form (UUIDv7 keeps the index in arrival order), else the head of its SHA-256.
 * @returns text that Postgres reads as a uuid
 */
export function eventKey(id: string): string {
  return isCanonicalUuid(id) ? id : hash('sha256', id, 'hex').slice(0, 32);
}

/** An id that follows from a text: a UUIDv8 of the head of its SHA-256. */
export function derivedUuid(text: string): string {
  const bytes = hash('sha256', text, 'buffer');
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString('hex', 0, 16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

function isCanonicalUuid(id: string): boolean {
  if (id.length !== 36) return false;
  for (let i = 0; i < 36; i++) {
    const c = id.charCodeAt(i);
    if (i === 8 || i === 13 || i === 18 || i === 23) {
      if (c !== 45) return false;
    } else if (!((c >= 48 && c <= 57) || (c >= 97 && c <= 102))) return false;
  }
  return true;
}

/**
 * A signed 64-bit digest (xxHash64) of what is counted: metric, value, event time, attributes, attribution.
 * How it came to us (source, correlation id, a spelling such as `1.50`) is not content.
 * It is only ever compared with the digest of an event of the same tenant and id, so a fast hash does.
 * NUL cannot occur in a checked event, so it separates without doubt.
 * @param value null when the event's value is not a decimal: then its text is the content
 */
export function contentDigest(event: UsageEvent, value: Billionths | null): bigint {
  const valueText = value === null ? event.value : formatDecimal(value);
  const text = `${event.metric}\0${valueText}\0${event.ts}${mapText(event.attrs)}${
    event.attribution === null ? '' : `\0\0${mapText(event.attribution)}`
  }`;
  return BigInt.asIntN(64, xxhash.h64(text));
}

function mapText(map: Readonly<Record<string, string>>): string {
  const keys = Object.keys(map);
  if (keys.length > 1) keys.sort();
  let text = '';
  for (const key of keys) text += `\0${key}\0${map[key] ?? ''}`;
  return text;
}
