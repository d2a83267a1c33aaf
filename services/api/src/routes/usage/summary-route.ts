/** For a tenant's own page: usage, limits, what is left, and what it will come to. */
import type { TenantScope } from '@meterhouse/postgres/access';
import { readMetrics, readUsage, type PoolClient, type UsageRow } from '@meterhouse/postgres';
import { periodsOf, placeOf, type Ceiling } from '@meterhouse/quota';
import { METRIC_NAME, type Metric } from '@meterhouse/usage';
import { EVER } from '@meterhouse/usage/calendar';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { scopeOf } from '../../access/caller.ts';
import { entityTag, hasAlready, tagged } from '../../http/conditional.ts';
import { pageQuery, readCursor, writeCursor } from '../../http/cursor.ts';
import { ApiProblem } from '../../http/problem.ts';
import { addRoute } from '../../http/route.ts';
import { showAsOf } from './answer.ts';
import { READERS } from './read.ts';
import { atOnePoint, type UsageSource } from './source.ts';
import {
  ceilingsByMetric,
  currentPeriods,
  metricSummary,
  summaryAnswer,
  type PeriodSpan,
} from './summary.ts';

const summaryQuery = z.strictObject(pageQuery);
const position = z.object({ metric: z.string().regex(METRIC_NAME) });

export function summaryRoute(app: FastifyInstance, source: UsageSource): void {
  addRoute(app, {
    method: 'GET',
    url: '/api/tenants/me/usage/summary',
    operationId: 'getUsageSummary',
    tag: 'usage',
    summary: "The key's own tenant: usage, limits, what is left, projected end of period",
    description:
      'Usage is of the tenant and all below it. The limits are those that decisions are made by at this moment. Supports `If-None-Match`.',
    access: { kind: 'tenant', roles: READERS, tenant: 'own' },
    query: summaryQuery,
    problems: ['invalid_cursor', 'refused'],
    answer: { status: 200, schema: summaryAnswer },
    handle: ({ query, request, reply }, caller) =>
      answerSummary(source, scopeOf(caller), query, request, reply),
  });
}

async function answerSummary(
  source: UsageSource,
  scope: TenantScope,
  { limit, cursor }: z.output<typeof summaryQuery>,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<z.input<typeof summaryAnswer> | FastifyReply> {
  const after = readCursor(cursor, position)?.metric ?? '';
  const { policy } = source;
  const { tenantId } = scope;
  const place = placeOf(policy, tenantId);
  if (place === null)
    throw new ApiProblem('unavailable', 'What limits this tenant is not known yet.', {
      retryAfterSeconds: 1,
    });
  const registryVersion = policy.version;
  return atOnePoint(source, scope, async (db, { asOf, evidence }) => {
    const now = source.now();
    const metrics = await readMetrics(db);
    const periods = currentPeriods(periodsOf(policy, place.lineage.at(-1) ?? tenantId), now);
    const names = [...metrics.keys()].filter((name) => name > after).sort();
    const ceilings = ceilingsByMetric(policy, place, names, now);
    const limits = [...ceilings].map(([name, of]) => [
      name,
      of.map(({ scope, period, value, mode }) => [scope, period, value, mode]),
    ]);
    const tag = entityTag([
      'summary',
      2,
      tenantId,
      after,
      limit,
      place.class,
      registryVersion,
      periods,
      limits,
      evidence,
    ]);
    tagged(reply, tag);
    if (hasAlready(request, tag)) return reply.code(304).send();
    const used = await usedByPeriod(db, tenantId, periods, names, metrics);
    const listed = names.filter((name) => ceilings.has(name) || used.get('month')?.has(name) === true);
    const page = listed.slice(0, limit);
    const last = page.at(-1);
    const totals = page.filter((name) => hasTotal(ceilings.get(name) ?? [], tenantId));
    if (totals.length > 0) used.set('total', await usedIn(db, tenantId, EVER_READ, totals, metrics));
    return {
      tenantId,
      class: place.class,
      registryVersion: registryVersion.toString(),
      asOf: showAsOf(asOf),
      metrics: page.flatMap((name) => {
        const metric = metrics.get(name);
        if (metric === undefined) return [];
        const { completeThrough } = asOf;
        return [
          metricSummary(metric, {
            tenantId,
            periods,
            used,
            ceilings: ceilings.get(name) ?? [],
            completeThrough,
          }),
        ];
      }),
      nextCursor: listed.length > limit && last !== undefined ? writeCursor({ metric: last }) : null,
    };
  });
}

/** What a total holds, for a question that needs an end. Every hour of the tenants is read for it: only where it is limited. */
const EVER_READ: Pick<PeriodSpan, 'start' | 'end'> = { start: EVER.start, end: Date.UTC(9999, 11, 31) };

function hasTotal(ceilings: readonly Ceiling[], tenantId: string): boolean {
  return ceilings.some(({ scope, period }) => scope === tenantId && period === 'total');
}

async function usedByPeriod(
  db: PoolClient,
  tenantId: string,
  periods: readonly PeriodSpan[],
  names: readonly string[],
  metrics: ReadonlyMap<string, Metric>,
): Promise<Map<string, ReadonlyMap<string, UsageRow>>> {
  const used = new Map<string, ReadonlyMap<string, UsageRow>>();
  for (const span of periods) used.set(span.period, await usedIn(db, tenantId, span, names, metrics));
  return used;
}

/** One row for each metric that was used: no more than there are metrics. */
async function usedIn(
  db: PoolClient,
  tenantId: string,
  { start: from, end: to }: Pick<PeriodSpan, 'start' | 'end'>,
  names: readonly string[],
  metrics: ReadonlyMap<string, Metric>,
): Promise<ReadonlyMap<string, UsageRow>> {
  const whose = { tenantId, tenants: 'together', metrics: names, from, to } as const;
  const rows = await readUsage(db, { ...whose, by: 'total', maxRows: names.length }, metrics);
  return new Map(rows.map((row) => [row.metric, row]));
}
