/**
 * Cursors: where the next page begins, as an opaque text. They carry nothing that authorizes: the
 * page that a cursor asks for is checked like the first one.
 */
import { z } from 'zod';
import { ApiProblem } from './problem.ts';

const MAX_LENGTH = 1_024;

/** What `query` has for a page: how many at most, and from where. */
export const pageQuery = {
  limit: z.coerce.number().int().min(1).max(1_000).default(100).describe('Entries at most.'),
  cursor: z.string().min(1).max(MAX_LENGTH).optional().describe('`nextCursor` of the page before.'),
};

export const nextCursor = z.string().nullable().describe('Null: this was the last page.');

export function writeCursor(position: unknown): string {
  return Buffer.from(JSON.stringify(position), 'utf8').toString('base64url');
}

/**
 * @param shape what this list's cursors hold
 * @returns null where no cursor was given
 * @throws ApiProblem `invalid_cursor`
 */
export function readCursor<T>(text: string | undefined, shape: z.ZodType<T>): T | null {
  if (text === undefined) return null;
  const parsed = shape.safeParse(decoded(text));
  if (parsed.success) return parsed.data;
  throw new ApiProblem('invalid_cursor', 'The cursor is not one of this list.', {
    errors: [{ field: 'query.cursor', detail: 'is not a cursor of this list' }],
  });
}

function decoded(text: string): unknown {
  try {
    return JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
  } catch (error) {
    // Not JSON is not a cursor, whatever else it is; undefined fits no shape.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
