/** A decision as it is shown to whoever asked, in process and over HTTP alike. Pure. */
import { formatDecimal, type Billionths } from '@meterhouse/usage';
import type { LimitMode, QuotaPeriod } from '../registry/documents.ts';
import type { Ceiling } from './ceilings.ts';
import type { Decision, Outcome, Reason } from './decision.ts';

/** The tightest ceiling that was met. Amounts are exact decimals; null where the scope is not to be seen. */
export interface ShownCeiling {
  readonly scope: string | null;
  readonly metric: string;
  readonly period: QuotaPeriod;
  readonly mode: LimitMode;
  readonly value: string | null;
  readonly used: string | null;
  readonly remaining: string | null;
  readonly source: string | null;
}

export interface ShownDecision {
  readonly outcome: Outcome;
  readonly reason: Reason;
  readonly message: string;
  readonly enforced: boolean;
  readonly tenantId: string;
  readonly ceiling: ShownCeiling | null;
  readonly registryVersion: string;
  /** RFC 3339; up to when the usage it goes by is complete. Null: none is known. */
  readonly asOf: string | null;
  /** How old that is, in ms, never less than the truth. Null: nothing was heard yet. */
  readonly ageMs: number | null;
  readonly retryAfterMs: number | null;
  readonly correlationId: string;
}

/** @param mayShow whether whoever asks may see the scope that the ceiling is of */
export function showDecision(tenantId: string, decision: Decision, mayShow: boolean): ShownDecision {
  const { outcome, reason, message, enforced, quota, evidence, retryAfterMs, correlationId } = decision;
  return {
    outcome,
    reason,
    message,
    enforced,
    tenantId,
    ceiling: quota === null ? null : showCeiling(quota.ceiling, quota, mayShow),
    registryVersion: evidence.registryVersion.toString(),
    asOf: evidence.asOf === null ? null : new Date(evidence.asOf).toISOString(),
    ageMs: Number.isFinite(evidence.ageMs) ? Math.ceil(evidence.ageMs) : null,
    retryAfterMs: retryAfterMs === null ? null : Math.ceil(retryAfterMs),
    correlationId,
  };
}

/**
 * Of a ceiling that is not to be seen there is only that it is there: its amount is the business of whoever it
 * is of, and its usage is others' as well.
 * @param known in billionths; null where it is not known, or not asked for
 */
export function showCeiling(
  { scope, metric, period, mode, value, source }: Ceiling,
  known: { readonly used: Billionths; readonly remaining: Billionths } | null,
  mayShow: boolean,
): ShownCeiling {
  if (!mayShow)
    return { scope: null, metric, period, mode, value: null, used: null, remaining: null, source: null };
  return {
    ...{ scope, metric, period, mode, source },
    value: formatDecimal(value),
    used: known === null ? null : formatDecimal(known.used),
    remaining: known === null ? null : formatDecimal(known.remaining),
  };
}
