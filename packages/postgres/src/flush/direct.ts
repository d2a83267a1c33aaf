/**
 * Counting without a log in between. A direct batch has no position of its own: it takes the next one of a
 * lane under that lane's lock, in the transaction that counts it. Lanes are the partitions of the source
 * `direct`; which of them a batch goes by means nothing, they only keep processes out of each other's way.
 *
 * A lost answer to COMMIT is settled by asking Postgres what became of the transaction. Where that cannot
 * be known any more the batch may be counted again: its ids de-duplicate.
 */
import type { Pool, PoolClient } from 'pg';
import type { Registry } from '@meterhouse/usage';
import type { Db } from '../pool.ts';
import { inTransaction } from '../transaction.ts';
import type { AcceptedRecord, Batch, Committed, Failpoint, FlushResult, RefusedRecord } from './batch.ts';
import { countLocked, NO_FAILPOINT, Unchanged } from './flush.ts';
import { ensureProgress, lockProgress } from './progress.ts';

export const DIRECT_SOURCE = 'direct';
/** So many processes count at a time without waiting for each other's lane. */
export const DIRECT_LANES = 8;

/** Records checked, but not placed: their offsets begin at 0. */
export interface DirectBatch {
  readonly records: number;
  readonly registryVersion: bigint;
  readonly accepted: readonly AcceptedRecord[];
  readonly refused: readonly RefusedRecord[];
}

export interface DirectFlush {
  readonly pool: Pool;
  readonly registry: Registry;
  /** The lane that is taken where it is free. */
  readonly lane: number;
  readonly failpoint?: Failpoint;
  /**
   * What else belongs into the transaction, run first: a scope, or the rows of an outbox that go with it.
   * @returns false where the batch is not to be counted after all; nothing is changed then
   */
  readonly within?: (client: PoolClient) => Promise<boolean>;
}

/** A transaction whose COMMIT got no answer. */
export interface Unsettled {
  readonly xid: string;
  readonly result: Committed;
  readonly lane: number;
}

export type DirectResult =
  | { readonly lane: number; readonly result: FlushResult }
  /** `within` said no. */
  | { readonly lane: null; readonly result: null };

/** Thrown in place of the error that COMMIT ended with. */
export class UnsettledError extends Error {
  readonly unsettled: Unsettled;
  constructor(unsettled: Unsettled, cause: unknown) {
    super('COMMIT got no answer', { cause });
    this.name = 'UnsettledError';
    this.unsettled = unsettled;
  }
}

/** All at once, so that who sees one of them sees all. */
export async function ensureDirectLanes(db: Db): Promise<void> {
  const starts = Array.from({ length: DIRECT_LANES }, (_, partition) => ({ partition, offset: 0n }));
  await ensureProgress(db, DIRECT_SOURCE, starts);
}

/**
 * Counts a batch in one transaction, by the same steps as a flush from Kafka.
 * @throws UnsettledError where nobody knows whether it was committed: ask `settle`
 */
export async function flushDirect(flush: DirectFlush, batch: DirectBatch): Promise<DirectResult> {
  const failpoint = flush.failpoint ?? NO_FAILPOINT;
  const pending: { unsettled: Unsettled | null } = { unsettled: null };
  await failpoint('before_begin');
  try {
    const counted = await inTransaction(flush.pool, async (client) => {
      await failpoint('after_begin');
      if (flush.within !== undefined && !(await flush.within(client))) throw new NotNow();
      const done = await countOnLane(client, flush, batch, failpoint);
      await failpoint('before_commit');
      pending.unsettled = done;
      return done;
    });
    await failpoint('after_commit');
    return { lane: counted.lane, result: counted.result };
  } catch (error) {
    if (error instanceof NotNow) return { lane: null, result: null };
    if (error instanceof Unchanged) return { lane: flush.lane, result: error.result };
    if (pending.unsettled !== null) throw new UnsettledError(pending.unsettled, error);
    throw error;
  }
}

class NotNow extends Error {}

async function countOnLane(
  client: PoolClient,
  flush: DirectFlush,
  batch: DirectBatch,
  failpoint: Failpoint,
): Promise<Unsettled> {
  const lane = await freeLane(client, flush.lane);
  const progress = await lockProgress(client, DIRECT_SOURCE, lane);
  await failpoint('after_lock');
  if (progress === null) throw new Error(`${DIRECT_SOURCE}/${lane} has no progress row`);
  const placed = placedAt(batch, lane, progress.nextOffset);
  const result = await countLocked(client, placed, progress, flush.registry, failpoint);
  const found = await client.query<{ xid: string }>('SELECT pg_current_xact_id()::text AS xid');
  const xid = found.rows[0]?.xid;
  if (xid === undefined) throw new Error('Postgres gave the transaction no id');
  return { xid, result, lane };
}

/** A lane that nobody holds, the preferred one first; where all are held, the preferred one is waited for. */
async function freeLane(client: PoolClient, preferred: number): Promise<number> {
  const found = await client.query<{ partition: number }>({
    name: 'direct-free-lane',
    text: `SELECT partition FROM meterhouse.progress WHERE source = $1 AND halted_reason IS NULL
           ORDER BY (partition - $2 + $3) % $3 LIMIT 1 FOR UPDATE SKIP LOCKED`,
    values: [DIRECT_SOURCE, preferred, DIRECT_LANES],
  });
  return found.rows[0]?.partition ?? preferred;
}

function placedAt(batch: DirectBatch, partition: number, at: bigint): Batch {
  const place = <T extends AcceptedRecord | RefusedRecord>(record: T): T => ({
    ...record,
    origin: { ...record.origin, offset: at + record.origin.offset, isDirect: true },
  });
  return {
    source: DIRECT_SOURCE,
    partition,
    fromOffset: at,
    nextOffset: at + BigInt(batch.records),
    registryVersion: batch.registryVersion,
    accepted: batch.accepted.map(place),
    refused: batch.refused.map(place),
    // Whoever reads it works it out: see direct_complete_through() in migration 0013.
    processedThrough: null,
    replayOf: null,
  };
}

export type Settled = 'committed' | 'rolled_back' | 'unknown';

/** What became of a transaction whose COMMIT got no answer; `unknown`: it is still under way, or too old. */
export async function settle(db: Db, { xid }: Unsettled): Promise<Settled> {
  const found = await db.query<{ status: string | null }>('SELECT pg_xact_status($1::xid8) AS status', [xid]);
  const status = found.rows[0]?.status;
  if (status === 'committed') return 'committed';
  return status === 'aborted' ? 'rolled_back' : 'unknown';
}
