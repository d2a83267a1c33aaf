/** A decision for people, and as JSON. */
import type { Decision, ExplainedStep } from '@meterhouse/quota';
import { formatDecimal } from '@meterhouse/usage';
import type { Json } from '../output/output.ts';
import type { Palette } from '../output/palette.ts';
import { renderTable } from '../output/table.ts';

export function decisionJson(decision: Decision, walk: readonly ExplainedStep[] | null): Json {
  const { outcome, reason, message, enforced, quota, entitledBy, tier, matchedRules, evidence } = decision;
  return {
    outcome,
    reason,
    message,
    enforced,
    ceiling:
      quota === null
        ? null
        : {
            scope: quota.ceiling.scope,
            metric: quota.ceiling.metric,
            period: quota.ceiling.period,
            mode: quota.ceiling.mode,
            value: formatDecimal(quota.ceiling.value),
            source: quota.ceiling.source,
            used: formatDecimal(quota.used),
            pending: formatDecimal(quota.pending),
            remaining: formatDecimal(quota.remaining),
            overshoot: formatDecimal(quota.overshoot),
          },
    entitledBy,
    tier,
    matchedRules: [...matchedRules],
    registryVersion: evidence.registryVersion.toString(),
    policyEngine: evidence.policyEngine,
    asOf: evidence.asOf === null ? null : new Date(evidence.asOf).toISOString(),
    ageMs: Number.isFinite(evidence.ageMs) ? Math.ceil(evidence.ageMs) : null,
    retryAfterMs: decision.retryAfterMs,
    correlationId: decision.correlationId,
    ...(walk === null ? {} : { walk: walk.map((step) => ({ ...step })) }),
  };
}

export function renderDecision(
  decision: Decision,
  walk: readonly ExplainedStep[] | null,
  palette: Palette,
): string {
  const paint = { allow: palette.good, warn: palette.warn, deny: palette.bad }[decision.outcome];
  const recorded = decision.enforced ? '' : ' (recorded, not enforced)';
  const head = `${paint(decision.outcome)}  ${decision.reason}${recorded}  ${palette.dim(decision.message)}\n`;
  return walk === null ? head : `${head}\n${renderWalk(walk, palette)}`;
}

export function renderWalk(walk: readonly ExplainedStep[], palette: Palette): string {
  const paint = { yes: palette.good, no: palette.bad, warns: palette.warn, 'not asked': palette.dim };
  return renderTable(
    [{ title: 'question' }, { title: 'answer' }, { title: 'because' }],
    walk.map(({ question, answer, because }) => [question, paint[answer](answer), because]),
    palette,
  );
}
