/**
 * Counts events in the caller's process, by the aggregator's own flush: when `send` resolves they are in
 * the hour buckets, or in quarantine with a reason. What a lost answer leaves open is settled by asking
 * Postgres; a batch that is sent again counts once by its ids.
 */
import { isRetryable, type Pool } from '@meterhouse/postgres';
import {
  countDirect,
  createWakeUp,
  DedupPeriods,
  directRecord,
  RegistryCache,
  UNOBSERVED,
  type CountingDeps,
} from '@meterhouse/postgres/counting';
import { DIRECT_LANES, ensureDirectLanes } from '@meterhouse/postgres/flush';
import type { UsageEvent, Window } from '@meterhouse/usage';
import type { Logger } from 'pino';
import { abortable } from '../../abortable.ts';
import { TransportError, type Rejection, type Transport } from '../../transport.ts';
import { enterScope, withinScope, type TenantScope } from '../../readers/postgres/tenant-scope.ts';

export interface DirectTransportOptions {
  readonly pool: Pool;
  readonly scope: TenantScope;
  readonly window: Window;
  readonly logger: Logger;
  /** In [0, 1). */
  readonly random: () => number;
}

/** The meter tries again by itself, and says meanwhile that it waits. */
const POSTGRES_TIMEOUT_MS = 10_000;

export function directTransport(options: DirectTransportOptions): Transport {
  const { pool, scope, window, logger, random } = options;
  const counting: CountingDeps = {
    ...{ pool, window, logger, random },
    registry: new RegistryCache(pool),
    periods: new DedupPeriods(pool),
    failpoint: () => Promise.resolve(),
    observer: UNOBSERVED,
    postgresTimeoutMs: POSTGRES_TIMEOUT_MS,
  };
  // Processes begin at different lanes, so that they seldom meet.
  const lane = Math.floor(random() * DIRECT_LANES);
  const wake = createWakeUp(pool, logger);
  let prepared = false;
  let remakes = 0;

  const send = async (events: readonly UsageEvent[], signal: AbortSignal): Promise<void> => {
    if (!prepared) await ensureDirectLanes(pool);
    prepared = true;
    const refused = scope === null ? NONE : await outOfScope(pool, scope, events);
    const taken = events.filter((_, index) => !refused.has(index));
    if (taken.length > 0) await count(taken, signal);
    if (refused.size > 0)
      throw new TransportError('rejected', `events of tenants that are not within ${scope}`, {
        rejected: refused,
      });
  };

  const count = async (events: readonly UsageEvent[], signal: AbortSignal): Promise<void> => {
    const receivedAt = await serverClock(pool);
    const outcome = await countDirect(counting, {
      records: events.map((event, index) => directRecord(event, index, receivedAt)),
      lane,
      // A tenant that was moved out meanwhile ends the transaction, and the batch is looked at again.
      within: async (client) => {
        await enterScope(client, scope);
        return true;
      },
      abandoned: () => signal.aborted,
    });
    if (outcome?.kind !== 'committed')
      throw new TransportError('unavailable', `direct counting ended as ${outcome?.kind ?? 'given up'}`);
    if (outcome.quarantined > 0)
      logger.warn({ events: outcome.quarantined }, 'events wait in quarantine: see "meterhouse quarantine"');
    wake();
  };

  return {
    send: async (events, signal) => {
      try {
        await abortable(send(events, signal), signal);
      } catch (error) {
        if (isRetryable(error)) remakes += 1;
        throw asTransportError(error);
      }
    },
    // The pool is the adapter's.
    close: () => Promise.resolve(),
    remakes: () => remakes,
  };
}

const NONE: ReadonlyMap<number, Rejection> = new Map();

async function outOfScope(
  pool: Pool,
  scope: string,
  events: readonly UsageEvent[],
): Promise<ReadonlyMap<number, Rejection>> {
  const within = await withinScope(pool, scope, new Set(events.map(({ tenantId }) => tenantId)));
  return new Map(
    events.flatMap(({ tenantId }, index) =>
      within.has(tenantId)
        ? []
        : [[index, { field: 'tenantId', detail: `${tenantId} is not within ${scope}` }] as const],
    ),
  );
}

/** Lateness is judged by the receiver's clock: a producer cannot move its own deadline. */
async function serverClock(pool: Pool): Promise<number> {
  const found = await pool.query<{ ms: string }>(
    'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS ms',
  );
  return Number(found.rows[0]?.ms);
}

function asTransportError(error: unknown): TransportError {
  if (error instanceof TransportError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new TransportError('unavailable', message, { cause: error });
}
