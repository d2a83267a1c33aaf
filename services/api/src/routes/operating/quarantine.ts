/** Events that could not be counted: looked at, replayed, discarded. */
import {
  discardQuarantined,
  listQuarantine,
  QUARANTINE_STATUSES,
  readQuarantineCase,
  requestReplay,
  type QuarantinedEvent,
} from '@meterhouse/postgres';
import { appendAudit } from '@meterhouse/postgres/access';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import {
  authorOf,
  changeIn,
  narrowedTo,
  originOf,
  reachable,
  readIn,
  sightOf,
  sightQuery,
} from '../../access/sight.ts';
import { nextCursor, pageQuery, readCursor, writeCursor } from '../../http/cursor.ts';
import { ApiProblem } from '../../http/problem.ts';
import { addRoute } from '../../http/route.ts';
import { instantOf, pageOf, rowId, rowPosition, type OperatingParts } from './parts.ts';
import { countRoute } from './quarantine-counts.ts';
import { ACCESS, chosen, filterOf, TAG, whichQuery, word } from './quarantine-filter.ts';

const MAX_EVENTS = 1_000;

const quarantined = z
  .object({
    id: z.string(),
    source: z.string(),
    partition: z.int(),
    offset: z.string(),
    receivedAt: z.iso.datetime(),
    reason: z.string().describe('Such as `unknown_metric`.'),
    field: z.string().nullable(),
    detail: z.string(),
    tenantId: z.string().nullable().describe('As the event says; null where that could not be read.'),
    metric: z.string().nullable(),
    eventId: z.string().nullable(),
    eventTs: z.iso.datetime().nullable(),
    value: z.string().nullable(),
    occurrences: z.string().describe('Deliveries of it.'),
    status: z.enum(QUARANTINE_STATUSES),
    resolvedAt: z.iso.datetime().nullable(),
  })
  .meta({ id: 'QuarantinedEvent' });

const quarantineCase = z
  .object({
    event: quarantined,
    payload: z.string().describe('The message as it came, in base64.'),
    history: z.array(
      z.object({ at: z.iso.datetime(), action: z.string(), by: z.string(), reason: z.string() }),
    ),
  })
  .meta({ id: 'QuarantineCase' });

export function quarantineRoutes(app: FastifyInstance, parts: OperatingParts): void {
  listRoute(app, parts);
  countRoute(app, parts);
  readRoute(app, parts);
  settleRoute(app, parts, 'replay');
  settleRoute(app, parts, 'discard');
}

function listRoute(app: FastifyInstance, { stores }: OperatingParts): void {
  addRoute(app, {
    method: 'GET',
    url: '/v1/quarantine',
    operationId: 'listQuarantine',
    tag: TAG,
    summary: 'Events that could not be counted, in the order of arrival',
    description: 'What no tenant could be read of is the platform’s alone.',
    access: ACCESS,
    problems: ['invalid_cursor', 'unknown_tenant'],
    query: z.strictObject({
      ...whichQuery,
      after: rowId.optional().describe('Those after this id; `cursor` stands above it.'),
      ...pageQuery,
    }),
    answer: { status: 200, schema: z.object({ events: z.array(quarantined), nextCursor }) },
    handle: async ({ query }, caller) => {
      const afterId = BigInt(readCursor(query.cursor, rowPosition)?.after ?? query.after ?? 0);
      const { sight, tenantId } = await narrowedTo(caller, query);
      const filter = filterOf(query, tenantId);
      const rows = await readIn(stores, caller, sight, (db) =>
        listQuarantine(db, filter, { afterId, limit: query.limit + 1 }),
      );
      const { page, last } = pageOf(rows, query.limit);
      const seen = await reachable(caller, page, ({ tenantId }) => [tenantId]);
      return {
        events: seen.map(toAnswer),
        nextCursor: last === undefined ? null : writeCursor({ after: last.id.toString() }),
      };
    },
  });
}

