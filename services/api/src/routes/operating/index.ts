/** What people look at and settle: quarantine, decisions, reservations, the audit log. */
import type { FastifyInstance } from 'fastify';
import { auditRoute } from './audit.ts';
import { decisionRoutes } from './decisions.ts';
import type { OperatingParts } from './parts.ts';
import { quarantineRoutes } from './quarantine.ts';
import { reservationRoute } from './reservations.ts';

export type { OperatingParts } from './parts.ts';

export function operatingRoutes(app: FastifyInstance, parts: OperatingParts): void {
  auditRoute(app, parts);
  quarantineRoutes(app, parts);
  decisionRoutes(app, parts);
  reservationRoute(app, parts);
}
