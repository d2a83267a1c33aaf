/** What the answer would be, from memory alone: nothing is taken, and rates and capacity are not asked. */
import {
  decide,
  PendingUsage,
  Policies,
  toRequest,
  type Decision,
  type DecisionRequest,
  type Facts,
  type Now,
  type PolicyEngine,
  type PolicyQuestion,
  type PolicyView,
  type Question,
  type UsageView,
} from '@meterhouse/quota';
import { AccessRulesOfRegistry } from './access-rules.ts';

export { AccessRulesOfRegistry };

/** Of everything that a decision asks outside this process: it has not been. */
export const NOTHING_ASKED = {
  strict: { outcome: 'not_asked' },
  rate: { outcome: 'none' },
  places: { outcome: 'none' },
  capacity: { outcome: 'not_asked' },
} as const satisfies Partial<Facts>;

/** For processes that only look: they hold nothing, so nothing is pending. */
export class Looking {
  readonly #snapshots: { readonly usage: UsageView; readonly policy: PolicyView };
  readonly #engine: PolicyEngine;
  readonly #pending = new PendingUsage();
  readonly policies: Policies;

  constructor(snapshots: { readonly usage: UsageView; readonly policy: PolicyView }) {
    this.#snapshots = snapshots;
    this.policies = new Policies(snapshots.policy);
    this.#engine = new AccessRulesOfRegistry(snapshots.policy);
  }

  /** @throws InvalidQuestionError */
  async look(question: Question & { readonly correlationId: string }, clock: () => Now): Promise<Decision> {
    const request = toRequest(question, question.correlationId);
    const verdict = await this.#engine.evaluate(policyQuestionOf(request, question, this.policies));
    const { usage } = this.#snapshots;
    const { policies } = this;
    return decide(request, {
      policies,
      verdict,
      usage,
      pending: this.#pending,
      ...NOTHING_ASKED,
      now: clock(),
    });
  }
}

/** What a policy engine is asked. */
export function policyQuestionOf(
  request: DecisionRequest,
  { attributes }: Pick<Question, 'attributes'>,
  policies: Policies,
): PolicyQuestion {
  const tenant = policies.tenant(request.tenantId);
  const { actor, product, resourceType, action } = request;
  const lineage = 'problem' in tenant ? [request.tenantId] : tenant.lineage.toReversed();
  return { actor, lineage, product, resourceType, action, attributes: attributes ?? {} };
}
