/** Decisions that were kept: denials and warnings, with all that they looked at. */
import { registryAt } from '@meterhouse/postgres';
import { appendAudit } from '@meterhouse/postgres/access';
import { listDecisions, readDecision, type DecisionRow } from '@meterhouse/postgres/decisions';
import {
  explain,
  parseDecisionRecord,
  Policies,
  PolicySet,
  REASONS,
  replayDecision,
  UnreadableRecordError,
  type DecisionRecord,
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

const explained = z
  .object({
    decision: kept,
    record: z.record(z.string(), z.unknown()).describe('All that it looked at.'),
    message: z.string(),
    steps: z.array(step).describe('Each thing that was asked, its answer, and why.'),
    replay: z
      .array(z.object({ field: z.string(), recorded: z.string(), replayed: z.string() }))
      .describe('What comes out otherwise when it is made again by the registry of then. Empty: nothing.'),
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
    answer: { status: 200, schema: explained },
    handle: ({ params }, caller) =>
      stores.operating(async (db) => {
        const found = await readDecision(db, params.id);
        if (found === null) throw new ApiProblem('not_found', 'No decision of this id is kept.');
        const record = recordOf(found.record);
        const set = new PolicySet();
        const version = BigInt(record.registryVersion);
        for (const document of await registryAt(db, version)) set.stage(document);
        set.complete(version);
        const { decision, request, facts, differences } = replayDecision(record, new Policies(set));
        const { tenantId } = found.row;
        const target = `decision ${params.id}`;
        const origin = originOf(caller, null);
        await appendAudit(db, { ...origin, action: 'decision.read', tenantId, target, outcome: 'done' });
        return {
          decision: toAnswer(found.row),
          record: { ...record },
          message: decision.message,
          steps: explain(request, facts, decision),
          replay: [...differences],
          unreadableDocuments: set.problems,
        };
      }),
  });
}

function recordOf(stored: unknown): DecisionRecord {
  try {
    return parseDecisionRecord(stored);
  } catch (error) {
    if (!(error instanceof UnreadableRecordError)) throw error;
    const detail = 'The record was written by another release, or changed since: it cannot be explained.';
    throw new ApiProblem('conflict', detail, { cause: error });
  }
}

function toAnswer({ at, receivedAt, registryVersion, ...row }: DecisionRow): z.input<typeof kept> {
  return {
    ...row,
    at: new Date(at).toISOString(),
    receivedAt: new Date(receivedAt).toISOString(),
    registryVersion: registryVersion.toString(),
  };
}
