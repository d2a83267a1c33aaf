/**
 * Answers that several processes share. Ages are told by one clock, the server's: an answer is kept
 * with the server's time at the look that missed, which is before the origin was asked, and the look
 * that finds it asks for the server's time again.
 *
 * Redis that is slow, frozen or away is not waited for: after some failures in a row it is left alone
 * for a while, and each look says that it was not there.
 */
import { CircuitBreaker, openRedisConnection, type RedisConnection } from '@meterhouse/rate-limit/redis';
import type { Logger } from 'pino';
import * as z from 'zod';
import { abortable } from '../abortable.ts';
import type { UsageReading } from '../usage-question.ts';
import type { CacheBounds, CacheLook, UsageCache } from './usage-cache.ts';

export interface RedisCacheOptions extends Pick<CacheBounds, 'maxAgeMs'> {
  readonly url: string;
  readonly prefix: string;
  /** How long one look may take. */
  readonly patienceMs: number;
}

interface RedisCacheTools {
  readonly logger: Logger;
  readonly clock: () => number;
}

/** Changes with the form of what is kept, so that versions side by side do not read each other's. */
const FORM = '1:';
const LOOK = `local time = redis.call('TIME')
return { redis.call('GET', KEYS[1]), time[1] * 1000 + math.floor(time[2] / 1000) }`;
const KEEP = `return redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])`;
const CIRCUIT = { failuresToOpen: 3, openMs: 1_000 };

const looked = z.tuple([z.string().nullable(), z.int()]);
const kept = z.object({
  askedAt: z.int(),
  reading: z.object({
    value: z.string(),
    unit: z.string().nullable(),
    origin: z.enum(['postgres', 'api', 'nothing']),
    completeThrough: z.number().nullable(),
  }),
});

export function openRedisCache(options: RedisCacheOptions, { logger, clock }: RedisCacheTools): UsageCache {
  const connection = openRedisConnection({
    url: options.url,
    onConnectionError: (error) => {
      logger.debug({ err: error }, 'the connection to the cache of usage broke');
    },
  });
  const circuit = new CircuitBreaker(CIRCUIT, clock, (state) => {
    if (state === 'open') logger.warn('the cache of usage does not answer: usage is read without it');
    if (state === 'closed') logger.info('the cache of usage answers again');
  });
  const cache = new RedisCache(options, connection, circuit);
  return {
    kind: 'redis',
    look: (key) => cache.look(options.prefix + FORM + key),
    close: () => {
      connection.close();
    },
  };
}

class RedisCache {
  readonly #options: RedisCacheOptions;
  readonly #connection: RedisConnection;
  readonly #circuit: CircuitBreaker;

  constructor(options: RedisCacheOptions, connection: RedisConnection, circuit: CircuitBreaker) {
    this.#options = options;
    this.#connection = connection;
    this.#circuit = circuit;
  }

  async look(key: string): Promise<CacheLook> {
    const answer = await this.#ask(LOOK, key, []);
    const parsed = looked.safeParse(answer);
    if (!parsed.success) return { state: 'unavailable' };
    const [text, now] = parsed.data;
    const found = text === null ? null : readKept(text);
    const ageMs = found === null ? Infinity : now - found.askedAt;
    // An age below nothing is a clock that was set back: what it says of others is not known either.
    if (found !== null && ageMs >= 0 && ageMs <= this.#options.maxAgeMs)
      return { state: 'hit', reading: found.reading, ageMs };
    return {
      state: 'miss',
      keep: (reading) => {
        const entry = JSON.stringify({ askedAt: now, reading } satisfies z.input<typeof kept>);
        void this.#ask(KEEP, key, [entry, String(this.#options.maxAgeMs)]);
      },
    };
  }

  /** The answer; undefined where there was none. Never rejects. */
  async #ask(script: string, key: string, args: string[]): Promise<unknown> {
    if (!this.#circuit.tryPass()) return undefined;
    const patience = AbortSignal.timeout(this.#options.patienceMs);
    try {
      const asked = this.#connection.eval(script, { keys: [key], arguments: args });
      const answer = await abortable(asked, patience);
      this.#circuit.succeeded();
      return answer;
    } catch {
      // Why is told by the connection; that it happened by the circuit, and by the answer to the question.
      this.#circuit.failed();
      return undefined;
    }
  }
}

function readKept(text: string): { readonly askedAt: number; readonly reading: UsageReading } | null {
  try {
    const parsed = kept.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
