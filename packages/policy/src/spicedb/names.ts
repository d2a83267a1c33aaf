/** Our names in SpiceDB's, each in one way only: two of ours never become one of theirs. */
import type { PolicyQuestion } from '@meterhouse/quota';

const OBJECT_TYPE = /^[a-z][a-z0-9_]{1,62}[a-z0-9]$/;
const PERMISSION = OBJECT_TYPE;
const PLAIN_NAME = /^[a-z0-9]+(_[a-z0-9]+)*$/;
const MAX_OBJECT_ID = 1024;

const utf8 = new TextEncoder();

/**
 * An id as SpiceDB takes it: letters, digits and `/ _ | - +` stay, every other byte of the UTF-8 text
 * becomes `=` and two hex digits, so `alice@example.com` is `alice=40example=2Ecom`. Whoever writes
 * relationships names objects by this function too.
 * @returns null for an empty id and for one that becomes longer than SpiceDB's 1024
 */
export function spiceDbObjectId(id: string): string | null {
  if (!id.isWellFormed()) return null;
  const encoded = id.replaceAll(/[^a-zA-Z0-9/_|\-+]/gu, (character) =>
    Array.from(utf8.encode(character), (byte) => `=${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(
      '',
    ),
  );
  return encoded === '' || encoded.length > MAX_OBJECT_ID ? null : encoded;
}

/** Object types are a schema's own; what is none is not bent into one. */
export function objectType(type: string): string | null {
  return OBJECT_TYPE.test(type) ? type : null;
}

/**
 * `product__resource_type__action`. The names may not hold two underscores in a row, or a permission could
 * stand for two questions.
 * @returns null where the names cannot be put together so
 */
export function permissionOf(question: PolicyQuestion): string | null {
  const names = [question.product, question.resourceType, question.action];
  return names.every((name) => PLAIN_NAME.test(name)) ? permission(names.join('__')) : null;
}

export function permission(name: string): string | null {
  return PERMISSION.test(name) ? name : null;
}
