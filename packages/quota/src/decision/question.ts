/** What is asked of a gate, in the caller's words, and what decide() makes of it. */
import { decimalFromNumber, parseDecimal, type Billionths } from '@meterhouse/usage';
import type { Actor } from '../policy-port.ts';
import type { DecisionRequest } from './request.ts';

export interface Question {
  readonly actor: Actor;
  /** The scope it is asked in: the project, department or organization. */
  readonly tenantId: string;
  readonly product: string;
  readonly resourceType: string;
  readonly action: string;
  /** What it will use; left out where nothing is metered. */
  readonly usage?: {
    readonly metric: string;
    readonly unit: string;
    /** Decimal string, BigInt or a number that stands for one exactly; not negative. */
    readonly delta: string | bigint | number;
  };
  /** Route of the rates, as a template and never a raw path; only rates for all routes apply without it. */
  readonly route?: string;
  /** What it costs by the rates' count: 1 a request, or as many as tokens. */
  readonly cost?: number;
  /** Units of the action's capacity pool; default 1 where it has one. */
  readonly slots?: number;
  /** Names the reservation, so that a retry gets the same one; default: the correlation id. */
  readonly reservationKey?: string;
  readonly correlationId?: string;
  /** Whatever else policies may look at. */
  readonly attributes?: Readonly<Record<string, string>>;
}

/** A question that cannot be asked as it is written. The message names the field. */
export class InvalidQuestionError extends TypeError {
  readonly field: string;

  constructor(field: string, problem: string) {
    super(`${field}: ${problem}`);
    this.name = 'InvalidQuestionError';
    this.field = field;
  }
}

const MAX_TEXT = 256;
const MAX_SLOTS = 1_000_000_000;
const MAX_COST = 1_000_000_000;

/** @throws InvalidQuestionError */
export function toRequest(question: Question, correlationId: string): DecisionRequest {
  const { actor, tenantId, product, resourceType, action, usage, cost = 1, slots = 1 } = question;
  for (const [field, text] of Object.entries({
    tenantId,
    product,
    resourceType,
    action,
    correlationId,
    'actor.type': actor.type,
    'actor.id': actor.id,
  }))
    if (text.length === 0 || text.length > MAX_TEXT)
      throw new InvalidQuestionError(field, `must have 1 to ${MAX_TEXT} characters`);
  if (!Number.isSafeInteger(slots) || slots < 0 || slots > MAX_SLOTS)
    throw new InvalidQuestionError('slots', `must be a whole number up to ${MAX_SLOTS}`);
  if (!Number.isSafeInteger(cost) || cost < 1 || cost > MAX_COST)
    throw new InvalidQuestionError('cost', `must be a whole number from 1 to ${MAX_COST}`);
  if (question.route !== undefined && (question.route === '' || question.route.length > MAX_TEXT))
    throw new InvalidQuestionError('route', `must have 1 to ${MAX_TEXT} characters`);
  return {
    correlationId,
    actor,
    tenantId,
    product,
    resourceType,
    action,
    usage:
      usage === undefined ? null : { metric: usage.metric, unit: usage.unit, delta: amountOf(usage.delta) },
    slots,
  };
}

function amountOf(delta: string | bigint | number): Billionths {
  const text = typeof delta === 'number' ? decimalFromNumber(delta) : delta.toString();
  const amount = text === null ? 'not_a_decimal' : parseDecimal(text);
  if (typeof amount !== 'bigint')
    throw new InvalidQuestionError('usage.delta', `${String(delta)} is not an exact decimal`);
  if (amount < 0n) throw new InvalidQuestionError('usage.delta', 'must not be negative');
  return amount;
}
