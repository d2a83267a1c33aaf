/** One database and no Kafka: events are counted, and questions answered, in Postgres itself. */
import { createPool } from '@meterhouse/postgres';
import { DAY_MS } from '@meterhouse/usage';
import type { OpenAdapter } from '../../adapter.ts';
import { PostgresDecider } from './check.ts';
import type { PostgresOptions } from './options.ts';
import { usageReader } from './read-usage.ts';
import { directTransport } from './transport.ts';

const MINUTE_MS = 60_000;

export const openAdapter = ((options, tools) => {
  const pool = createPool({
    url: options.url,
    role: 'meterhouse_producer',
    applicationName: `meterhouse-producer-${tools.source}`.slice(0, 63),
    max: options.connections,
  });
  const scope = options.tenantScope ?? null;
  const decider = new PostgresDecider(pool, tools, scope);
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
    readUsage: usageReader(pool, scope),
    check: decider.check,
    classOf: decider.classOf,
    close: () => pool.end(),
  };
}) satisfies OpenAdapter<PostgresOptions>;
