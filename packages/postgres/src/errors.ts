/** Which Postgres errors pass by themselves. Told by SQLSTATE or system code, never by text. */
import pg from 'pg';

const RETRYABLE_STATES = new Set([
  '40001', // serialization_failure
  '40P01', // deadlock_detected
  '55P03', // lock_not_available: lock_timeout
  '57014', // query_canceled: statement_timeout
  '57P01', // admin_shutdown
  '57P02', // crash_shutdown
  '57P03', // cannot_connect_now: starting up or shutting down
  '57P05', // idle_session_timeout
  '25P03', // idle_in_transaction_session_timeout
  '53100', // disk_full: a person frees it, nothing is lost meanwhile
  '53200', // out_of_memory
  '53300', // too_many_connections
]);

const RETRYABLE_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]);

/**
 * pg reports a connection that ended under a query as an Error without any code; these are its
 * words. It is the one place where text decides, because the library gives nothing else.
 */
const CONNECTION_LOST = [
  'Connection terminated',
  'Client has encountered a connection error',
  'timeout exceeded when trying to connect',
  'Client was closed and is not queryable',
  'Connection ended unexpectedly',
];

/**
 * Unique indexes whose row another transaction may insert after ours has looked for it. Tried again,
 * ours finds the row.
 */
const RACED_INDEXES = new Set(['quarantine_open_event']);
const UNIQUE_VIOLATION = '23505';

/** Whether the same statement may succeed later without anybody changing it. */
export function isRetryable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof pg.DatabaseError && error.code === UNIQUE_VIOLATION)
    return RACED_INDEXES.has(error.constraint ?? '');
  if (error instanceof AggregateError) return error.errors.length > 0 && error.errors.every(isRetryable);
  const code = 'code' in error ? error.code : undefined;
  if (typeof code === 'string')
    return RETRYABLE_STATES.has(code) || RETRYABLE_CODES.has(code) || code.startsWith('08');
  return CONNECTION_LOST.some((words) => error.message.startsWith(words));
}

/** The SQLSTATE of a server's error, or the system's code of a connection's, or 'unknown'. */
export function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown';
}
