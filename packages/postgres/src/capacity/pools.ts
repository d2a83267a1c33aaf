/** Pools: what there is to be reserved. Their sizes are an operator's word. */
import type { PoolClient } from 'pg';
import type { z } from 'zod';
import type { Db } from '../pool.ts';
import { CapacityRequestError, checked, poolChange, poolList } from './requests.ts';

/** `unit` is a word for people, such as `gpu` or `request`; `size` is in whole units of it. */
export interface CapacityPool {
  readonly id: string;
  readonly unit: string;
  readonly size: bigint;
}

export interface AppliedPool extends CapacityPool {
  readonly change: 'created' | 'changed' | 'unchanged';
  /** null for a pool that is new. */
  readonly sizeBefore: bigint | null;
}

/**
 * Makes pools be as given; those that are not named stay. Applied again it changes nothing. A size
 * below what is reserved is allowed: nobody loses anything, and nothing new fits until enough has
 * ended. A pool is done away with by size 0.
 * @param client in a transaction of the caller's, with the rights of meterhouse_operator
 * @param change who does it and why: kept with each pool that changes
 * @throws CapacityRequestError naming the field, such as `pools[2].size`; a pool's unit is settled
 *   when it is created, because reservations are counted in it
 */
export async function applyPools(
  client: PoolClient,
  pools: readonly CapacityPool[],
  change: z.input<typeof poolChange>,
): Promise<readonly AppliedPool[]> {
  const asked = checked(poolList, pools, 'pools');
  const { by, reason } = checked(poolChange, change);
  refuseTwice(asked);
  // One at a time: two who create the same pool would not see each other's row.
  await client.query(`SELECT pg_advisory_xact_lock(hashtext('meterhouse.capacity_pools'))`);
  const before = await lockPools(client, asked);
  const applied = asked.map((pool, index): AppliedPool => {
    const known = before.get(pool.id);
    if (known === undefined) return { ...pool, change: 'created', sizeBefore: null };
    if (known.unit !== pool.unit)
      throw new CapacityRequestError(`pools[${index}].unit`, `${known.unit} → ${pool.unit} is refused`);
    return {
      ...pool,
      change: known.size === pool.size ? 'unchanged' : 'changed',
      sizeBefore: known.size,
    };
  });
  await writePools(
    client,
    applied.filter((pool) => pool.change !== 'unchanged'),
    by,
    reason,
  );
  return applied;
}

function refuseTwice(pools: readonly CapacityPool[]): void {
  const seen = new Set<string>();
  for (const [index, { id }] of pools.entries()) {
    if (seen.has(id)) throw new CapacityRequestError(`pools[${index}].id`, `${id} is there twice`);
    seen.add(id);
  }
}

async function lockPools(
  client: PoolClient,
  pools: readonly CapacityPool[],
): Promise<ReadonlyMap<string, CapacityPool>> {
  const result = await client.query<{ id: string; unit: string; size: string }>(
    `SELECT id, unit, size FROM meterhouse.capacity_pools WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE`,
    [pools.map(({ id }) => id)],
  );
  return new Map(result.rows.map((row) => [row.id, { ...row, size: BigInt(row.size) }]));
}

async function writePools(
  client: PoolClient,
  pools: readonly AppliedPool[],
  by: string,
  reason: string,
): Promise<void> {
  if (pools.length === 0) return;
  const columns = [
    pools.map(({ id }) => id),
    pools.map(({ unit }) => unit),
    pools.map(({ size }) => size.toString()),
  ];
  await client.query(
    `INSERT INTO meterhouse.capacity_pools (id, unit, size)
     SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[])
     ON CONFLICT (id) DO UPDATE SET size = excluded.size`,
    columns,
  );
  await client.query(
    `INSERT INTO meterhouse.capacity_pool_history (pool_id, size, size_before, by, reason)
     SELECT *, $4, $5 FROM unnest($1::text[], $2::bigint[], $3::bigint[])`,
    [columns[0], columns[2], pools.map(({ sizeBefore }) => sizeBefore?.toString() ?? null), by, reason],
  );
}

export interface PoolStanding extends CapacityPool {
  /** Units that live reservations hold now; above `size` where the pool was made smaller. */
  readonly reserved: bigint;
  /** Units that can be reserved now. */
  readonly free: bigint;
  /** Live reservations. */
  readonly reservations: bigint;
  /** When the next of them ends unless it is renewed, epoch ms; null when none ends by itself. */
  readonly nextExpiresAt: number | null;
}

/**
 * Every pool, or the named one, counted from its reservations, at Postgres' now.
 * @returns in the order of ids; empty when the named one does not exist
 */
export async function readPools(db: Db, id: string | null = null): Promise<readonly PoolStanding[]> {
  const result = await db.query<{
    id: string;
    unit: string;
    size: string;
    reserved: string;
    reservations: string;
    next_expires_at: Date | null;
  }>(
    `SELECT p.id, p.unit, p.size, coalesce(sum(r.units), 0)::bigint AS reserved, count(r.id) AS reservations,
            min(r.expires_at) AS next_expires_at
     FROM (SELECT meterhouse.capacity_now() AS at OFFSET 0) AS clock
     CROSS JOIN meterhouse.capacity_pools AS p
     LEFT JOIN meterhouse.capacity_reservations AS r
       ON r.pool_id = p.id AND r.ended_at IS NULL AND (r.expires_at IS NULL OR r.expires_at > clock.at)
     WHERE $1::text IS NULL OR p.id = $1
     GROUP BY p.id, p.unit, p.size ORDER BY p.id`,
    [id],
  );
  return result.rows.map((row) => {
    const size = BigInt(row.size);
    const reserved = BigInt(row.reserved);
    return {
      id: row.id,
      unit: row.unit,
      size,
      reserved,
      free: reserved > size ? 0n : size - reserved,
      reservations: BigInt(row.reservations),
      nextExpiresAt: row.next_expires_at?.getTime() ?? null,
    };
  });
}
