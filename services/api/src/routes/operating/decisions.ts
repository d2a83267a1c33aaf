/** Decisions that were kept: denials and warnings, with all that they looked at. */
import { registryAt, RegistryVersionError } from '@meterhouse/postgres';
import { appendAudit } from '@meterhouse/postgres/access';
import { listDecisions, readDecision, type DecisionRow } from '@meterhouse/postgres/decisions';
import {
  explainKept,
  REASONS,
  UnreadableRecordError,
  UnrepeatableDecisionError,
  type KeptExplanation,
} from '@meterhouse/quota';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { narrowedTo, narrowQuery, originOf, reachable, readIn } from '../../access/sight.ts';
import { nextCursor, pageQuery, readCursor, writeCursor } from '../../http/cursor.ts';
import { ApiProblem } from '../../http/problem.ts';
import { addRoute } from '../../http/route.ts';
import { step } from '../decide/schemas.ts';
import { OPERATORS, pageOf, type OperatingParts } from './parts.ts';

const TAG = 'decisions';

const kept = z
  .object({
    id: z.string(),
    at: z.iso.datetime().describe('On the clock of the enforcement point.'),
    receivedAt: z.iso.datetime(),
    tenantId: z.string(),
    outcome: z.string(),
    reason: z.string(),
    correlationId: z.string(),
    actorType: z.string(),
    actorId: z.string(),
    registryVersion: z.string(),
  })
  .meta({ id: 'KeptDecision' });

const explainedAnswer = z
  .object({
    decision: kept,
    record: z.record(z.string(), z.unknown()).describe('All that it looked at.'),
    message: z.string(),
    steps: z.array(step).describe('Each thing that was asked, its answer, and why.'),
    replay: z
      .array(z.object({ field: z.string(), recorded: z.string(), replayed: z.string() }))
      .describe(
        'What comes out otherwise when it is made again by the registry of then, and what lists show otherwise than the record. Empty: nothing.',
      ),
    unreadableDocuments: z
      .int()
      .describe('Of the registry of then, those that this release cannot read; what depends on them denies.'),
  })
  .meta({ id: 'ExplainedDecision' });

const position = z.object({ at: z.int(), id: z.uuid() });

export function decisionRoutes(app: FastifyInstance, parts: OperatingParts): void {
  listRoute(app, parts);
  explainRoute(app, parts);
}

function listRoute(app: FastifyInstance, { stores }: OperatingParts): void {
  addRoute(app, {
    method: 'GET',
    url: '/v1/decisions',
    operationId: 'listDecisions',
    tag: TAG,
    summary: 'Decisions that were kept, the newest first',
    access: { kind: 'scope', roles: ['tenant_reader', ...OPERATORS] },
    problems: ['invalid_cursor', 'unknown_tenant'],
    query: z.strictObject({
      ...narrowQuery,
      outcome: z.enum(['allow', 'deny', 'warn']).optional(),
      reason: z.enum(REASONS).optional(),
      since: z.iso.datetime({ offset: true }).optional(),
      ...pageQuery,
    }),
    answer: { status: 200, schema: z.object({ decisions: z.array(kept), nextCursor }) },
    handle: async ({ query }, caller) => {
      const before = readCursor(query.cursor, position);
      const { sight, tenantId } = await narrowedTo(caller, query);
      const rows = await readIn(stores, caller, sight, (db) =>
        listDecisions(db, {
          tenantId,
          outcome: query.outcome ?? null,
          reason: query.reason ?? null,
          since: query.since === undefined ? null : Date.parse(query.since),
          ...{ before, limit: query.limit + 1 },
        }),
      );
      const { page, last } = pageOf(rows, query.limit);
      const seen = await reachable(caller, page, ({ tenantId }) => [tenantId]);
      return {
        decisions: seen.map(toAnswer),
        nextCursor: last === undefined ? null : writeCursor({ at: last.at, id: last.id }),
      };
    },
  });
}

function explainRoute(app: FastifyInstance, { stores }: OperatingParts): void {
  addRoute(app, {
    method: 'GET',
    url: '/v1/decisions/:id',
    operationId: 'explainDecision',
    tag: TAG,
    summary: 'One decision, explained, and made again',
    description:
      'Its record holds limits and usage of every tenant above as well, so it is for the platform. ' +
      'That it was looked at stands in the audit log.',
    access: { kind: 'platform', roles: ['operator', 'platform_admin'] },
    problems: ['not_found', 'conflict'],
    params: z.strictObject({ id: z.uuid() }),
    answer: { status: 200, schema: explainedAnswer },
    handle: ({ params }, caller) =>
      stores.operating(async (db) => {
        const found = await readDecision(db, params.id);
        if (found === null) throw new ApiProblem('not_found', 'No decision of this id is kept.');
        const { record, message, steps, differences, unreadableDocuments } = await explained(() =>
          explainKept(found, (version) => registryAt(db, version)),
        );
        const { tenantId } = found.row;
        const target = `decision ${params.id}`;
        const origin = originOf(caller, null);
        await appendAudit(db, { ...origin, action: 'decision.read', tenantId, target, outcome: 'done' });
        return {
          decision: toAnswer(found.row),
          record: { ...record },
          message,
          steps: [...steps],
          replay: [...differences],
          unreadableDocuments,
        };
      }),
  });
}

/** What cannot be made again is no fault of this release: it is said why. */
async function explained(make: () => Promise<KeptExplanation>): Promise<KeptExplanation> {
  try {
    return await make();
  } catch (error) {
    const detail = whyNot(error);
    if (detail === null) throw error;
    throw new ApiProblem('conflict', detail, { cause: error });
  }
}

function whyNot(error: unknown): string | null {
  if (error instanceof UnreadableRecordError || error instanceof UnrepeatableDecisionError)
    return `It was made by another release, or its record was changed since: ${error.message}`;
  if (error instanceof RegistryVersionError)
    return `It was made by another registry, or this one was put back to an older state: ${error.message}`;
  return null;
}

function toAnswer({ at, receivedAt, registryVersion, ...row }: DecisionRow): z.input<typeof kept> {
  return {
    ...row,
    at: new Date(at).toISOString(),
    receivedAt: new Date(receivedAt).toISOString(),
    registryVersion: registryVersion.toString(),
  };
}
