/** `app.use(expressUsage({ meter, tenant }))`, before everything that is to be metered. */
import type { Request, RequestHandler } from 'express';
import { createHttpUsage, type HttpUsageOptions } from '../http/http-usage.ts';
import type { ProblemCounts } from '../problems.ts';
import { followWay } from './follow-way.ts';

export type { HttpMetrics, HttpUsageOptions } from '../http/http-usage.ts';

export interface ExpressUsageOptions extends HttpUsageOptions<Request> {
  /** Where the middleware stands, as `/v1`; needed where that is not the root of the app. */
  readonly mountPath?: string;
}

/** Middleware for Express 4 and 5. The route's template is told with those of the routers above it. */
export function expressUsage(
  options: ExpressUsageOptions,
): RequestHandler & { readonly problems: () => ProblemCounts } {
  const usage = createHttpUsage('express', options);
  const middleware: RequestHandler = (request, response, next) => {
    const run = usage.begin(request, { request, response }, () => {
      const way = followWay(request, options.mountPath);
      return () => way.template();
    });
    run(next);
  };
  return Object.assign(middleware, { problems: () => usage.problems() });
}
