/** Rego compiled to WebAssembly (`opa build -t wasm`), in a thread of this process. */
import { z } from 'zod';
import type { PolicyEngine, PolicyQuestion, PolicyVerdict } from '@meterhouse/quota';
import { readOpaAnswer } from '../opa/answer.ts';
import { opaInput } from '../opa/input.ts';
import { problemOf } from '../question-bounds.ts';
import { answered, unavailable } from '../verdicts.ts';
import { EvaluationQueue, type Outcome } from './evaluation-queue.ts';
import { PolicyThread } from './policy-thread.ts';

export { OpaModuleError } from './policy-thread.ts';

const ENGINE = 'opa_wasm';
const MAX_MODULE_BYTES = 64_000_000;

const options = z.strictObject({
  /** `policy.wasm` of the bundle. */
  module: z.custom<Uint8Array>(
    (bytes) => bytes instanceof Uint8Array && bytes.byteLength <= MAX_MODULE_BYTES,
    { error: `needs bytes, at most ${MAX_MODULE_BYTES}` },
  ),
  /** As it was given to `opa build -e`, such as `meterhouse/authz/decision`. */
  entrypoint: z.string().min(1),
  /** The bundle's `data.json`, where it has one. */
  data: z.record(z.string(), z.unknown()).optional(),
  /** Names this module. */
  version: z.string().min(1).max(256),
  /** From asking, waiting included, to the answer. */
  deadlineMs: z.int().min(1).max(60_000),
  /**
   * An evaluation that still runs so long after its deadline is ended together with its thread. Not at once:
   * a thread takes longer to start than most late evaluations to finish, and the first ones of a new thread
   * are slow.
   */
  endAfterMs: z.int().min(0).max(60_000).default(500),
  /** Questions waiting and under way, at most. */
  maxPending: z.int().min(1).max(100_000).default(256),
  /** Memory of the policy at first and at most, in pages of 64 KiB. */
  initialMemoryPages: z.int().min(1).max(65_536).default(5),
  maxMemoryPages: z.int().min(1).max(65_536).default(256),
  /** For starting the thread and loading the policy, at first and after a policy had to be ended. */
  startDeadlineMs: z.int().min(1).max(600_000).default(30_000),
});

export type OpaWasmOptions = z.input<typeof options>;

export interface OpaWasmEngine extends PolicyEngine {
  evaluate(question: PolicyQuestion): Promise<PolicyVerdict>;
  /** Ends what is under way as `engine_failed`, and the thread. */
  close(): Promise<void>;
}

/**
 * The entrypoint must come to a boolean or `{ allow, rules }`; undefined is `bad_answer`.
 * Rego can be slow without bound and WebAssembly cannot be interrupted on the caller's thread, so it runs
 * in one of its own, which is ended and started anew when an evaluation goes on past its deadline.
 * @throws ZodError naming the option; OpaModuleError for a module that cannot be loaded
 */
export async function createOpaWasmEngine(input: OpaWasmOptions): Promise<OpaWasmEngine> {
  const { version, startDeadlineMs, module: bytes, ...rest } = options.parse(input);
  const { deadlineMs, endAfterMs, maxPending, ...threadOptions } = rest;
  // A copy: the bytes are the caller's, and the thread may be started from them again.
  const module = Uint8Array.from(bytes);
  const startThread = () => PolicyThread.start({ module, ...threadOptions }, startDeadlineMs);
  const bounds = { deadlineMs, endAfterMs, maxPending };
  const queue = new EvaluationQueue(await startThread(), { ...bounds, startThread });

  return {
    name: ENGINE,
    evaluate: async (question) => {
      try {
        const problem = problemOf(question);
        if (problem !== null) return unavailable(ENGINE, version, problem);
        return verdictOf(await queue.ask(opaInput(question)), version);
      } catch {
        return unavailable(ENGINE, version, 'engine_failed');
      }
    },
    close: () => queue.close(),
  };
}

function verdictOf(outcome: Outcome, version: string): PolicyVerdict {
  if (outcome.kind === 'problem') return unavailable(ENGINE, version, outcome.problem);
  const read = resultSet.safeParse(outcome.results);
  const answer = read.success ? readOpaAnswer(read.data[0].result) : null;
  return answer === null
    ? unavailable(ENGINE, version, 'bad_answer')
    : answered(ENGINE, version, answer.allow, answer.rules);
}

/** One result; a set of none is an undefined document. */
const resultSet = z.tuple([z.object({ result: z.unknown() })]);
