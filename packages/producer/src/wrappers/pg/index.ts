/**
 * `const pool = meterPool(new Pool(…), { meter, tenant })`: a pool that does what the given one does,
 * and counts rows and bytes by tenant.
 *
 * Rows: those that came back, else those that were changed. Bytes: the values that came back, text as
 * UTF-8, bytea as it is, everything else as its JSON; not the protocol around them.
 */
import type { Pool, PoolClient } from 'pg';
import { ONE } from '@meterhouse/usage';
import type { MetricAmount } from '../../sums/summable.ts';
import { currentTenant } from '../../tenant-context.ts';
import { addUpSafely, ask, createProblems, type ProblemCounts } from '../problems.ts';
import type { WrapperOptions } from '../port.ts';
import { meteredQuery, type QueryUsage } from './metered-query.ts';

export interface PgUsageOptions extends WrapperOptions {
  /** Whose queries these are; asked when a query is given. Default: the tenant of its caller's context. */
  readonly tenant?: () => string | null | undefined;
  /** Default `pg.rows` and `pg.bytes`; null leaves one out. Both are split by `command` (SELECT, INSERT …). */
  readonly metrics?: { readonly rows?: string | null; readonly bytes?: string | null };
}

type Query = (...args: unknown[]) => unknown;

/** @param pool stays usable as it is; what goes through it directly is not counted */
export function meterPool<P extends Pool>(
  pool: P,
  options: PgUsageOptions,
): P & { readonly problems: () => ProblemCounts } {
  const problems = createProblems('pg', options);
  const tenant = options.tenant ?? (() => currentTenant()?.tenantId);
  const rowsMetric = options.metrics?.rows === undefined ? 'pg.rows' : options.metrics.rows;
  const bytesMetric = options.metrics?.bytes === undefined ? 'pg.bytes' : options.metrics.bytes;

  const amountsOf = (rows: number, bytes: number): MetricAmount[] => {
    const amounts: MetricAmount[] = [];
    if (rowsMetric !== null && rows !== 0) amounts.push([rowsMetric, BigInt(rows) * ONE]);
    if (bytesMetric !== null && bytes !== 0) amounts.push([bytesMetric, BigInt(bytes) * ONE]);
    return amounts;
  };
  /** The tenant is settled here: callbacks of a pool run in the context of whoever gave a client back. */
  const usageOfCaller = (): QueryUsage => {
    const tenantId = ask('tenant', tenant, problems) ?? null;
    const context = currentTenant();
    const attribution = context?.attribution ?? null;
    const correlationId = context?.correlationId;
    return ({ command, rows, bytes }) => {
      const amounts = amountsOf(rows, bytes);
      if (amounts.length === 0) return;
      if (tenantId === null) {
        problems.report('no_tenant', 'a query of nobody is not metered');
        return;
      }
      const usage = { tenantId, attrs: { command }, amounts, attribution, correlationId };
      addUpSafely(options.meter, usage, problems);
    };
  };
  const queryOf = (target: { query: unknown }): Query => {
    const query = (target.query as Query).bind(target);
    return (...args) => meteredQuery(query, args, usageOfCaller(), problems);
  };
  const meteredClient = (client: PoolClient): PoolClient =>
    withOwn(client, { query: queryOf(client) }) as PoolClient;
  const connect: Query = (callback) => {
    if (typeof callback !== 'function') return pool.connect().then(meteredClient);
    const given = callback as (error: unknown, client: unknown, done: unknown) => void;
    pool.connect((error, client, done) => {
      given(error, client === undefined ? client : meteredClient(client), done);
    });
    return undefined;
  };
  const own = { query: queryOf(pool), connect, problems: () => problems.counts() };
  // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- a proxy is an instance of its target's class
  return withOwn(pool, own) as P & { readonly problems: () => ProblemCounts };
}

/** The object with some methods of ours; everything else is its own, bound to it. */
function withOwn(target: object, own: Readonly<Record<string, unknown>>): object {
  return new Proxy(target, {
    get: (of, name) => {
      if (typeof name === 'string' && Object.hasOwn(own, name)) return own[name];
      const value: unknown = Reflect.get(of, name, of);
      return typeof value === 'function' ? (value.bind(of) as unknown) : value;
    },
  });
}
