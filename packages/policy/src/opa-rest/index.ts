/** A running OPA, asked over its REST data API. */
import { errors, Pool } from 'undici';
import { z } from 'zod';
import type { PolicyEngine, PolicyQuestion, PolicyVerdict } from '@meterhouse/quota';
import { opaInput } from '../opa/input.ts';
import { readOpaAnswer } from '../opa/answer.ts';
import { problemOf, type PolicyProblem } from '../question-bounds.ts';
import { answered, unavailable } from '../verdicts.ts';
import { readOpaResponse } from './response.ts';

const ENGINE = 'opa_rest';
const TOO_MANY_REQUESTS = 429;

const options = z.strictObject({
  /** Where OPA listens, such as `http://127.0.0.1:8181`; a path before `/v1` is kept. */
  url: z.url({ protocol: /^https?$/ }),
  /** Path of the document that decides, such as `meterhouse/authz/decision`. */
  path: z.string().regex(/^[^/\s]+(\/[^/\s]+)*$/, 'needs names divided by single slashes'),
  /** Sent as `Authorization: Bearer`, for an OPA that runs with `--authentication=token`. */
  token: z.string().min(1).optional(),
  /** Names the set of rules where OPA does not say the revisions of its bundles. */
  version: z.string().min(1).max(256),
  /** From asking to the last byte of the answer. */
  deadlineMs: z.int().min(1).max(60_000),
  /** Questions under way, and connections, at most. */
  maxInFlight: z.int().min(1).max(10_000).default(64),
  maxResponseBytes: z.int().min(64).max(16_000_000).default(65_536),
});

export type OpaRestOptions = z.input<typeof options>;

export interface OpaRestEngine extends PolicyEngine {
  evaluate(question: PolicyQuestion): Promise<PolicyVerdict>;
  /** Ends what is under way as `engine_failed` and closes the connections. */
  close(): Promise<void>;
}

/**
 * The document must be a boolean or `{ allow, rules }`; undefined is `bad_answer`. Status 429 is
 * `overloaded`, every other but 200 `engine_failed`. Nothing is repeated: the deadline is the caller's.
 * @throws ZodError naming the option
 */
export function createOpaRestEngine(input: OpaRestOptions): OpaRestEngine {
  const { url, path, token, version, deadlineMs, maxInFlight, maxResponseBytes } = options.parse(input);
  const base = new URL(url);
  const pool = new Pool(base.origin, {
    connections: maxInFlight,
    pipelining: 1,
    maxResponseSize: maxResponseBytes,
    connect: { timeout: deadlineMs },
  });
  const prefix = base.pathname.replace(/\/$/, '');
  const target = `${prefix}/v1/data/${path.split('/').map(encodeURIComponent).join('/')}?provenance=true`;
  const headers = {
    'content-type': 'application/json',
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
  };
  let inFlight = 0;

  const ask = async (question: PolicyQuestion, signal: AbortSignal): Promise<PolicyVerdict> => {
    const body = JSON.stringify({ input: opaInput(question) });
    const response = await pool.request({ method: 'POST', path: target, headers, body, signal });
    if (response.statusCode !== 200) {
      // Undici takes the connection back only once the body is read; `dump` bounds how much of it.
      await response.body.dump({ limit: maxResponseBytes, signal });
      const problem = response.statusCode === TOO_MANY_REQUESTS ? 'overloaded' : 'engine_failed';
      return unavailable(ENGINE, version, problem);
    }
    const read = readOpaResponse(await response.body.text());
    const answer = readOpaAnswer(read?.result);
    if (answer === null) return unavailable(ENGINE, version, 'bad_answer');
    return answered(ENGINE, read?.revisions ?? version, answer.allow, answer.rules);
  };

  return {
    name: ENGINE,
    evaluate: async (question) => {
      if (inFlight >= maxInFlight) return unavailable(ENGINE, version, 'overloaded');
      inFlight++;
      const deadline = new AbortController();
      const timer = setTimeout(() => deadline.abort(), deadlineMs);
      try {
        const problem = problemOf(question);
        if (problem !== null) return unavailable(ENGINE, version, problem);
        return await ask(question, deadline.signal);
      } catch (error) {
        return unavailable(ENGINE, version, problemOfError(error, deadline.signal));
      } finally {
        clearTimeout(timer);
        inFlight--;
      }
    },
    close: () => pool.destroy(),
  };
}

function problemOfError(error: unknown, deadline: AbortSignal): PolicyProblem {
  if (deadline.aborted) return 'deadline';
  return error instanceof errors.ResponseExceededMaxSizeError ? 'bad_answer' : 'engine_failed';
}