function readRoute(app: FastifyInstance, { stores }: OperatingParts): void {
  addRoute(app, {
    method: 'GET',
    url: '/v1/quarantine/:id',
    operationId: 'getQuarantinedEvent',
    tag: TAG,
    summary: 'One event with its message and its history',
    description: 'That its message was looked at stands in the audit log.',
    access: ACCESS,
    problems: ['not_found'],
    params: z.strictObject({ id: rowId }),
    answer: { status: 200, schema: quarantineCase },
    handle: async ({ params }, caller) => {
      const sight = await sightOf(caller, null);
      return changeIn(stores, caller, sight, async (db) => {
        const found = await readQuarantineCase(db, BigInt(params.id));
        const [seen] = await reachable(caller, found === null ? [] : [found], ({ event }) => [
          event.tenantId,
        ]);
        if (seen === undefined) throw new ApiProblem('not_found', 'There is no such event in your scope.');
        await appendAudit(db, {
          ...originOf(caller, null),
          action: 'quarantine.read',
          tenantId: sight ?? seen.event.tenantId?.slice(0, 256) ?? null,
          target: `quarantine ${params.id}`,
          outcome: 'done',
        });
        return {
          event: toAnswer(seen.event),
          payload: seen.payload.toString('base64'),
          history: seen.history.map(({ at, ...rest }) => ({ ...rest, at: at.toISOString() })),
        };
      });
    },
  });
}

const settleBody = z
  .strictObject({
    ids: z.array(rowId).min(1).max(MAX_EVENTS).optional(),
    tenantId: sightQuery.tenantId,
    descendants: z.boolean().default(true).describe('False: of the tenant itself only.'),
    reasonCode: word.optional().describe('Those that were refused for this reason.'),
    metric: word.optional(),
    reason: z.string().min(1).max(1_000).describe('Why: kept with each event.'),
    limit: z.int().min(1).max(MAX_EVENTS).default(MAX_EVENTS).describe('Events at most.'),
    cursor: pageQuery.cursor,
  })
  .meta({ id: 'QuarantineSelection' });

function settleRoute(app: FastifyInstance, { stores }: OperatingParts, what: 'replay' | 'discard'): void {
  const settle = what === 'replay' ? requestReplay : discardQuarantined;
  addRoute(app, {
    method: 'POST',
    url: `/v1/quarantine/${what}`,
    operationId: `${what}Quarantined`,
    tag: TAG,
    summary:
      what === 'replay'
        ? 'Put waiting events through the counting path again'
        : 'Decide that waiting events are never to be counted',
    description: 'Only events that wait are touched; what is left out of the body does not narrow.',
    access: ACCESS,
    problems: ['invalid_cursor', 'unknown_tenant'],
    body: settleBody,
    answer: {
      status: 200,
      schema: z.object({ ids: z.array(z.string()), nextCursor }).meta({ id: 'SettledEvents' }),
    },
    handle: async ({ body }, caller) => {
      const afterId = BigInt(readCursor(body.cursor, rowPosition)?.after ?? 0);
      const { sight, tenantId } = await narrowedTo(caller, body);
      const { reasonCode, metric, limit, reason } = body;
      const ids = body.ids === undefined ? {} : { ids: body.ids.map(BigInt) };
      const request = { by: authorOf(caller), reason, origin: originOf(caller, sight) };
      const filter = { ...ids, ...chosen({ reason: reasonCode, metric, tenantId }) };
      const done = await changeIn(stores, caller, sight, async (db) => {
        const settled = await settle(db, filter, request, { afterId, limit });
        const seen = await reachable(caller, settled, ({ tenantId }) => [tenantId]);
        // Postgres shows no others; were one settled all the same, everything is undone.
        if (seen.length < settled.length)
          throw new ApiProblem('not_found', 'They are not all in your scope.');
        return settled;
      });
      const last = done.length < limit ? undefined : done.at(-1);
      return {
        ids: done.map(({ id }) => id.toString()),
        nextCursor: last === undefined ? null : writeCursor({ after: last.id.toString() }),
      };
    },
  });
}

function toAnswer(event: QuarantinedEvent): z.input<typeof quarantined> {
  return {
    ...event,
    id: event.id.toString(),
    offset: event.offset.toString(),
    receivedAt: event.receivedAt.toISOString(),
    eventTs: instantOf(event.eventTs),
    occurrences: event.occurrences.toString(),
    resolvedAt: instantOf(event.resolvedAt),
  };
}
