/** Counts every answer: the golden signals, and who asks how much. */
import { GATE_METRICS } from '@meterhouse/gate/prometheus';
import type { BoundedLabel, Metrics } from '@meterhouse/runtime/metrics';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { API_METRICS } from './metrics.ts';

/** Tenants with series of their own; those that come later fall under `other`. */
const MAX_TENANTS = 500;
const ACCESS_CODES: Readonly<Record<number, string>> = { 401: 'unauthenticated', 403: 'forbidden' };

/** Before the hooks that refuse, so that what they refuse is counted. */
export function countRequests(app: FastifyInstance, metrics: Metrics): void {
  const requests = metrics.counter(API_METRICS.requests);
  const seconds = metrics.histogram(API_METRICS.requestSeconds);
  const aborted = metrics.counter(API_METRICS.aborted);
  const tenantRequests = metrics.counter(GATE_METRICS.requests);
  const rateLimited = metrics.counter(GATE_METRICS.rateLimited);
  const refused = metrics.counter(API_METRICS.refused);
  const tenants = metrics.bounded('tenant', MAX_TENANTS);
  let inFlight = 0;
  metrics.value(API_METRICS.inFlight, () => inFlight);

  app.addHook('onRequest', (_request, reply, next) => {
    inFlight += 1;
    // Of the socket, not of the framework: it comes once, whether the answer was finished or cut.
    reply.raw.once('close', () => {
      inFlight -= 1;
    });
    next();
  });
  app.addHook('onRequestAbort', (request, next) => {
    aborted.inc({ route: routeOf(request) });
    next();
  });
  app.addHook('onResponse', (request, reply, next) => {
    const { method } = request;
    const route = routeOf(request);
    const status = reply.statusCode;
    requests.inc({ method, route, status });
    seconds.observe({ method, route }, reply.elapsedTime / 1_000);
    const code = ACCESS_CODES[status];
    if (code !== undefined) refused.inc({ code });
    next();
    if (request.principal === null) return;
    const tenant = tenantLabel(request, tenants);
    tenantRequests.inc({ tenant, route });
    if (status === 429) rateLimited.inc({ tenant, route });
  });
}

/** The template, never the path: that has as many values as there are tenants. */
function routeOf(request: FastifyRequest): string {
  return request.routeOptions.url ?? 'none';
}

function tenantLabel(request: FastifyRequest, tenants: BoundedLabel): string {
  const tenantId = request.principal?.tenantId ?? null;
  return tenantId === null ? 'platform' : tenants.of(tenantId);
}
