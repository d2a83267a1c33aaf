import type { IncomingHttpHeaders } from 'node:http';

const CORRELATION_ID = /^[\x21-\x7e]{1,128}$/;

/** @returns the correlation id that the request brought, where it is one; else a new one */
export function correlationIdOf(headers: IncomingHttpHeaders, header: string, newId: () => string): string {
  const given = headers[header];
  return typeof given === 'string' && CORRELATION_ID.test(given) ? given : newId();
}
