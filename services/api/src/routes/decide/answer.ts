/** What a decision says over HTTP: nothing of scopes that the caller may not see. */
import type { Decision, ExplainedStep } from '@meterhouse/quota';
import { formatDecimal } from '@meterhouse/usage';
import type { Caller } from '../../access/caller.ts';
import type { DecisionAnswer } from './schemas.ts';

/** @param steps null where they were not asked for */
export async function answerOf(
  tenantId: string,
  decision: Decision,
  steps: readonly ExplainedStep[] | null,
  caller: Caller,
): Promise<DecisionAnswer> {
  const { outcome, reason, message, enforced, evidence, retryAfterMs, correlationId } = decision;
  return {
    outcome,
    reason,
    message,
    enforced,
    tenantId,
    ceiling: await ceilingOf(decision, caller),
    registryVersion: evidence.registryVersion.toString(),
    asOf: evidence.asOf === null ? null : new Date(evidence.asOf).toISOString(),
    ageMs: Number.isFinite(evidence.ageMs) ? Math.ceil(evidence.ageMs) : null,
    retryAfterMs: retryAfterMs === null ? null : Math.ceil(retryAfterMs),
    correlationId,
    ...(steps === null ? {} : { steps: steps.map((each) => ({ ...each })) }),
  };
}

/** Of a ceiling above the caller's scope there is only that it is there: its usage is others' as well. */
async function ceilingOf({ quota }: Decision, caller: Caller): Promise<DecisionAnswer['ceiling']> {
  if (quota === null) return null;
  const { scope, metric, period, mode, value, source } = quota.ceiling;
  if (!(await caller.mayReach(scope)))
    return { scope: null, metric, period, mode, value: null, used: null, remaining: null, source: null };
  const amounts = { value, used: quota.used, remaining: quota.remaining };
  return {
    ...{ scope, metric, period, mode, source },
    value: formatDecimal(amounts.value),
    used: formatDecimal(amounts.used),
    remaining: formatDecimal(amounts.remaining),
  };
}
