/** Reading usage: as rows, on the seed's path, and as the summary that a tenant shows to itself. */
import type { FastifyInstance } from 'fastify';
import { usageRoute, tenantUsageRoute } from './read.ts';
import type { UsageParts } from './source.ts';
import { summaryRoute } from './summary-route.ts';

export type { UsageParts, UsageSource } from './source.ts';

export function usageRoutes(app: FastifyInstance, { usageSource }: UsageParts): void {
  usageRoute(app, usageSource);
  tenantUsageRoute(app, usageSource);
  summaryRoute(app, usageSource);
}
