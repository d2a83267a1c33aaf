/** What a decision says over HTTP: nothing of scopes that the caller may not see. */
import { showDecision, type Decision, type ExplainedStep } from '@meterhouse/quota';
import type { Caller } from '../../access/caller.ts';
import type { DecisionAnswer } from './schemas.ts';

/** @param steps null where they were not asked for */
export async function answerOf(
  tenantId: string,
  decision: Decision,
  steps: readonly ExplainedStep[] | null,
  caller: Caller,
): Promise<DecisionAnswer> {
  const mayShow = decision.quota === null || (await caller.mayReach(decision.quota.ceiling.scope));
  return {
    ...showDecision(tenantId, decision, mayShow),
    ...(steps === null ? {} : { steps: steps.map((each) => ({ ...each })) }),
  };
}
