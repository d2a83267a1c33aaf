/**
 * Which requests are sent again, and when. Pure.
 *
 * 429 says that nothing was done, so any request may come again. 503 and no answer at all leave it open:
 * only what does no harm twice is repeated.
 */
import { ApiError, ApiUnreachableError } from './api-error.ts';

export interface RetryBounds {
  /** Sends of one request at most; 1: none is repeated. */
  readonly attempts: number;
  /** A `Retry-After` that is longer is handed to the caller. */
  readonly maxRetryAfterMs: number;
  /** The most that chance adds to the first wait; it doubles each time. */
  readonly baseMs: number;
  readonly maxJitterMs: number;
}

export const DEFAULT_RETRY: RetryBounds = {
  attempts: 4,
  maxRetryAfterMs: 30_000,
  baseMs: 200,
  maxJitterMs: 5_000,
};

/** They look, whatever their method says. */
const LOOKING = new Set(['/v1/decide', '/v1/decide/batch']);

/** Sent twice, it comes to the same. */
function isRepeatable({ method, url, headers }: Pick<Request, 'method' | 'url' | 'headers'>): boolean {
  if (method === 'GET' || method === 'PUT') return true;
  return headers.has('idempotency-key') || LOOKING.has(new URL(url).pathname);
}

/**
 * @param attempt of those so far, from 1
 * @param random 0 to 1
 * @returns how long to wait before the next; null: there is none
 */
export function nextWaitMs(
  error: unknown,
  request: Pick<Request, 'method' | 'url' | 'headers'>,
  attempt: number,
  bounds: RetryBounds,
  random: number,
): number | null {
  if (attempt >= bounds.attempts) return null;
  // Full jitter: those who were sent away together do not come back together.
  const jitterMs = random * Math.min(bounds.maxJitterMs, bounds.baseMs * 2 ** (attempt - 1));
  if (error instanceof ApiUnreachableError) return isRepeatable(request) ? jitterMs : null;
  if (!(error instanceof ApiError) || error.retryAfterMs === null) return null;
  if (error.status !== 429 && !(error.status === 503 && isRepeatable(request))) return null;
  return error.retryAfterMs > bounds.maxRetryAfterMs ? null : error.retryAfterMs + jitterMs;
}
