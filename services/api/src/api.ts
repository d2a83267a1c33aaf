/** The API: the server, and every group of routes with the parts that it needs. */
import type { FastifyInstance } from 'fastify';
import { serveDocumentation } from './http/documentation.ts';
import { createServer, type ServerBounds, type ServerParts } from './http/server.ts';
import { decideRoutes, type DecideParts } from './routes/decide/index.ts';
import { eventRoutes, type EventParts } from './routes/events.ts';
import { healthRoutes, type HealthParts } from './routes/health.ts';
import { keyRoutes, type KeyParts } from './routes/keys/index.ts';
import { operatingRoutes, type OperatingParts } from './routes/operating/index.ts';
import { registryRoutes, type RegistryParts } from './routes/registry/index.ts';
import { usageRoutes, type UsageParts } from './routes/usage/index.ts';
import { webhookRoutes, type WebhookParts } from './routes/webhooks/index.ts';

export type ApiParts = ServerParts &
  HealthParts &
  EventParts &
  UsageParts &
  DecideParts &
  RegistryParts &
  KeyParts &
  OperatingParts &
  WebhookParts;

/** @returns ready to listen */
export async function createApi(parts: ApiParts, bounds?: ServerBounds): Promise<FastifyInstance> {
  const app = await createServer(parts, bounds);
  healthRoutes(app, parts);
  eventRoutes(app, parts);
  usageRoutes(app, parts);
  decideRoutes(app, parts);
  registryRoutes(app, parts);
  keyRoutes(app, parts);
  operatingRoutes(app, parts);
  webhookRoutes(app, parts);
  await serveDocumentation(app);
  await app.ready();
  return app;
}
