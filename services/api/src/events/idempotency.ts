/** `Idempotency-Key`: the ids of events that have none follow from it, so that a repeated request counts once. */
import { derivedUuid } from '@meterhouse/usage';
import { z } from 'zod';

export const idempotencyHeaders = z.looseObject({
  'idempotency-key': z
    .string()
    .regex(/^[\x21-\x7e]{1,255}$/, 'is not 1 to 255 visible ASCII characters')
    .optional()
    .describe(
      'New for each request, such as a UUID, and the same when the request is repeated: events without an id get one that follows from it and from their position.',
    ),
});

/**
 * @param headers checked
 * @param scope the caller's tenant, so that a rotated API key finds the same ids; null: the platform
 * @returns the id of the event at a position, or null where the request has no such key
 */
export function derivedIds(
  headers: Readonly<Record<string, unknown>>,
  scope: string | null,
): ((index: number) => string) | null {
  const key = headers['idempotency-key'];
  if (typeof key !== 'string') return null;
  // Neither a tenant id nor the key can hold a NUL.
  return (index) => derivedUuid(`meterhouse http 1\0${scope ?? ''}\0${key}\0${index}`);
}
