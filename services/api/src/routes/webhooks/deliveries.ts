/** What was sent, what is dead, and once more please. */
import {
  enqueueEvents,
  listDeliveries,
  replayDeliveries,
  type ReplayFilter,
} from '@meterhouse/postgres/webhooks';
import { bodyOf, instantText } from '@meterhouse/webhooks';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { scopeOf } from '../../access/caller.ts';
import { readCursor, writeCursor } from '../../http/cursor.ts';
import { ApiProblem } from '../../http/problem.ts';
import { addRoute } from '../../http/route.ts';
import { audited, checkEnabled, foundWebhook, READ, withWebhook, WRITE, type WebhookParts } from './parts.ts';
import {
  deliveriesAnswer,
  deliveriesQuery,
  deliveryParams,
  pingAnswer,
  replayAnswer,
  replayBody,
  tenantQuery,
  toDeliveryAnswer,
  webhookParams,
} from './schemas.ts';

const TAG = 'webhooks';
const MAX_REPLAYED = 1_000;
const sequence = z.string().regex(/^[0-9]{1,18}$/);
const position = z.object({ before: sequence });
const replayPosition = z.object({ after: sequence });

export function deliveryRoutes(app: FastifyInstance, parts: WebhookParts): void {
  const { newId, webhooks } = parts;
  addRoute(app, {
    method: 'GET',
    url: '/v1/webhooks/:id/deliveries',
    operationId: 'listWebhookDeliveries',
    tag: TAG,
    summary: 'What was sent and what waits, the newest first',
    access: READ,
    problems: ['not_found', 'invalid_cursor'],
    params: webhookParams,
    query: deliveriesQuery,
    answer: { status: 200, schema: deliveriesAnswer },
    handle: async ({ params, query }, caller) => {
      const before = readCursor(query.cursor, position)?.before ?? null;
      const rows = await webhooks.scoped(scopeOf(caller), async (client) => {
        const { id } = await foundWebhook(client, caller, params);
        return listDeliveries(client, {
          subscriptionId: id,
          state: query.state ?? null,
          from: query.from === undefined ? null : Date.parse(query.from),
          to: query.to === undefined ? null : Date.parse(query.to),
          before: before === null ? null : BigInt(before),
          limit: query.limit + 1,
        });
      });
      const page = rows.slice(0, query.limit);
      const last = rows.length > page.length ? page.at(-1) : undefined;
      return {
        deliveries: page.map(toDeliveryAnswer),
        nextCursor: last === undefined ? null : writeCursor({ before: last.seq.toString() }),
      };
    },
  });
  addRoute(app, {
    method: 'POST',
    url: '/v1/webhooks/:id/ping',
    operationId: 'pingWebhook',
    tag: TAG,
    summary: 'Send a test message',
    description: 'It goes the way of all messages; `listWebhookDeliveries` says how it went.',
    access: WRITE,
    problems: ['not_found', 'conflict'],
    params: webhookParams,
    query: tenantQuery,
    answer: { status: 202, schema: pingAnswer },
    handle: ({ params }, caller) =>
      withWebhook(parts, caller, params, async (client, webhook) => {
        checkEnabled(webhook);
        const [deliveryId, now] = [newId(), webhooks.now()];
        const { id, tenantId } = webhook;
        const timestamp = instantText(now);
        const data = { tenantId, webhookId: id, asOf: timestamp };
        const { added } = await enqueueEvents(
          client,
          [
            {
              id: deliveryId,
              subscriptionId: id,
              aboutTenant: tenantId,
              eventKey: `webhook.ping:${deliveryId}`,
              eventType: 'webhook.ping',
              occurredAt: now,
              body: bodyOf({ type: 'webhook.ping', timestamp, data }),
              kept: false,
            },
          ],
          webhooks.maxWaiting,
        );
        if (added.length === 0) throw new ApiProblem('conflict', 'As much waits for this webhook as may.');
        await audited(client, caller, 'webhook.ping', webhook);
        return { deliveryId };
      }),
  });
}

export function replayRoutes(app: FastifyInstance, parts: WebhookParts): void {
  addRoute(app, {
    method: 'POST',
    url: '/v1/webhooks/:id/deliveries/:deliveryId/replay',
    operationId: 'replayWebhookDelivery',
    tag: TAG,
    summary: 'Send one delivery again, with the id it had',
    description: 'One that is still on its way is left alone: `replayed` is 0.',
    access: WRITE,
    problems: ['not_found', 'conflict'],
    params: deliveryParams,
    query: tenantQuery,
    answer: { status: 202, schema: replayAnswer },
    handle: ({ params }, caller) =>
      withWebhook(parts, caller, params, async (client, webhook) => {
        checkEnabled(webhook);
        const { replayed } = await replayDeliveries(client, {
          ...range(webhook.id),
          deliveryId: params.deliveryId,
          states: ['dead', 'delivered'],
        });
        await audited(client, caller, 'webhook.replay', webhook, { delivery: params.deliveryId, replayed });
        return { replayed, nextCursor: null };
      }),
  });
  addRoute(app, {
    method: 'POST',
    url: '/v1/webhooks/:id/replay',
    operationId: 'replayWebhookDeliveries',
    tag: TAG,
    summary: `Send what was made in a time again, up to ${MAX_REPLAYED} at once`,
    description: 'The oldest first. Dead letters only, unless `states` says otherwise.',
    access: WRITE,
    problems: ['not_found', 'conflict', 'invalid_cursor'],
    params: webhookParams,
    query: tenantQuery,
    body: replayBody,
    answer: { status: 202, schema: replayAnswer },
    handle: ({ params, body }, caller) =>
      withWebhook(parts, caller, params, async (client, webhook) => {
        checkEnabled(webhook);
        const after = readCursor(body.cursor, replayPosition)?.after ?? null;
        const { replayed, last } = await replayDeliveries(client, {
          ...range(webhook.id),
          after: after === null ? null : BigInt(after),
          from: Date.parse(body.from),
          to: Date.parse(body.to),
          states: body.states,
        });
        await audited(client, caller, 'webhook.replay', webhook, { ...body, replayed });
        const more = last !== null && replayed === MAX_REPLAYED;
        return { replayed, nextCursor: more ? writeCursor({ after: last.toString() }) : null };
      }),
  });
}

function range(subscriptionId: string): ReplayFilter {
  return {
    subscriptionId,
    deliveryId: null,
    from: null,
    to: null,
    states: [],
    after: null,
    limit: MAX_REPLAYED,
  };
}
