/** The API's operations, typed by its OpenAPI document. */
import createFetchClient, { type MaybeOptionalInit } from 'openapi-fetch';
import type { HttpMethod, PathsWithMethod, RequiredKeysOf } from 'openapi-typescript-helpers';
import type { paths } from './openapi.generated.ts';
import { DEFAULT_RETRY, type RetryBounds } from './retry.ts';
import { send, waitFor, type SendOptions } from './send.ts';

export interface ClientOptions {
  /** Of the API, such as `https://meterhouse.example`; a path in it is kept. */
  readonly url: string;
  /** An API key or a token; null for what everybody may ask. */
  readonly key: string | null;
  /** For each attempt; 30,000 unless given. */
  readonly timeoutMs?: number;
  readonly retry?: Partial<RetryBounds>;
  readonly fetch?: SendOptions['fetch'];
  readonly random?: SendOptions['random'];
  readonly now?: SendOptions['now'];
  readonly wait?: SendOptions['wait'];
}

export interface Answer<T> {
  readonly data: T;
  /** Status and headers. */
  readonly response: Response;
}

/** What stands in the answers of a success; undefined where there is no body. */
type Success<R> = {
  [S in keyof R]: R[S] extends { readonly content: infer C } ? C[keyof C] : undefined;
}[keyof R];

/** What an operation answers with when it is done. The types hold no other answers: those are thrown. */
export type Answered<P extends keyof paths, M extends HttpMethod> = M extends keyof paths[P]
  ? paths[P][M] extends { readonly responses: infer R }
    ? Success<R>
    : never
  : never;

/** Left out where the operation needs nothing. */
type InitParam<I> = RequiredKeysOf<I> extends never ? [I?] : [I];

type Method<M extends HttpMethod> = <
  P extends PathsWithMethod<paths, M>,
  I extends MaybeOptionalInit<paths[P], M>,
>(
  path: P,
  ...init: InitParam<I>
) => Promise<Answer<Answered<P, M>>>;

/** Each rejects with ApiError for a problem, ApiUnreachableError without an answer. */
export interface MeterhouseClient {
  readonly GET: Method<'get'>;
  readonly PUT: Method<'put'>;
  readonly POST: Method<'post'>;
  readonly PATCH: Method<'patch'>;
  readonly DELETE: Method<'delete'>;
}

const TIMEOUT_MS = 30_000;

/** @throws TypeError where the URL is none of HTTP */
export function createClient(options: ClientOptions): MeterhouseClient {
  const sending: SendOptions = {
    key: options.key,
    timeoutMs: options.timeoutMs ?? TIMEOUT_MS,
    retry: { ...DEFAULT_RETRY, ...options.retry },
    fetch: options.fetch ?? ((request) => fetch(request)),
    random: options.random ?? Math.random,
    now: options.now ?? Date.now,
    wait: options.wait ?? waitFor,
  };
  const client = createFetchClient<paths>({
    baseUrl: baseOf(options.url),
    // An address that has moved is to be corrected, not to be given the key.
    redirect: 'error',
    fetch: (request) => send(request, sending),
  });
  // What is no success was thrown by then, so there are always data; its types cannot know.
  return client as unknown as MeterhouseClient;
}

function baseOf(text: string): string {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new TypeError('the address of the API must be http://… or https://…');
  if (url.username !== '' || url.password !== '')
    throw new TypeError('the address of the API must not hold a password: give the key by itself');
  return `${url.origin}${url.pathname.replace(/\/$/, '')}`;
}
