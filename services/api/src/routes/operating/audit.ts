/** The audit log over HTTP. To read it is written in it. */
import { appendAudit, AUDIT_LIMITS, AUDIT_OUTCOMES, listAudit } from '@meterhouse/postgres/access';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { changeIn, originOf, reachable, narrowedTo, narrowQuery } from '../../access/sight.ts';
import { nextCursor, pageQuery, readCursor, writeCursor } from '../../http/cursor.ts';
import { addRoute } from '../../http/route.ts';
import { OPERATORS, pageOf, rowId, rowPosition, type OperatingParts } from './parts.ts';

const auditAnswer = z.object({
  entries: z.array(
    z
      .object({
        seq: z.string().describe('Its place in the chain; without gaps.'),
        at: z.iso.datetime(),
        actorType: z.string(),
        actorId: z.string(),
        keyId: z.string().nullable(),
        role: z.string().nullable(),
        action: z.string().describe('Such as `quarantine.discard`.'),
        tenantId: z.string().nullable().describe('Null: the whole platform.'),
        target: z.string().nullable(),
        outcome: z.enum(AUDIT_OUTCOMES),
        correlationId: z.string().nullable(),
        details: z.record(z.string(), z.unknown()),
        prevHash: z.string(),
        hash: z.string(),
      })
      .meta({ id: 'AuditEntry' }),
  ),
  nextCursor,
});

export function auditRoute(app: FastifyInstance, { stores }: OperatingParts): void {
  addRoute(app, {
    method: 'GET',
    url: '/v1/audit',
    operationId: 'getAudit',
    tag: 'access',
    summary: 'What was done, by whom, with what outcome; the newest first',
    description:
      'A key of a tenant sees what was done in its scope. Each look stands in the log itself. ' +
      '`meterhouse audit verify` works the chain out again.',
    access: { kind: 'scope', roles: OPERATORS },
    problems: ['invalid_cursor', 'unknown_tenant'],
    query: z.strictObject({
      ...narrowQuery,
      before: rowId.optional().describe('Those before this `seq`; `cursor` stands above it.'),
      action: z.string().min(1).max(AUDIT_LIMITS.action).optional(),
      actorId: z.string().min(1).max(AUDIT_LIMITS.actorId).optional(),
      since: z.iso.datetime({ offset: true }).optional(),
      ...pageQuery,
    }),
    answer: { status: 200, schema: auditAnswer },
    handle: async ({ query }, caller) => {
      const from = readCursor(query.cursor, rowPosition);
      const { sight, tenantId } = await narrowedTo(caller, query);
      const before = from?.after ?? query.before;
      const rows = await changeIn(stores, caller, sight, async (db) => {
        const found = await listAudit(db, {
          tenantId,
          action: query.action ?? null,
          actorId: query.actorId ?? null,
          since: query.since === undefined ? null : Date.parse(query.since),
          beforeSeq: before === undefined ? null : BigInt(before),
          limit: query.limit + 1,
        });
        const origin = originOf(caller, null);
        await appendAudit(db, {
          ...origin,
          action: 'audit.read',
          tenantId: sight ?? tenantId,
          outcome: 'done',
        });
        return found;
      });
      const { page, last } = pageOf(rows, query.limit);
      const seen = await reachable(caller, page, ({ tenantId }) => [tenantId]);
      return {
        entries: seen.map(({ seq, at, details, ...rest }) => ({
          ...rest,
          seq: seq.toString(),
          at: new Date(at).toISOString(),
          details: JSON.parse(details) as Record<string, unknown>,
        })),
        nextCursor: last === undefined ? null : writeCursor({ after: last.seq.toString() }),
      };
    },
  });
}
