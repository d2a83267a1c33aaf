/** `await app.register(fastifyUsage({ meter, tenant }))`, before the routes. */
import type { FastifyInstance, FastifyReply, FastifyRequest, RawServerBase } from 'fastify';
import { createHttpUsage, type HttpUsageOptions } from '../http/http-usage.ts';
import type { ProblemCounts } from '../problems.ts';

export type { HttpMetrics, HttpUsageOptions } from '../http/http-usage.ts';

type FastifyUsage = (<Server extends RawServerBase>(app: FastifyInstance<Server>) => Promise<void>) & {
  readonly problems: () => ProblemCounts;
};

/** A plugin for Fastify 5: meters every request of the instance that it is registered on, 404s included. */
export function fastifyUsage(options: HttpUsageOptions<FastifyRequest>): FastifyUsage {
  const usage = createHttpUsage('fastify', options);
  const runs = new WeakMap<FastifyRequest, (handler: () => void) => void>();
  const plugin = (app: Pick<FastifyInstance, 'addHook'>): Promise<void> => {
    app.addHook('onRequest', (request: FastifyRequest, reply: FastifyReply, done) => {
      const run = usage.begin(
        request,
        { request: request.raw, response: reply.raw },
        () => () => (request.is404 ? null : (request.routeOptions.url ?? null)),
      );
      runs.set(request, run);
      run(done);
    });
    // Reading the body has left the context; validation and the handler shall be in it again.
    app.addHook('preValidation', (request: FastifyRequest, _reply: FastifyReply, done) => {
      const run = runs.get(request);
      if (run === undefined) done();
      else run(done);
    });
    return Promise.resolve();
  };
  return Object.assign(plugin, {
    problems: () => usage.problems(),
    // Without this the hook would only see the routes of the plugin itself.
    [Symbol.for('skip-override')]: true,
    [Symbol.for('fastify.display-name')]: 'meterhouse-usage',
  }) as unknown as FastifyUsage;
}
