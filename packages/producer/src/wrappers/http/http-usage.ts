/** From an HTTP exchange to its usage events: one set for each, after the response. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { ONE } from '@meterhouse/usage';
import type { MetricAmount } from '../../sums/summable.ts';
import { currentTenant, withTenant } from '../../tenant-context.ts';
import { addUpSafely, ask, createProblems, type ProblemCounts } from '../problems.ts';
import type { WrapperOptions } from '../port.ts';
import { correlationIdOf } from './correlation.ts';
import { watchExchange, type Exchange } from './exchange.ts';
import { createHttpAttrs } from './http-attrs.ts';
import { createRouteNames } from './route-names.ts';

/** Under which metric each measure is sent; null leaves it out. */
export interface HttpMetrics {
  /** Default `http.requests`: 1 for each exchange. */
  readonly requests: string | null;
  /** Default `http.bytes_in`. */
  readonly bytesIn: string | null;
  /** Default `http.bytes_out`. */
  readonly bytesOut: string | null;
  /** Default `http.seconds`: from the head of the request to the end of the response, exact to the nanosecond. */
  readonly seconds: string | null;
}

export interface HttpUsageOptions<Request> extends WrapperOptions {
  /**
   * Whose usage it is; default: the tenant of the context that the request comes in. Asked when the
   * request comes in, and where it knows nobody then, or throws, after the response once more, when
   * authentication has had its say. Known from the start, it is the handler's context too (`withTenant`).
   */
  readonly tenant?: (request: Request) => string | null | undefined;
  /** Who pays for what nobody can be named for, as requests without a key; default: nobody, and it is told. */
  readonly fallbackTenantId?: string;
  readonly metrics?: Partial<HttpMetrics>;
  /** Attributes besides `method`, `route`, `status` (`2xx` …, `none`) and `outcome` (`complete`, `aborted`). Keep the number of their values small. */
  readonly attrs?: (request: Request) => Readonly<Record<string, string>>;
  /** Distinct routes that are told apart; default 1,000. */
  readonly maxRoutes?: number;
  /** The header that brings a correlation id; default `x-correlation-id`. */
  readonly correlationHeader?: string;
  readonly ports?: Partial<HttpPorts>;
}

interface HttpPorts {
  /** Nanoseconds that only go up. */
  readonly nanos: () => bigint;
  readonly newId: () => string;
}

export interface HttpUsage<Request> {
  /**
   * Watches one exchange; to be called when its request comes in.
   * @param traceRoute begins to follow the request's way, unless it is watched already; what it
   *   returns is asked after the response: the template that matched, else null
   * @returns runs the handler, in the tenant's context with the correlation id where the tenant is known
   */
  begin(request: Request, raw: RawExchange, traceRoute: () => () => string | null): RunHandler;
  problems(): ProblemCounts;
}

type RunHandler = <T>(handler: () => T) => T;

interface RawExchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

const DEFAULT_HTTP_METRICS: HttpMetrics = {
  requests: 'http.requests',
  bytesIn: 'http.bytes_in',
  bytesOut: 'http.bytes_out',
  seconds: 'http.seconds',
};

const MAX_ROUTES = 1_000;

export function createHttpUsage<Request>(
  boundary: string,
  options: HttpUsageOptions<Request>,
): HttpUsage<Request> {
  const problems = createProblems(boundary, options);
  const metrics: HttpMetrics = { ...DEFAULT_HTTP_METRICS, ...options.metrics };
  const routeName = createRouteNames(options.maxRoutes ?? MAX_ROUTES, problems);
  const attrsOf = createHttpAttrs();
  const nanos = options.ports?.nanos ?? (() => process.hrtime.bigint());
  const newId = options.ports?.newId ?? randomUUID;
  const header = (options.correlationHeader ?? 'x-correlation-id').toLowerCase();

  const tenantAtStart = (request: Request): string | undefined => {
    if (options.tenant === undefined) return currentTenant()?.tenantId;
    try {
      return options.tenant(request) ?? undefined;
    } catch {
      return undefined; // asked again after the response; if it throws then, it is told
    }
  };
  const tenantAtEnd = (request: Request): string | undefined => {
    const { tenant } = options;
    const known = tenant === undefined ? null : ask('tenant', () => tenant(request), problems);
    return known ?? options.fallbackTenantId;
  };

  const settle = (request: Request, route: string | null, of: Exchange, known: Known): void => {
    const tenantId = known.tenantId ?? tenantAtEnd(request);
    if (tenantId === undefined) {
      problems.report('no_tenant', 'a request of nobody is not metered');
      return;
    }
    const { attrs: extra } = options;
    const more = extra === undefined ? null : ask('attrs', () => extra(request), problems);
    const own = attrsOf(of, routeName(route));
    const attrs = more === null ? own : { ...more, ...own };
    const { correlationId, attribution } = known;
    const amounts = amountsOf(metrics, of);
    addUpSafely(options.meter, { tenantId, attrs, amounts, attribution, correlationId }, problems);
  };

  return {
    begin: (request, raw, traceRoute) => {
      const tenantId = tenantAtStart(request);
      const correlationId = correlationIdOf(raw.request.headers, header, newId);
      // Not left to the meter: the response may end in anybody's context.
      const known: Known = { tenantId, correlationId, attribution: currentTenant()?.attribution ?? null };
      let route: () => string | null = () => null;
      const first = watchExchange(raw.request, raw.response, nanos, (measure) => {
        const exchange = ask('measuring', measure, problems);
        if (exchange !== null) settle(request, ask('route', route, problems), exchange, known);
      });
      if (first) route = traceRoute();
      return tenantId === undefined
        ? (handler) => handler()
        : (handler) => withTenant({ tenantId, correlationId }, handler);
    },
    problems: () => problems.counts(),
  };
}

/** What is known of an exchange when it begins. */
interface Known {
  readonly tenantId: string | undefined;
  readonly correlationId: string;
  readonly attribution: Readonly<Record<string, string>> | null;
}

function amountsOf(metrics: HttpMetrics, of: Exchange): MetricAmount[] {
  const amounts: MetricAmount[] = [];
  if (metrics.requests !== null) amounts.push([metrics.requests, ONE]);
  if (metrics.bytesIn !== null) amounts.push([metrics.bytesIn, BigInt(of.bytesIn) * ONE]);
  if (metrics.bytesOut !== null) amounts.push([metrics.bytesOut, BigInt(of.bytesOut) * ONE]);
  // Billionths of a second are what a decimal is counted in.
  if (metrics.seconds !== null) amounts.push([metrics.seconds, of.durationNanos]);
  return amounts;
}
