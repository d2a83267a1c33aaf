/** The messages of quota_decisions. */
import type { Refusal } from '@meterhouse/usage';

/** What a message says of a decision beside its record. */
interface DecisionFields {
  /** UUID. */
  readonly id: string;
  /** Epoch ms on the clock of the enforcement point. */
  readonly at: number;
  readonly outcome: string;
  readonly reason: string;
}

/** A decision's record as it is published: plain JSON, of which only these fields are looked at. */
export interface RecordedDecision extends DecisionFields {
  readonly request: { readonly tenantId: string; readonly correlationId: string };
  /** Whole number. */
  readonly registryVersion: string;
}

/** A decision as it was read; what its record says is not checked yet. */
export interface PublishedDecision extends DecisionFields {
  readonly tenantId: string;
  readonly correlationId: string;
  readonly registryVersion: bigint;
  /** Parsed JSON. */
  readonly record: unknown;
}

/** What the Avro record holds. */
export type DecisionMessage = DecisionFields & {
  readonly tenantId: string;
  readonly correlationId: string;
  readonly registryVersion: number;
  /** JSON. */
  readonly record: string;
};

export function toDecisionMessage(record: RecordedDecision): DecisionMessage {
  const { id, at, outcome, reason, request, registryVersion } = record;
  return {
    id,
    at,
    outcome,
    reason,
    tenantId: request.tenantId,
    correlationId: request.correlationId,
    registryVersion: Number(registryVersion),
    record: JSON.stringify(record),
  };
}

export function fromDecisionMessage(message: DecisionMessage): PublishedDecision | Refusal {
  const { id, at, outcome, reason, tenantId, correlationId, registryVersion } = message;
  let record: unknown;
  try {
    record = JSON.parse(message.record);
  } catch {
    return { reason: 'undecodable', field: 'record', detail: 'the record is not JSON' };
  }
  const version = BigInt(registryVersion);
  return { id, at, outcome, reason, tenantId, correlationId, registryVersion: version, record };
}
