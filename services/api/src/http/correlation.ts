import type { IncomingMessage } from 'node:http';

export const CORRELATION_HEADER = 'x-correlation-id';
const GIVEN = /^[A-Za-z0-9][A-Za-z0-9._:@/-]{0,127}$/;

/** The caller's own where it can stand in a log and a header as it is; else a new one. */
export function correlationId(request: Pick<IncomingMessage, 'headers'>, newId: () => string): string {
  const given = request.headers[CORRELATION_HEADER];
  return typeof given === 'string' && GIVEN.test(given) ? given : newId();
}
