/** One attempt: a POST to a checked address, bounded in time and in what is read back. */
import type { LookupFunction } from 'node:net';
import { Agent, errors, request } from 'undici';
import { checkTarget, ForbiddenTargetError, type Target, type TargetRules } from './target/target.ts';

export interface SendBounds {
  /** Of the whole attempt, to the end of the answer. */
  readonly timeoutMs: number;
  /** Of the answer; what is beyond is not read. */
  readonly maxAnswerBytes: number;
}

export type Sent =
  | { readonly outcome: 'accepted'; readonly status: number }
  /** 410: the receiver wants no more of it. */
  | { readonly outcome: 'gone'; readonly status: number }
  | {
      readonly outcome: 'failed';
      /** Null where none came. */
      readonly status: number | null;
      /** At most 500 characters, without the answer's body. */
      readonly error: string;
      /** What the receiver asked for; null where nothing. */
      readonly retryAfterMs: number | null;
    };

const MAX_ERROR = 500;
const MAX_RETRY_AFTER_S = 24 * 3_600;

/** Never rejects for what the receiver, its name or its network does. */
export async function send(
  url: string,
  body: string,
  headers: Readonly<Record<string, string>>,
  rules: TargetRules,
  bounds: SendBounds,
): Promise<Sent> {
  const deadline = AbortSignal.timeout(bounds.timeoutMs);
  try {
    const target = await checkTarget(url, rules);
    return await post(target, body, headers, bounds, deadline);
  } catch (error) {
    const why = deadline.aborted ? `no full answer within ${bounds.timeoutMs} ms` : failureOf(error);
    if (why === null) throw error;
    return { outcome: 'failed', status: null, error: why.slice(0, MAX_ERROR), retryAfterMs: null };
  }
}

async function post(
  { url, addresses }: Target,
  body: string,
  headers: Readonly<Record<string, string>>,
  { timeoutMs, maxAnswerBytes }: SendBounds,
  signal: AbortSignal,
): Promise<Sent> {
  // Connects to the addresses that were checked and asks nobody again. Host and SNI stay the name's.
  const pinned: LookupFunction = (_hostname, options, done) => {
    const [first] = addresses;
    if (options.all === true || first === undefined) done(null, [...addresses]);
    else done(null, first.address, first.family);
  };
  const agent = new Agent({
    connect: { lookup: pinned, timeout: timeoutMs },
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    connections: 1,
  });
  try {
    // undici follows no redirects unless it is told to.
    const answer = await request(url, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json', 'user-agent': 'Meterhouse-Webhooks/1', ...headers },
      dispatcher: agent,
      signal,
    });
    await readBounded(answer.body, maxAnswerBytes);
    return judged(answer.statusCode, answer.headers['retry-after']);
  } finally {
    await agent.destroy();
  }
}

/** To the end, so that the receiver is not cut off while it still writes; to the bound, where it does not end. */
async function readBounded(body: AsyncIterable<Buffer>, maxBytes: number): Promise<void> {
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > maxBytes) return;
  }
}

function judged(status: number, retryAfter: string | string[] | undefined): Sent {
  if (status >= 200 && status < 300) return { outcome: 'accepted', status };
  if (status === 410) return { outcome: 'gone', status };
  const error =
    status >= 300 && status < 400 ? `answered ${status}: redirects are not followed` : `answered ${status}`;
  const seconds =
    typeof retryAfter === 'string' && /^[0-9]{1,9}$/.test(retryAfter) ? Number(retryAfter) : null;
  const retryAfterMs = seconds === null ? null : Math.min(seconds, MAX_RETRY_AFTER_S) * 1_000;
  return { outcome: 'failed', status, error, retryAfterMs };
}

/** Null: not the receiver's doing. */
function failureOf(error: unknown): string | null {
  if (error instanceof ForbiddenTargetError) return `not called: ${error.message}`;
  if (error instanceof errors.UndiciError) return error.code;
  if (error instanceof AggregateError) return error.errors.map(codeOf).find((code) => code !== null) ?? null;
  return codeOf(error);
}

/** Of the system, of TLS, of the HTTP parser. */
function codeOf(error: unknown): string | null {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;
}
