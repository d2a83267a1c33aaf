/**
 * Delivers to an HTTP sink. An answer means what its status and format say, and nothing more: no answer,
 * a busy sink, a wrong key or an address that is not there are all tried again, for nothing is lost while
 * somebody mends it; only what the sink says it will never take is refused.
 */
import { promisify } from 'node:util';
import { gzip as gzipWithCallback } from 'node:zlib';
import type { UsageEvent } from '@meterhouse/usage';
import { BrokenCircuitError, circuitBreaker, ConsecutiveBreaker, handleWhen } from 'cockatiel';
import { TransportError, type Rejection, type Transport } from '../../transport.ts';
import { boundedText } from './bounded-text.ts';
import type { HttpOptions } from './options.ts';
import { retryAfterMs } from './retry-after.ts';
import { isRejection, type SinkAnswer, type SinkFormat, type SinkOutcome } from './sink-format.ts';

const gzip = promisify(gzipWithCallback);

const MAX_ANSWER_BYTES = 1024 * 1024;
const SHOWN_ANSWER = 200;
/** Of its own kind among 4xx: another time, the same request may be taken. */
const LATER = new Set([408, 425, 429]);
/** Somebody must mend the configuration on either side: the events are not what is wrong. */
const TO_MEND = new Set([401, 402, 403, 404, 405, 407]);

export interface SinkTools {
  /** Epoch ms. */
  readonly now: () => number;
  readonly fetch: typeof fetch;
}

export function createSink(options: HttpOptions, format: SinkFormat, tools: SinkTools): Transport {
  const url = new URL(options.url.replace(/\/$/, '') + (options.path ?? format.path));
  const compressed = options.gzip ?? format.gzip;
  const breaker = circuitBreaker(
    handleWhen((error) => !(error instanceof TransportError) || error.problem === 'unavailable'),
    { halfOpenAfter: options.breaker.openMs, breaker: new ConsecutiveBreaker(options.breaker.failures) },
  );
  let openedAt = 0;
  breaker.onBreak(() => (openedAt = tools.now()));

  const request = async (events: readonly UsageEvent[], signal: AbortSignal): Promise<SinkAnswer & Asked> => {
    const text = format.body(events);
    const response = await tools.fetch(url, {
      method: 'POST',
      body: compressed ? await gzip(text) : text,
      // A sink that moved is to be configured anew: a key is sent nowhere else.
      redirect: 'manual',
      signal,
      headers: {
        'content-type': format.contentType,
        accept: 'application/json',
        ...(compressed ? { 'content-encoding': 'gzip' } : {}),
        ...(options.key === undefined ? {} : { authorization: `Bearer ${options.key}` }),
      },
    });
    return {
      status: response.status,
      text: await boundedText(response, MAX_ANSWER_BYTES),
      retryAfterMs: retryAfterMs(response.headers.get('retry-after'), tools.now()),
    };
  };

  const post = async (
    events: readonly UsageEvent[],
    signal: AbortSignal,
  ): Promise<readonly SinkOutcome[]> => {
    const answer = await request(events, signal).catch((error: unknown) => {
      throw new TransportError('unavailable', `the sink does not answer: ${whatFailed(error)}`, {
        cause: error,
      });
    });
    return outcomesOf(answer, format, events);
  };

  const guarded = async (
    events: readonly UsageEvent[],
    signal: AbortSignal,
  ): Promise<readonly SinkOutcome[]> => {
    try {
      return await breaker.execute(() => post(events, signal));
    } catch (error) {
      if (!(error instanceof BrokenCircuitError)) throw error;
      const waitMs = Math.max(0, openedAt + options.breaker.openMs - tools.now());
      throw new TransportError('unavailable', 'the sink has failed too often; it is left alone for a while', {
        cause: error,
        retryAfterMs: waitMs,
      });
    }
  };

  return {
    send: async (events, signal) => {
      const rejected = await sendAll(events, (some) => guarded(some, signal));
      if (rejected.size > 0)
        throw new TransportError('rejected', `the sink will never take ${rejected.size} of the events`, {
          rejected,
        });
    },
    close: () => Promise.resolve(),
    remakes: () => 0,
  };
}

interface Asked {
  readonly retryAfterMs: number | null;
}

/** Sends what is to be sent again for as long as each request settles something. */
async function sendAll(
  events: readonly UsageEvent[],
  post: (events: readonly UsageEvent[]) => Promise<readonly SinkOutcome[]>,
): Promise<ReadonlyMap<number, Rejection>> {
  const rejected = new Map<number, Rejection>();
  let open = events.map((event, index) => ({ event, index }));
  while (open.length > 0) {
    const outcomes = await post(open.map(({ event }) => event));
    const again: typeof open = [];
    for (const [position, entry] of open.entries()) {
      const outcome = outcomes[position] ?? 'again';
      if (outcome === 'again') again.push(entry);
      else if (isRejection(outcome)) rejected.set(entry.index, outcome);
    }
    if (again.length === open.length)
      throw new TransportError('unavailable', 'the sink has taken none of the events');
    open = again;
  }
  return rejected;
}

function outcomesOf(
  answer: SinkAnswer & Asked,
  format: SinkFormat,
  events: readonly UsageEvent[],
): readonly SinkOutcome[] {
  const { status } = answer;
  const outcomes = format.outcomes(answer, events);
  if (outcomes?.some((outcome) => outcome !== 'again') === true) return outcomes;
  if (outcomes === null && (status === 200 || status === 201 || status === 202 || status === 204))
    return events.map(() => 'taken');
  const shown = answer.text.slice(0, SHOWN_ANSWER);
  const details = answer.retryAfterMs === null ? {} : { retryAfterMs: answer.retryAfterMs };
  if (status === 413) throw new TransportError('too_large', `the sink answers 413: ${shown}`);
  const isRefusal = status >= 400 && status < 500 && !LATER.has(status) && !TO_MEND.has(status);
  throw new TransportError(
    isRefusal ? 'rejected' : 'unavailable',
    `the sink answers ${status}${shown === '' ? '' : `: ${shown}`}`,
    details,
  );
}

/** fetch says `fetch failed`; why is in its cause. */
function whatFailed(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}
