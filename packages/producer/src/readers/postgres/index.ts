/**
 * Asks Postgres itself: usage and its as-of of one snapshot, decisions by the registry of that moment.
 * Beside an adapter that only delivers it is what a cache that is away falls through to.
 */
import { createPool, type Pool } from '@meterhouse/postgres';
import type { OpenReader, Reader, Tools } from '../../adapter.ts';
import { PostgresDecider } from './check.ts';
import { usageReader } from './read-usage.ts';
import type { TenantScope } from './tenant-scope.ts';

interface PostgresReaderOptions {
  readonly url: string;
  readonly connections: number;
  readonly tenantScope?: string | undefined;
}

type Asked = Pick<Reader, 'readUsage' | 'check' | 'classOf'>;

/** @param role taken on each connection; a reader on its own can write nothing */
export function openPostgresPool(
  { url, connections }: PostgresReaderOptions,
  { source }: Pick<Tools, 'source'>,
  role: 'meterhouse_producer' | 'meterhouse_reader',
): Pool {
  const applicationName = `meterhouse-producer-${source}`.slice(0, 63);
  return createPool({ url, role, applicationName, max: connections });
}

/** The ports over a pool that its owner closes. */
export function askPostgres(pool: Pool, tools: Pick<Tools, 'now' | 'clock'>, scope: TenantScope): Asked {
  const { check, classOf } = new PostgresDecider(pool, tools, scope);
  return { readUsage: usageReader(pool, scope), check, classOf };
}

export const openReader = ((options, tools): Reader => {
  const pool = openPostgresPool(options, tools, 'meterhouse_reader');
  return { ...askPostgres(pool, tools, options.tenantScope ?? null), close: () => pool.end() };
}) satisfies OpenReader<PostgresReaderOptions>;
