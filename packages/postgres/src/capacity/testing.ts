/** A database of its own with tenants and pools, a clock that stands still, and sessions with the gate's rights. */
import { freshDatabase, sharedStack } from '@meterhouse/dev-stack/testing';
import { migratePostgres } from '../migrations.ts';
import { createPool, type Pool, type Role } from '../pool.ts';
import { inTransaction } from '../transaction.ts';
import type { Grant, ReserveAnswer } from './answers.ts';
import { reserve, type ReserveRequest } from './operations.ts';
import { applyPools } from './pools.ts';

export const START = Date.UTC(2026, 5, 15, 12);

export interface CapacityBed {
  readonly url: string;
  /** With the rights of the database's owner. */
  readonly owner: Pool;
  readonly gate: Pool;
  readonly operator: Pool;
  poolAs(role: Role, applicationName?: string): Pool;
  setPool(id: string, size: bigint): Promise<void>;
  /** Takes Postgres' clock away from these tables: from now on it is what this says, epoch ms. */
  setClock(at: number): Promise<void>;
}

/** Tenants `acme` and `beta`. Everything is closed by `closeBed`, at the end of the test or the file. */
export async function capacityBed(onEnd: (end: () => Promise<void>) => unknown): Promise<CapacityBed> {
  const url = await freshDatabase(await sharedStack());
  await migratePostgres(url);
  const pools: Pool[] = [];
  onEnd(async () => {
    for (const pool of pools) await pool.end();
  });
  const open = (role?: Role, applicationName = 'test'): Pool => {
    const pool = createPool({ url, applicationName, max: 8, ...(role === undefined ? {} : { role }) });
    pools.push(pool);
    return pool;
  };
  const owner = open();
  const operator = open('meterhouse_operator');
  await owner.query(`INSERT INTO meterhouse.tenants (id, name) VALUES ('acme', 'Acme'), ('beta', 'Beta')`);
  return {
    url,
    owner,
    operator,
    gate: open('meterhouse_gate', 'gate'),
    poolAs: open,
    setPool: async (id, size) => {
      await inTransaction(operator, (client) =>
        applyPools(client, [{ id, unit: 'gpu', size }], { by: 'test' }),
      );
    },
    setClock: (at) => setClock(owner, at),
  };
}

/** Only the owner can do this: with it goes the right to replace the function that tells the time. */
async function setClock(owner: Pool, at: number): Promise<void> {
  await owner.query(`
    CREATE TABLE IF NOT EXISTS public.test_clock (only_row boolean PRIMARY KEY DEFAULT true, at timestamptz NOT NULL)`);
  await owner.query(
    `INSERT INTO public.test_clock (at) VALUES (to_timestamp($1::numeric / 1000))
     ON CONFLICT (only_row) DO UPDATE SET at = excluded.at`,
    [at],
  );
  const replaced = await owner.query(
    `SELECT FROM pg_proc WHERE oid = 'meterhouse.capacity_now'::regproc AND prosrc LIKE '%test_clock%'`,
  );
  if (replaced.rowCount === 0)
    await owner.query(
      `CREATE OR REPLACE FUNCTION meterhouse.capacity_now() RETURNS timestamptz
       LANGUAGE sql VOLATILE SECURITY DEFINER AS 'SELECT at FROM public.test_clock'`,
    );
}

interface FreshPool {
  readonly pool: string;
  /** One unit for a second, unless said otherwise. */
  readonly request: (key: string, units?: bigint, ttlMs?: number) => ReserveRequest;
  readonly ask: (key: string, units?: bigint, ttlMs?: number) => Promise<ReserveAnswer>;
}

export interface CapacityScene {
  readonly bed: CapacityBed;
  /** What Postgres takes for the time, epoch ms. */
  readonly now: number;
  readonly pass: (ms: number) => Promise<void>;
  readonly freshPool: (size: bigint) => Promise<FreshPool>;
}

/** A bed whose clock moves by `pass` alone, and pools that no other test knows. */
export async function capacityScene(onEnd: Parameters<typeof capacityBed>[0]): Promise<CapacityScene> {
  const bed = await capacityBed(onEnd);
  let now = START;
  let pools = 0;
  await bed.setClock(now);
  return {
    bed,
    get now() {
      return now;
    },
    pass: (ms) => bed.setClock((now += ms)),
    freshPool: async (size) => {
      const pool = `pool-${++pools}`;
      await bed.setPool(pool, size);
      const request = (key: string, units = 1n, ttlMs = 1_000): ReserveRequest => ({
        ...{ pool, tenantId: 'acme', key: `${pool}/${key}`, units, ttlMs },
        by: 'scheduler-1',
      });
      return {
        pool,
        request,
        ask: (...wanted) => reserve(bed.gate, request(...wanted)),
      };
    },
  };
}

export function holderOf({ reservationId, fencingToken }: Pick<Grant, 'reservationId' | 'fencingToken'>) {
  return { tenantId: 'acme', reservationId, fencingToken, by: 'scheduler-1' };
}

/** What is kept of an answer that the same question later gives too. */
export function lasting<Answer extends { readonly kind: string }>(
  answer: Answer,
): Omit<Answer, 'expiresInMs'> {
  return Object.fromEntries(
    Object.entries(answer).filter(([field]) => field !== 'expiresInMs'),
  ) as unknown as Omit<Answer, 'expiresInMs'>;
}

/** @throws unless it is a grant */
export function granted(answer: { readonly kind: string }): Grant {
  if (!('fencingToken' in answer)) throw new Error(`nothing was granted: ${answer.kind}`);
  return answer as unknown as Grant;
}

export interface PoolTruth {
  readonly size: bigint;
  readonly booked: bigint;
  /** Units of rows that have not ended. */
  readonly open: bigint;
  /** Those of them whose time is not over. */
  readonly live: bigint;
}

/** Counted from the rows, by a statement that the code under test does not use. */
export async function poolTruth(owner: Pool, id: string): Promise<PoolTruth> {
  const result = await owner.query<Record<keyof PoolTruth, string>>(
    `SELECT p.size, p.booked,
            (SELECT coalesce(sum(units), 0) FROM meterhouse.capacity_reservations
             WHERE pool_id = p.id AND state IN ('held', 'confirmed')) AS open,
            (SELECT coalesce(sum(units), 0) FROM meterhouse.capacity_reservations
             WHERE pool_id = p.id AND state IN ('held', 'confirmed')
               AND (expires_at IS NULL OR expires_at > meterhouse.capacity_now())) AS live
     FROM meterhouse.capacity_pools AS p WHERE p.id = $1`,
    [id],
  );
  const row = result.rows[0];
  if (row === undefined) throw new Error(`there is no pool ${id}`);
  return {
    size: BigInt(row.size),
    booked: BigInt(row.booked),
    open: BigInt(row.open),
    live: BigInt(row.live),
  };
}
