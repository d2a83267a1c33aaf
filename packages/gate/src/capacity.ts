/** Capacity that an action takes, through a port: by default the pools in Postgres. */
import type { Pool } from '@meterhouse/postgres';
import { release, reserve } from '@meterhouse/postgres/capacity';
import type { CapacityFact } from '@meterhouse/quota';
import type { Logger } from '@meterhouse/runtime';

export interface CapacityWish {
  readonly pool: string;
  readonly tenantId: string;
  readonly units: number;
  /** The same key again gets the same reservation. */
  readonly key: string;
  readonly by: string;
}

/** Units that were set aside. */
export interface ReservedCapacity {
  readonly reservationId: bigint;
  readonly fencingToken: bigint;
}

export interface CapacityPort {
  /** Never rejects: what cannot be found out is `unavailable`. */
  reserve(
    wish: CapacityWish,
  ): Promise<{ readonly fact: CapacityFact; readonly reserved: ReservedCapacity | null }>;
  /** Gives the units back before they expire. Never rejects. */
  release(wish: CapacityWish, reserved: ReservedCapacity): Promise<void>;
}

export interface PostgresCapacityOptions {
  /** As role meterhouse_gate, with a statement timeout: a pool that does not answer in time is unavailable. */
  readonly pool: Pool;
  /** After which a reservation that nobody confirms or gives back ends by itself. */
  readonly ttlMs: number;
  readonly logger: Logger;
}

const RETRY_MS = 1_000;

export function postgresCapacity({ pool, ttlMs, logger }: PostgresCapacityOptions): CapacityPort {
  return {
    reserve: async ({ pool: poolId, tenantId, units, key, by }) => {
      try {
        const answer = await reserve(pool, {
          pool: poolId,
          tenantId,
          units: BigInt(units),
          key,
          ttlMs,
          by,
          reason: 'admitted by a gate',
        });
        if (answer.kind === 'reserved') return { fact: { outcome: 'reserved' }, reserved: answer };
        if (answer.kind !== 'no_capacity') {
          logger.error({ pool: poolId, tenantId, key, answer: answer.kind }, 'capacity cannot be reserved');
          return { fact: { outcome: 'unavailable', retryAfterMs: null }, reserved: null };
        }
        const retryAfterMs = answer.freesAt === null ? null : Math.max(0, answer.freesAt - Date.now());
        return { fact: { outcome: 'no_capacity', retryAfterMs }, reserved: null };
      } catch (error) {
        logger.error({ err: error, pool: poolId, tenantId, key }, 'capacity cannot be reserved');
        return { fact: { outcome: 'unavailable', retryAfterMs: RETRY_MS }, reserved: null };
      }
    },
    release: async ({ tenantId, by }, { reservationId, fencingToken }) => {
      try {
        await release(pool, {
          reservationId,
          tenantId,
          fencingToken,
          by,
          reason: 'what it was for was not done',
        });
      } catch (error) {
        // It expires by itself; nobody is let in sooner, and nobody is kept out longer than that.
        logger.warn({ err: error, reservationId: reservationId.toString() }, 'capacity was not given back');
      }
    },
  };
}
