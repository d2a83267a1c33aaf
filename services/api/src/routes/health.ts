/** Is it up, is it ready: what the metrics port says too, for a load balancer that only sees this one. */
import type { Health } from '@meterhouse/runtime/service';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { addPublicRoute } from '../http/route.ts';

export interface HealthParts {
  readonly health: Health;
}

const liveness = z.object({
  alive: z.boolean(),
  stuck: z.array(z.object({ part: z.string(), reason: z.string() })),
});
const readiness = z.object({
  ready: z.boolean(),
  parts: z.array(
    z.object({
      part: z.string(),
      ready: z.boolean(),
      required: z.boolean().describe('Without it the service is not ready.'),
      reason: z.string().nullable(),
    }),
  ),
});

export function healthRoutes(app: FastifyInstance, { health }: HealthParts): void {
  addPublicRoute(app, {
    method: 'GET',
    url: '/healthz',
    operationId: 'getHealth',
    tag: 'health',
    summary: 'Whether a restart would help',
    access: { kind: 'public' },
    answer: { status: 200, schema: liveness },
    alsoStatus: [503],
    handle: ({ reply }) => {
      const { alive, stuck } = health.liveness();
      reply.code(alive ? 200 : 503);
      return Promise.resolve({ alive, stuck: [...stuck] });
    },
  });
  addPublicRoute(app, {
    method: 'GET',
    url: '/readyz',
    operationId: 'getReadiness',
    tag: 'health',
    summary: 'Whether requests can be served, and which part is not ready',
    access: { kind: 'public' },
    answer: { status: 200, schema: readiness },
    alsoStatus: [503],
    handle: ({ reply }) => {
      const { ready, parts } = health.readiness();
      reply.code(ready ? 200 : 503);
      return Promise.resolve({ ready, parts: [...parts] });
    },
  });
}
