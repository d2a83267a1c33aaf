/** A decision for people, and as JSON. */
import type { Decision, ExplainedStep } from '@meterhouse/quota';
import { formatDecimal } from '@meterhouse/usage';
import type { Json } from '../output/output.ts';
import type { Palette } from '../output/palette.ts';
import { renderTable } from '../output/table.ts';

/** What is shown of a decision. Null: there is none, or whoever was asked does not tell it. */
export interface ShownDecision {
  readonly outcome: Decision['outcome'];
  readonly reason: string;
  readonly message: string;
  readonly enforced: boolean;
  readonly ceiling: Json;
  readonly entitledBy: string | null;
  readonly tier: string | null;
  readonly matchedRules: readonly string[] | null;
  readonly registryVersion: string;
  readonly policyEngine: string | null;
  readonly asOf: string | null;
  readonly ageMs: number | null;
  readonly retryAfterMs: number | null;
  readonly correlationId: string;
  /** Null: it was not asked for. */
  readonly walk: readonly ExplainedStep[] | null;
}

export function shownDecision(decision: Decision, walk: readonly ExplainedStep[] | null): ShownDecision {
  const { outcome, reason, message, enforced, quota, entitledBy, tier, matchedRules, evidence } = decision;
  return {
    ...{ outcome, reason, message, enforced, entitledBy, tier, walk },
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
    matchedRules: [...matchedRules],
    registryVersion: evidence.registryVersion.toString(),
    policyEngine: evidence.policyEngine,
    asOf: evidence.asOf === null ? null : new Date(evidence.asOf).toISOString(),
    ageMs: Number.isFinite(evidence.ageMs) ? Math.ceil(evidence.ageMs) : null,
    retryAfterMs: decision.retryAfterMs,
    correlationId: decision.correlationId,
  };
}

export function decisionJson({ walk, ...decision }: ShownDecision): Json {
  return { ...decision, ...(walk === null ? {} : { walk: walk.map((step) => ({ ...step })) }) };
}

export function renderDecision(
  { outcome, reason, enforced, message, walk }: ShownDecision,
  palette: Palette,
): string {
  const paint = { allow: palette.good, warn: palette.warn, deny: palette.bad }[outcome];
  const recorded = enforced ? '' : ' (recorded, not enforced)';
  const head = `${paint(outcome)}  ${reason}${recorded}  ${palette.dim(message)}\n`;
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
