/** Webhooks themselves: made, listed, changed, taken away. */
import {
  changeWebhook,
  createWebhook,
  deleteWebhook,
  listWebhooks,
  rotateWebhookSecret,
} from '@meterhouse/postgres/webhooks';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { scopeOf, tenantOf } from '../../access/caller.ts';
import { readCursor, writeCursor } from '../../http/cursor.ts';
import { ApiProblem } from '../../http/problem.ts';
import { addRoute } from '../../http/route.ts';
import {
  audited,
  checkUrl,
  foundWebhook,
  newSecret,
  READ,
  theirs,
  there,
  withWebhook,
  WRITE,
  WRITERS,
  type WebhookParts,
} from './parts.ts';
import {
  listQuery,
  newWebhookBody,
  rotationBody,
  secretAnswer,
  tenantQuery,
  toWebhookAnswer,
  webhookAnswer,
  webhookChangeBody,
  webhookParams,
  webhooksAnswer,
} from './schemas.ts';

const TAG = 'webhooks';
const position = z.object({ after: z.uuid() });

export function createRoute(app: FastifyInstance, parts: WebhookParts): void {
  const { newId, webhooks } = parts;
  addRoute(app, {
    method: 'POST',
    url: '/v1/webhooks',
    operationId: 'createWebhook',
    tag: TAG,
    summary: 'Be told of thresholds and decisions',
    description: 'Messages follow Standard Webhooks; their bodies are `WebhookEvent`s.',
    access: {
      kind: 'tenant',
      roles: WRITERS,
      tenant: ({ body }) => newWebhookBody.pick({ tenantId: true }).loose().parse(body).tenantId,
    },
    problems: ['refused', 'conflict'],
    body: newWebhookBody,
    answer: { status: 201, schema: secretAnswer },
    handle: async ({ body }, caller) => {
      await checkUrl(body.url, webhooks.target);
      const [id, tenantId] = [newId(), tenantOf(caller)];
      const { secret, sealed } = newSecret(parts, id);
      return webhooks.scoped(scopeOf(caller), async (client) => {
        const made = await createWebhook(
          client,
          {
            ...body,
            id,
            tenantId,
            sealedSecret: sealed,
            createdBy: `${caller.principal.type}:${caller.principal.id}`,
          },
          webhooks.maxPerTenant,
        );
        if (made === null)
          throw new ApiProblem('conflict', `A tenant has at most ${webhooks.maxPerTenant} webhooks.`);
        await audited(client, caller, 'webhook.create', made, { url: made.url, events: made.events });
        return { webhook: toWebhookAnswer(made), secret };
      });
    },
  });
}

export function readRoutes(app: FastifyInstance, parts: WebhookParts): void {
  const { scoped } = parts.webhooks;
  addRoute(app, {
    method: 'GET',
    url: '/v1/webhooks',
    operationId: 'listWebhooks',
    tag: TAG,
    summary: 'The webhooks of a tenant and all below it',
    access: READ,
    problems: ['invalid_cursor'],
    query: listQuery,
    answer: { status: 200, schema: webhooksAnswer },
    handle: async ({ query }, caller) => {
      const after = readCursor(query.cursor, position)?.after ?? null;
      const rows = await scoped(scopeOf(caller), (client) =>
        listWebhooks(client, { after, limit: query.limit + 1 }),
      );
      const page = rows.slice(0, query.limit);
      const last = rows.length > page.length ? page.at(-1) : undefined;
      return {
        webhooks: (await theirs(caller, page)).map(toWebhookAnswer),
        nextCursor: last === undefined ? null : writeCursor({ after: last.id }),
      };
    },
  });
  addRoute(app, {
    method: 'GET',
    url: '/v1/webhooks/:id',
    operationId: 'getWebhook',
    tag: TAG,
    summary: 'One webhook, and how it fares',
    access: READ,
    problems: ['not_found'],
    params: webhookParams,
    query: tenantQuery,
    answer: { status: 200, schema: webhookAnswer },
    handle: ({ params }, caller) =>
      scoped(scopeOf(caller), async (client) => toWebhookAnswer(await foundWebhook(client, caller, params))),
  });
}

export function changeRoutes(app: FastifyInstance, parts: WebhookParts): void {
  const { webhooks } = parts;
  addRoute(app, {
    method: 'PATCH',
    url: '/v1/webhooks/:id',
    operationId: 'changeWebhook',
    tag: TAG,
    summary: 'Change it, disable it, enable it again',
    access: WRITE,
    problems: ['not_found', 'refused'],
    params: webhookParams,
    query: tenantQuery,
    body: webhookChangeBody,
    answer: { status: 200, schema: webhookAnswer },
    handle: async ({ params, body }, caller) => {
      if (body.url !== undefined) await checkUrl(body.url, webhooks.target);
      return withWebhook(parts, caller, params, async (client, before) => {
        const wanted = Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined));
        const changed = there(await changeWebhook(client, before.id, { ...before, ...wanted }));
        await audited(client, caller, 'webhook.change', changed, { changed: Object.keys(wanted) });
        return toWebhookAnswer(changed);
      });
    },
  });
  addRoute(app, {
    method: 'DELETE',
    url: '/v1/webhooks/:id',
    operationId: 'deleteWebhook',
    tag: TAG,
    summary: 'Take it away, with all of its deliveries',
    access: WRITE,
    problems: ['not_found'],
    params: webhookParams,
    query: tenantQuery,
    answer: { status: 204, schema: z.null() },
    handle: async ({ params, reply }, caller) => {
      await withWebhook(parts, caller, params, async (client, webhook) => {
        await deleteWebhook(client, webhook.id);
        await audited(client, caller, 'webhook.delete', webhook, { url: webhook.url });
      });
      return reply.code(204).send();
    },
  });
  addRoute(app, {
    method: 'POST',
    url: '/v1/webhooks/:id/rotate-secret',
    operationId: 'rotateWebhookSecret',
    tag: TAG,
    summary: 'A new secret; the old one signs too for a while',
    access: WRITE,
    problems: ['not_found'],
    params: webhookParams,
    query: tenantQuery,
    body: rotationBody,
    answer: { status: 200, schema: secretAnswer },
    handle: ({ params, body }, caller) =>
      withWebhook(parts, caller, params, async (client, { id }) => {
        const { secret, sealed } = newSecret(parts, id);
        const overlapMs = body.overlapSeconds * 1_000;
        const rotated = there(await rotateWebhookSecret(client, id, sealed, overlapMs));
        await audited(client, caller, 'webhook.rotate_secret', rotated, {
          overlapSeconds: body.overlapSeconds,
        });
        return { webhook: toWebhookAnswer(rotated), secret };
      }),
  });
}
