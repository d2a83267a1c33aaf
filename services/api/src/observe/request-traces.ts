/** The span of each request, under its caller's `traceparent`; what the handler does is done within it. */
import { CORRELATION_ID, type BeginSpan, type Span } from '@meterhouse/runtime/tracing';
import type { FastifyInstance, FastifyRequest } from 'fastify';

declare module 'fastify' {
  interface FastifyRequest {
    /** Null where it is not traced. */
    span: Span | null;
  }
}

/** Before the hooks that refuse, so that what they refuse is seen. Public routes, such as probes, are left out. */
export function traceRequests(app: FastifyInstance, beginSpan: BeginSpan): void {
  app.decorateRequest('span', null);
  app.addHook('onRequest', (request, reply, next) => {
    const { url: route, config } = request.routeOptions;
    if (route === undefined || config.access === undefined || config.access.kind === 'public') {
      next();
      return;
    }
    const span = begin(request, route, beginSpan);
    request.span = span;
    // Of the socket: it comes once, whether the answer was finished or cut.
    reply.raw.once('close', () => {
      const { tenantId = null } = request.principal ?? {};
      const facts = {
        ...(tenantId === null ? {} : { 'meterhouse.tenant_id': tenantId }),
        'http.response.status_code': reply.statusCode,
      };
      if (!reply.raw.writableFinished) span.end({ ...facts, 'meterhouse.aborted': true });
      else if (reply.statusCode >= 500) span.end(facts, { error: new AnsweredError(reply.statusCode) });
      else span.end(facts);
    });
    next();
  });
  // Here and not before: a body is read in the context of its socket.
  app.addHook('preHandler', (request, _reply, next) => {
    if (request.span === null) next();
    else request.span.run(next);
  });
}

function begin({ method, id, headers }: FastifyRequest, route: string, beginSpan: BeginSpan): Span {
  const parent = headers['traceparent'];
  return beginSpan(`${method} ${route}`, {
    kind: 'server',
    parent: typeof parent === 'string' ? parent : undefined,
    facts: { 'http.request.method': method, 'http.route': route, [CORRELATION_ID]: id },
  });
}

/** Says by its name what was answered. */
class AnsweredError extends Error {
  constructor(status: number) {
    super(`answered with ${status}`);
    this.name = String(status);
  }
}
