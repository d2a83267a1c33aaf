/** May it, has it quota left, is there capacity: a gate's answer for callers that are not in TypeScript. */
import type { Gate, Question } from '@meterhouse/gate';
import { InvalidQuestionError } from '@meterhouse/gate';
import { decide, explain, type Decision, type DecisionRequest, type Facts } from '@meterhouse/quota';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Caller } from '../../access/caller.ts';
import type { Role } from '../../access/roles.ts';
import { ApiProblem, type FieldError } from '../../http/problem.ts';
import { addRoute } from '../../http/route.ts';
import { answerOf } from './answer.ts';
import {
  decisionAnswer,
  decisionsAnswer,
  explainQuery,
  MAX_QUESTIONS,
  question,
  questions,
  type DecisionAnswer,
  type QuestionBody,
} from './schemas.ts';

export interface DecideParts {
  readonly gate: Pick<Gate, 'factsOf'>;
  /** Gets what was denied or warned of; never waits. */
  readonly keepDecision: (request: DecisionRequest, facts: Facts) => void;
  /** Gets every decision, for metrics. */
  readonly decided: (decision: Decision) => void;
}

/** Services that enforce, and people who look why. Finance has no business here. */
const ROLES: readonly Role[] = ['ingest', 'tenant_reader', 'tenant_admin', 'operator', 'platform_admin'];

const DESCRIPTION = `The decision is the answer, so a denial is a 200 too: look at \`outcome\`.

It answers from the memory of this process, which follows the usage snapshots, and it only looks: nothing
is held until the usage is reported, no rate is charged, no capacity is reserved. Callers that are decided
at the same moment may together go over a limit until the next snapshot, which comes within a second;
a process that must not uses the gate of \`@meterhouse/gate\` in its own memory. Usage that is not known
well enough denies (\`stale_snapshot\`). Denials and warnings are kept, and can be read at
\`/v1/decisions\`.`;

export function decideRoutes(app: FastifyInstance, parts: DecideParts): void {
  addRoute(app, {
    method: 'POST',
    url: '/v1/decide',
    operationId: 'decide',
    tag: 'decisions',
    summary: 'Ask before the work',
    description: DESCRIPTION,
    access: {
      kind: 'tenant',
      roles: ROLES,
      tenant: ({ body }) => z.object({ tenantId: z.string() }).parse(body).tenantId,
    },
    query: explainQuery,
    body: question,
    answer: { status: 200, schema: decisionAnswer },
    handle: async ({ body, query }, caller) => {
      const explained = explains(query.explain, caller);
      return decided(parts, body, 'body', explained, caller);
    },
  });
  addRoute(app, {
    method: 'POST',
    url: '/v1/decide/batch',
    operationId: 'decideBatch',
    tag: 'decisions',
    summary: `Ask up to ${MAX_QUESTIONS} things at once`,
    description: `Each is decided by itself, as if it were the only one. ${DESCRIPTION}`,
    access: { kind: 'scope', roles: ROLES },
    problems: ['unknown_tenant'],
    query: explainQuery,
    body: questions,
    answer: { status: 200, schema: decisionsAnswer },
    handle: async ({ body, query }, caller) => {
      const explained = explains(query.explain, caller);
      await refuseForeign(body.questions, caller);
      const decisions: DecisionAnswer[] = [];
      for (const [index, each] of body.questions.entries())
        decisions.push(await decided(parts, each, `body.questions.${index}`, explained, caller));
      return { decisions };
    },
  });
}

function explains(asked: 'true' | 'false', { principal }: Caller): boolean {
  if (asked === 'true' && principal.tenantId !== null)
    throw new ApiProblem('forbidden', 'Only keys of the platform get an explanation.');
  return asked === 'true';
}

/** All or none, so that nobody has to tell an answer about a tenant from one about the request. */
async function refuseForeign(asked: readonly QuestionBody[], caller: Caller): Promise<void> {
  const errors: FieldError[] = [];
  for (const [index, { tenantId }] of asked.entries())
    if (!(await caller.mayReach(tenantId)))
      errors.push({ field: `body.questions.${index}.tenantId`, detail: 'is not a tenant in your scope' });
  if (errors.length > 0)
    throw new ApiProblem('unknown_tenant', 'Some of the tenants are not in your scope.', { errors });
}

async function decided(
  { gate, keepDecision, decided: count }: DecideParts,
  body: QuestionBody,
  field: string,
  explained: boolean,
  caller: Caller,
): Promise<DecisionAnswer> {
  const asked = { correlationId: caller.correlationId, ...body } as Question;
  const { request, facts } = await factsOf(gate, asked, field);
  const decision = decide(request, facts);
  count(decision);
  if (decision.reason !== 'ok') keepDecision(request, facts);
  return answerOf(body.tenantId, decision, explained ? explain(request, facts, decision) : null, caller);
}

async function factsOf(
  gate: DecideParts['gate'],
  asked: Question,
  field: string,
): ReturnType<Gate['factsOf']> {
  try {
    return await gate.factsOf(asked);
  } catch (error) {
    if (!(error instanceof InvalidQuestionError)) throw error;
    const errors = [{ field: `${field}.${error.field}`, detail: error.message }];
    throw new ApiProblem('invalid_request', error.message, { errors, cause: error });
  }
}
