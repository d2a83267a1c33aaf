/** Asking before the work: the question, the answer, and a denial as an error. */
import type { Actor, Question, Reason, ShownDecision } from '@meterhouse/quota';

/** What a gate is asked, apart from what only a gate that takes something needs. */
export interface CheckQuestion extends Pick<
  Question,
  'product' | 'resourceType' | 'action' | 'usage' | 'slots' | 'route' | 'attributes'
> {
  /** Default: the principal of the context. */
  readonly actor?: Actor | undefined;
  /** Default: the tenant of the context. */
  readonly tenantId?: string | undefined;
  /** Default: that of the context. */
  readonly correlationId?: string | undefined;
}

/** What an adapter is asked: who and where are known. */
export type CheckedQuestion = Omit<Question, 'cost' | 'reservationKey' | 'correlationId'> & {
  readonly correlationId: string;
};

/** decide()'s decision, in the form that is the same in process and over HTTP. */
export interface CheckAnswer extends ShownDecision {
  /** What decided. `nothing`: the adapter asks nobody, so everything is allowed and nothing enforced. */
  readonly decidedBy: 'snapshots' | 'api' | 'postgres' | 'nothing';
}

/** `checkOrThrow` got a denial. Its message is safe to show. */
export class CheckDenied extends Error {
  readonly decision: CheckAnswer;
  readonly reason: Reason;

  constructor(decision: CheckAnswer) {
    super(decision.message);
    this.name = 'CheckDenied';
    this.decision = decision;
    this.reason = decision.reason;
  }
}

/** A denial because quota is used up. */
export class QuotaExceeded extends CheckDenied {
  /** The scope of the lineage whose ceiling won; null where it is above what the service may see. */
  readonly scope: string | null;

  constructor(decision: CheckAnswer) {
    super(decision);
    this.name = 'QuotaExceeded';
    this.scope = decision.ceiling?.scope ?? null;
  }
}

/** @throws QuotaExceeded or CheckDenied */
export function throwIfDenied(decision: CheckAnswer): CheckAnswer {
  if (decision.outcome !== 'deny') return decision;
  throw decision.reason === 'quota_exhausted' ? new QuotaExceeded(decision) : new CheckDenied(decision);
}

/** The answer where nobody is asked: allowed, and it says that nothing was enforced. */
export function allowed({ tenantId, correlationId }: CheckedQuestion): CheckAnswer {
  return {
    outcome: 'allow',
    reason: 'ok',
    message: 'Allowed: nothing is enforced here.',
    enforced: false,
    tenantId,
    ceiling: null,
    registryVersion: '0',
    asOf: null,
    ageMs: null,
    retryAfterMs: null,
    correlationId,
    decidedBy: 'nothing',
  };
}
