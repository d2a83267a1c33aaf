/** Everything about webhooks. */
import type { FastifyInstance } from 'fastify';
import { deliveryRoutes, replayRoutes } from './deliveries.ts';
import { changeRoutes, createRoute, readRoutes } from './manage.ts';
import type { WebhookParts } from './parts.ts';

export type { WebhookParts } from './parts.ts';

export function webhookRoutes(app: FastifyInstance, parts: WebhookParts): void {
  createRoute(app, parts);
  readRoutes(app, parts);
  changeRoutes(app, parts);
  deliveryRoutes(app, parts);
  replayRoutes(app, parts);
}
