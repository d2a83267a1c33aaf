/**
 * No text of a request holds what no store takes: NUL, or half of a surrogate pair. Said once for all
 * routes, with the field, before any of them looks. Events check their own.
 */
import type { FastifyInstance } from 'fastify';
import { ApiProblem, type FieldError } from './problem.ts';

/** More than these are not told. */
const MAX_TOLD = 20;
const DETAIL = 'must be text without NUL and without half characters';

export function refuseUnstorableTexts(app: FastifyInstance): void {
  app.addHook('preValidation', ({ params, query, body }, _reply, done) => {
    const errors: FieldError[] = [];
    for (const [field, value] of Object.entries({ params, query, body })) collect(value, field, errors);
    const [first] = errors;
    done(
      first === undefined
        ? undefined
        : new ApiProblem('invalid_request', `${first.field}: ${DETAIL}`, { errors }),
    );
  });
}

function collect(value: unknown, field: string, errors: FieldError[]): void {
  if (errors.length >= MAX_TOLD) return;
  if (typeof value === 'string') {
    if (!isStorable(value)) errors.push({ field, detail: DETAIL });
    return;
  }
  if (value === null || typeof value !== 'object' || Buffer.isBuffer(value)) return;
  for (const [name, inner] of Object.entries(value)) {
    // The name is the caller's in a record; where it cannot be told as it is, what holds it is named.
    if (isStorable(name)) collect(inner, `${field}.${name}`, errors);
    else if (errors.length < MAX_TOLD) errors.push({ field, detail: `a name in it ${DETAIL}` });
  }
}

function isStorable(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed();
}
