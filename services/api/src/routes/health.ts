/** Is it up, is it ready: for a load balancer and for a person in a hurry. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { addPublicRoute } from '../http/route.ts';

/** Null: the part is ready. Otherwise why not, safe to show. */
export type Readiness = () => Promise<string | null> | string | null;

export interface HealthParts {
  /** What must answer before requests make sense, by name. */
  readonly readiness: Readonly<Record<string, Readiness>>;
}

const live = z.object({ status: z.literal('live') });
const ready = z.object({
  status: z.enum(['ready', 'not_ready']),
  parts: z.array(z.object({ name: z.string(), ready: z.boolean(), reason: z.string().nullable() })),
});

export function healthRoutes(app: FastifyInstance, { readiness }: HealthParts): void {
  addPublicRoute(app, {
    method: 'GET',
    url: '/healthz',
    operationId: 'getHealth',
    tag: 'health',
    summary: 'Whether the process lives',
    access: { kind: 'public' },
    answer: { status: 200, schema: live },
    handle: () => Promise.resolve({ status: 'live' as const }),
  });
  addPublicRoute(app, {
    method: 'GET',
    url: '/readyz',
    operationId: 'getReadiness',
    tag: 'health',
    summary: 'Whether requests can be served, and which part is not ready',
    access: { kind: 'public' },
    answer: { status: 200, schema: ready },
    alsoStatus: [503],
    handle: async ({ reply }) => {
      const parts = await Promise.all(
        Object.entries(readiness).map(async ([name, ask]) => {
          const reason = await ask();
          return { name, ready: reason === null, reason };
        }),
      );
      const isReady = parts.every((part) => part.ready);
      return reply.code(isReady ? 200 : 503).send({ status: isReady ? 'ready' : 'not_ready', parts });
    },
  });
}
