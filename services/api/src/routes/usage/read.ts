/** The rows: one engine, on two paths. */
import type { TenantScope } from '@meterhouse/postgres/access';
import { readMetrics, readUsage } from '@meterhouse/postgres';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { scopeOf } from '../../access/caller.ts';
import type { Access, Role } from '../../access/roles.ts';
import { entityTag, hasAlready, tagged } from '../../http/conditional.ts';
import { addRoute } from '../../http/route.ts';
import { usageAnswer, usageAnswerOf } from './answer.ts';
import { askedOf, pagedQuery, pageOf, spanQuery, tenantId, usageQuery, type UsageQuery } from './question.ts';
import { atOnePoint, type UsageSource } from './source.ts';

/** Everybody but those who only send. */
export const READERS: readonly Role[] = [
  'tenant_reader',
  'tenant_admin',
  'finance',
  'operator',
  'platform_admin',
];

const CONDITIONAL = `The answer carries an \`ETag\` of everything that it follows from. Send it as \`If-None-Match\`: while nothing was counted and completeThrough stands, the answer is 304 and no usage is read.`;

export function usageRoute(app: FastifyInstance, source: UsageSource): void {
  addRoute(app, {
    method: 'GET',
    url: '/v1/usage',
    operationId: 'getUsage',
    tag: 'usage',
    summary: 'What a tenant has used, and up to when that is complete',
    description: `Numbers and \`asOf\` are of one point in time: whatever \`completeThrough\` promises is in the rows. Each page is of a point of its own. ${CONDITIONAL}`,
    access: {
      kind: 'tenant',
      roles: READERS,
      tenant: ({ query }) => (query as UsageQuery).tenantId,
    },
    query: usageQuery,
    problems: ['invalid_cursor', 'refused'],
    answer: { status: 200, schema: usageAnswer },
    handle: ({ query, request, reply }, caller) =>
      answerUsage(source, scopeOf(caller), query, request, reply),
  });
}

const tenantUsageParams = z.object({ id: tenantId.describe('Whose usage.') });
const tenantUsageQuery = z.strictObject({
  ...spanQuery,
  granularity: z.enum(['day', 'hour']).default('day').describe('What a row is of; days are UTC days.'),
  ...pagedQuery,
});

export function tenantUsageRoute(app: FastifyInstance, source: UsageSource): void {
  const access: Access = {
    kind: 'tenant',
    roles: READERS,
    tenant: ({ params }) => (params as z.output<typeof tenantUsageParams>).id,
  };
  addRoute(app, {
    method: 'GET',
    url: '/api/admin/tenants/:id/usage',
    operationId: 'getTenantUsage',
    tag: 'usage',
    summary: "A tenant's own usage by day or hour",
    description: `As \`GET /v1/usage\` answers it, which can do more. ${CONDITIONAL}`,
    access,
    params: tenantUsageParams,
    query: tenantUsageQuery,
    problems: ['invalid_cursor', 'refused'],
    answer: { status: 200, schema: usageAnswer },
    handle: ({ query, request, reply }, caller) =>
      answerUsage(source, scopeOf(caller), { ...usageQuery.parse({}), ...query }, request, reply),
  });
}

async function answerUsage(
  source: UsageSource,
  scope: TenantScope,
  query: UsageQuery,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<z.input<typeof usageAnswer> | FastifyReply> {
  return atOnePoint(source, scope, async (db, { asOf, evidence }) => {
    const metrics = await readMetrics(db);
    const asked = askedOf(query, scope.tenantId, metrics);
    const { span, by, after } = pageOf(query, asked, source.now());
    const { limit } = query;
    const tag = entityTag(['usage', 1, asked, span, after, limit, evidence]);
    tagged(reply, tag);
    if (hasAlready(request, tag)) return reply.code(304).send();
    const rows = await readUsage(db, { ...asked, ...span, by, after, maxRows: limit }, metrics);
    return usageAnswerOf(asked, { span, by, limit }, rows, asOf);
  });
}
