/** One request as the client sends it: with the key, in time, again where that is safe. */
import { setTimeout as delay } from 'node:timers/promises';
import { ApiUnreachableError, errorOf } from './api-error.ts';
import { nextWaitMs, type RetryBounds } from './retry.ts';

export interface SendOptions {
  readonly key: string | null;
  /** For one attempt, up to the end of its answer. */
  readonly timeoutMs: number;
  readonly retry: RetryBounds;
  readonly fetch: (request: Request) => Promise<Response>;
  /** 0 to 1. */
  readonly random: () => number;
  /** Epoch ms. */
  readonly now: () => number;
  /** Rejects with the signal's reason once that is aborted. */
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
}

export async function waitFor(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch((error: unknown) => {
    signal.throwIfAborted();
    throw error;
  });
}

/**
 * @returns an answer that is a success
 * @throws ApiError, ApiUnreachableError, or the reason with which the request's own signal was aborted
 */
export async function send(request: Request, options: SendOptions): Promise<Response> {
  if (options.key !== null) request.headers.set('authorization', `Bearer ${options.key}`);
  for (let attempt = 1; ; attempt++) {
    try {
      return await sendOnce(request.clone(), options);
    } catch (error) {
      request.signal.throwIfAborted();
      const waitMs = nextWaitMs(error, request, attempt, options.retry, options.random());
      if (waitMs === null) throw error;
      await options.wait(waitMs, request.signal);
    }
  }
}

async function sendOnce(request: Request, { fetch, timeoutMs, now }: SendOptions): Promise<Response> {
  const timeout = AbortSignal.timeout(timeoutMs);
  const response = await answered(request, timeout, timeoutMs, fetch);
  if (response.ok) return response;
  throw await errorOf(response, now());
}

/** The whole answer, so that the time is for all of it; answers are bounded by the API. */
async function answered(
  request: Request,
  timeout: AbortSignal,
  timeoutMs: number,
  fetch: SendOptions['fetch'],
): Promise<Response> {
  try {
    const signal = AbortSignal.any([request.signal, timeout]);
    const response = await fetch(new Request(request, { signal }));
    const { status, headers } = response;
    const bytes = await response.arrayBuffer();
    return new Response(bytes.byteLength === 0 ? null : bytes, { status, headers });
  } catch (error) {
    const what = timeout.aborted ? `does not answer within ${timeoutMs} ms` : 'does not answer';
    // Of the address only what is no secret: path and query may say what somebody asked about.
    throw new ApiUnreachableError(`the API at ${new URL(request.url).origin} ${what}`, { cause: error });
  }
}
