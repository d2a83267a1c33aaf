/** One database and no Kafka: events are counted, and questions answered, in Postgres itself. */
import { DAY_MS } from '@meterhouse/usage';
import type { OpenAdapter } from '../../adapter.ts';
import { askPostgres, openPostgresPool } from '../../readers/postgres/index.ts';
import type { PostgresOptions } from './options.ts';
import { directTransport } from './transport.ts';

const MINUTE_MS = 60_000;

export const openAdapter = ((options, tools) => {
  const pool = openPostgresPool(options, tools, 'meterhouse_producer');
  const scope = options.tenantScope ?? null;
  return {
    guarantees: { durableIn: 'database', counts: 'exactly_once' },
    transport: directTransport({
      pool,
      scope,
      window: {
        backMs: options.windowBackDays * DAY_MS,
        aheadMs: options.windowAheadMinutes * MINUTE_MS,
      },
      logger: tools.logger,
      random: tools.random,
    }),
    ...askPostgres(pool, tools, scope),
    close: () => pool.end(),
  };
}) satisfies OpenAdapter<PostgresOptions>;
