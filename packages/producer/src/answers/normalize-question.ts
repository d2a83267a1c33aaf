/** From what a caller asks to what a reader is asked. Pure. */
import { METRIC_NAME, parseInstant, TENANT_ID } from '@meterhouse/usage';
import type { Actor } from '@meterhouse/quota';
import type { CheckedQuestion, CheckQuestion } from '../check.ts';
import { AskError } from './ask-error.ts';
import type { OpenContext } from '../tenant-context.ts';
import type { AskedUsage, UsageQuestionInput } from '../usage-question.ts';

const HOUR_MS = 3_600_000;

/** @throws AskError `refused`, naming the field */
export function askedUsage(input: UsageQuestionInput, context: OpenContext | undefined): AskedUsage {
  const tenantId = tenantOf(input.tenantId, context);
  if (!METRIC_NAME.test(input.metric)) throw wrong('metric', `does not match ${METRIC_NAME.source}`);
  const from = hourOf('from', input.from);
  const to = hourOf('to', input.to);
  if (to <= from) throw wrong('to', 'is not after from');
  return { tenantId, metric: input.metric, from, to, descendants: input.descendants ?? false };
}

/** @throws AskError `refused`, naming the field */
export function checkedQuestion(
  input: CheckQuestion,
  context: OpenContext | undefined,
  newId: () => string,
): CheckedQuestion {
  const { actor, tenantId, correlationId, ...asked } = input;
  return {
    ...asked,
    tenantId: tenantOf(tenantId, context),
    actor: actorOf(actor, context),
    correlationId: correlationId ?? context?.correlationId ?? newId(),
  };
}

function tenantOf(given: string | undefined, context: OpenContext | undefined): string {
  const tenantId = given ?? context?.tenantId;
  if (tenantId === undefined)
    throw wrong('tenantId', 'is missing: give it with the question, or ask inside withTenant()');
  if (!TENANT_ID.test(tenantId)) throw wrong('tenantId', `does not match ${TENANT_ID.source}`);
  return tenantId;
}

function actorOf(given: Actor | undefined, context: OpenContext | undefined): Actor {
  const actor = given ?? context?.principal;
  if (actor === undefined)
    throw wrong('actor', 'is missing: give it with the question, or a principal to withTenant()');
  return actor;
}

/** Usage is kept by the hour, so that is what can be asked about. */
function hourOf(field: string, given: Date | string | number): number {
  const instant =
    given instanceof Date ? given.getTime() : typeof given === 'string' ? parseInstant(given) : given;
  if (instant === null || !Number.isSafeInteger(instant) || Math.abs(instant) > 8.64e15)
    throw wrong(field, 'is neither a Date, nor RFC 3339 with a zone, nor epoch milliseconds');
  if (instant % HOUR_MS !== 0) throw wrong(field, 'is not on the hour');
  return instant;
}

function wrong(field: string, detail: string): AskError {
  return new AskError('refused', `${field}: ${detail}`, { field });
}
