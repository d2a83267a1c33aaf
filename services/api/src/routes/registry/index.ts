/** The registry: its documents, changes of many at once, its history, and limits in one call. */
import type { FastifyInstance } from 'fastify';
import { applyRoute, historyRoute } from './apply.ts';
import { documentRoutesOf } from './documents.ts';
import { limitsRoute } from './limits.ts';
import type { RegistryParts } from './write.ts';

export type { RegistryParts } from './write.ts';

export function registryRoutes(app: FastifyInstance, parts: RegistryParts): void {
  documentRoutesOf(app, parts);
  applyRoute(app, parts);
  historyRoute(app, parts);
  limitsRoute(app, parts);
}
