/** The point in time that an answer about usage is of. */
import { readCountingProgress, type CountingProgress } from '../lag-queries.ts';
import type { Db } from '../pool.ts';

/**
 * What every answer stands on. As long as two of them are equal, so are all buckets: each flush moves a
 * partition's next offset in the transaction that changes them (I3), and each change of tenants and
 * metrics raises the registry's version.
 */
export interface UsagePoint {
  readonly registryVersion: bigint;
  /** Of every source. */
  readonly progress: readonly CountingProgress[];
}

/** @param db in the repeatable-read transaction that reads the usage too: else the one could promise what the other does not hold */
export async function readUsagePoint(db: Db): Promise<UsagePoint> {
  const version = await db.query<{ version: string }>('SELECT version FROM meterhouse.registry_version');
  const row = version.rows[0];
  if (row === undefined) throw new Error('the registry has no version row: run "meterhouse migrate"');
  return { registryVersion: BigInt(row.version), progress: await readCountingProgress(db) };
}
