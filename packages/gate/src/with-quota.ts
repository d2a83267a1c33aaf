/** Guards a function instead of a route: checks, runs, records, and gives back on failure. */
import { toRequest, type Decision, type Question } from '@meterhouse/quota';
import { formatDecimal } from '@meterhouse/usage';
import type { Admission, Gate } from './gate.ts';

/** Where usage goes: a meter of @meterhouse/producer. It says what became of what it refuses. */
export interface UsageSink {
  add(event: {
    readonly tenantId: string;
    readonly metric: string;
    readonly unit: string;
    readonly value: string;
    readonly correlationId?: string;
  }): boolean;
}

/** The gate said no. Its message is safe to show. */
export class DeniedError extends Error {
  readonly decision: Decision;

  constructor(decision: Decision) {
    super(decision.message);
    this.name = 'DeniedError';
    this.decision = decision;
  }
}

/**
 * Runs `work` if the gate admits it, and records its usage when it is done.
 * @param meter where usage goes; null where `work` records it itself
 * @throws DeniedError; what `work` throws, after everything taken for it has been given back
 */
export async function withQuota<T>(
  gate: Gate,
  meter: UsageSink | null,
  question: Question,
  work: (admission: Admission) => Promise<T>,
): Promise<T> {
  const admission = await gate.admit(question);
  if (!admission.admitted) throw new DeniedError(admission.decision);
  let result: T;
  try {
    result = await work(admission);
  } catch (error) {
    await admission.release();
    throw error;
  }
  if (meter !== null) recordUsage(meter, question);
  admission.settle();
  return result;
}

/** The usage that was asked for, as an event. What the meter refuses, its counters say. */
export function recordUsage(meter: UsageSink, question: Question): void {
  const { usage } = toRequest(question, question.correlationId ?? '-');
  if (usage === null || usage.delta === 0n) return;
  meter.add({
    tenantId: question.tenantId,
    metric: usage.metric,
    unit: usage.unit,
    value: formatDecimal(usage.delta),
    ...(question.correlationId === undefined ? {} : { correlationId: question.correlationId }),
  });
}
