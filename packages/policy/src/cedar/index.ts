/** Cedar, in process: policies and schema are parsed once, questions are answered at once. */
import { statefulIsAuthorized, type AuthorizationAnswer } from '@cedar-policy/cedar-wasm/nodejs';
import type { PolicyEngine, PolicyQuestion, PolicyVerdict } from '@meterhouse/quota';
import { problemOf } from '../question-bounds.ts';
import { answered, unavailable } from '../verdicts.ts';
import { authorizationCall } from './authorization-call.ts';
import { CedarPoliciesError, load, readPolicies } from './policies.ts';
import { CEDAR_ENGINES_OPEN, giveBackSlot, takeSlot } from './slots.ts';

export { CedarPoliciesError } from './policies.ts';

const ENGINE = 'cedar';

export interface CedarOptions {
  /** Cedar policies, each with an annotation `@id("…")` of its own; no templates. */
  readonly policies: string;
  /**
   * Cedar schema of `Actor`, `Role`, `Tenant`, `Resource` and the actions. With it, policies that could
   * fail are refused here, and questions that it does not know are `unavailable`.
   */
  readonly schema?: string;
  /** Names this set of policies. */
  readonly version: string;
  /**
   * An answer that took longer counts as none. Cedar runs on the caller's thread and cannot be
   * interrupted; its language has no loops, and questions are bounded.
   */
  readonly deadlineMs: number;
  /** Milliseconds since some fixed instant. */
  readonly monotonicMs?: () => number;
}

export interface CedarEngine extends PolicyEngine {
  evaluate(question: PolicyQuestion): PolicyVerdict;
  /** Gives Cedar's memory back; the engine is `unavailable` from then on. */
  close(): void;
}

/**
 * A policy that fails on a question (it reads an attribute that is not there, say) is skipped by Cedar.
 * Where that leaves an allow, the skipped policy may have been the one that forbids: `engine_failed`.
 * @throws CedarPoliciesError for policies or a schema that cannot be taken, and beyond 64 open engines
 */
export function createCedarEngine(options: CedarOptions): CedarEngine {
  const { version, deadlineMs, monotonicMs = () => performance.now() } = options;
  const policies = readPolicies(options.policies);
  const slot = takeSlot();
  if (slot === null) throw new CedarPoliciesError('engines', `${CEDAR_ENGINES_OPEN} are open, close one`);
  try {
    load(slot, policies, options.schema ?? null);
  } catch (error) {
    giveBackSlot(slot);
    throw error;
  }
  let open = true;

  const ask = (question: PolicyQuestion): PolicyVerdict => {
    const problem = open ? problemOf(question) : 'engine_failed';
    if (problem !== null) return unavailable(ENGINE, version, problem);
    const startedMs = monotonicMs();
    const answer = statefulIsAuthorized(authorizationCall(question, slot, options.schema !== undefined));
    if (monotonicMs() - startedMs > deadlineMs) return unavailable(ENGINE, version, 'deadline');
    return verdictOf(answer, version);
  };

  return {
    name: ENGINE,
    evaluate: (question) => {
      // Throws on text that is not Unicode, for instance; whatever the cause, it has not answered.
      try {
        return ask(question);
      } catch {
        return unavailable(ENGINE, version, 'engine_failed');
      }
    },
    close: () => {
      if (open) giveBackSlot(slot);
      open = false;
    },
  };
}

function verdictOf(answer: AuthorizationAnswer, version: string): PolicyVerdict {
  if (answer.type === 'failure') return unavailable(ENGINE, version, 'engine_failed');
  const { decision, diagnostics } = answer.response;
  if (decision === 'allow' && diagnostics.errors.length > 0)
    return unavailable(ENGINE, version, 'engine_failed');
  return answered(ENGINE, version, decision === 'allow', [...diagnostics.reason].sort());
}
