/** `createServer(meterListener(listener, { meter, tenant, route }))` */
import type { IncomingMessage, RequestListener } from 'node:http';
import { createHttpUsage, type HttpUsageOptions } from '../http/http-usage.ts';
import type { ProblemCounts } from '../problems.ts';

export type { HttpMetrics, HttpUsageOptions } from '../http/http-usage.ts';

export interface NodeHttpUsageOptions extends HttpUsageOptions<IncomingMessage> {
  /** The template of the route that a request took, never its path; default: none. Asked after the response. */
  readonly route?: (request: IncomingMessage) => string | null | undefined;
}

/** A listener that does what the given one does, and is metered. Upgrades and CONNECT never reach a listener. */
export function meterListener<Listener extends RequestListener>(
  listener: Listener,
  options: NodeHttpUsageOptions,
): Listener & { readonly problems: () => ProblemCounts } {
  const usage = createHttpUsage('node-http', options);
  const metered = function (this: unknown, ...args: Parameters<Listener>): unknown {
    const [request, response] = args;
    const run = usage.begin(request, { request, response }, () => () => options.route?.(request) ?? null);
    return run(() => Reflect.apply(listener as (...of: unknown[]) => unknown, this, args));
  };
  return Object.assign(metered as unknown as Listener, { problems: () => usage.problems() });
}
