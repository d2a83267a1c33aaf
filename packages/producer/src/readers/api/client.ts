/** One request to the HTTP API and its answer, or a ReaderError that says what was wrong with it. */
import * as z from 'zod';
import { ReaderError } from '../../adapter.ts';
import type { ApiOptions } from './options.ts';

/** @param body sent as JSON by POST; GET without one */
export type AskApi = <T>(
  path: string,
  answer: z.ZodType<T>,
  signal: AbortSignal,
  body?: object,
) => Promise<T>;

const MAX_ANSWER_BYTES = 1024 * 1024;

const problem = z.object({
  detail: z.string(),
  errors: z.array(z.object({ field: z.string(), detail: z.string() })).optional(),
});

export function createApiClient({ url, key }: ApiOptions): AskApi {
  return async (path, answer, signal, body) => {
    // Where the API stands below a path, that is kept.
    const response = await request(new URL(url.replace(/\/$/, '') + path), key, signal, body);
    const text = await textOf(response);
    if (response.status !== 200) throw problemOf(response.status, text);
    const parsed = answer.safeParse(jsonOf(text));
    if (parsed.success) return parsed.data;
    const [issue] = parsed.error.issues;
    throw new ReaderError(
      'unavailable',
      `the API answered with what is no answer: ${issue?.path.join('.')} ${issue?.message}`,
    );
  };
}

async function request(
  url: URL,
  key: string,
  signal: AbortSignal,
  body: object | undefined,
): Promise<Response> {
  const headers = { authorization: `Bearer ${key}`, accept: 'application/json' };
  const posted =
    body === undefined
      ? {}
      : {
          method: 'POST',
          body: JSON.stringify(body),
          headers: { ...headers, 'content-type': 'application/json' },
        };
  try {
    // A redirect would take the key to another place.
    return await fetch(url, { headers, signal, redirect: 'error', ...posted });
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const said = cause instanceof Error ? cause.message : String(cause);
    throw new ReaderError('unavailable', `the API at ${url.host} does not answer: ${said}`, { cause: error });
  }
}

async function textOf(response: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const part of (response.body ?? []) as AsyncIterable<Uint8Array>) {
      bytes += part.length;
      if (bytes > MAX_ANSWER_BYTES)
        throw new ReaderError('unavailable', `the API answered with more than ${MAX_ANSWER_BYTES} bytes`);
      parts.push(part);
    }
  } catch (error) {
    if (error instanceof ReaderError) throw error;
    throw new ReaderError('unavailable', 'the answer of the API broke off', { cause: error });
  }
  return Buffer.concat(parts).toString('utf8');
}

/** Undefined for what is not JSON; no schema takes that. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function problemOf(status: number, text: string): ReaderError {
  const parsed = problem.safeParse(jsonOf(text));
  const detail = parsed.success ? parsed.data.detail : `status ${status}`;
  // What asking again can change: too much at once, and what is wrong on the other side.
  if (status === 408 || status === 429 || status >= 500)
    return new ReaderError('unavailable', `the API answered ${status}: ${detail}`);
  const [first] = (parsed.success ? parsed.data.errors : undefined) ?? [];
  const field = first?.field.replace(/^(query|body)\./, '') ?? (status === 404 ? 'tenantId' : undefined);
  const message = first === undefined ? detail : `${field}: ${first.detail}`;
  return new ReaderError('refused', `the API answered ${status}: ${message}`, {
    ...(field === undefined ? {} : { field }),
  });
}
