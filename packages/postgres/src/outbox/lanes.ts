/**
 * Who works which lane of the outbox. A relay holds a lane for as long as its lease; whoever takes it after
 * that raises the lane's epoch, and with it everything that the one before still wants to do is void.
 * All times are the server's.
 */
import type { Pool, PoolClient } from 'pg';
import { inTransaction } from '../transaction.ts';

export const OUTBOX_LANES = 16;
export type OutboxTarget = 'kafka' | 'direct';

/** The right to work a lane; good as long as nobody has a higher epoch. */
export interface HeldLane {
  readonly lane: number;
  readonly holder: string;
  readonly epoch: bigint;
}

export interface Claim {
  readonly relayId: string;
  readonly target: OutboxTarget;
  readonly leaseMs: number;
}

export interface Claimed {
  readonly held: readonly HeldLane[];
  /** So many of them are somebody else's share: give them back once their batch is done. */
  readonly surplus: number;
}

/** Relays to both places at once would tear a tenant's events apart. */
export class OtherTargetError extends Error {
  constructor(running: string, wanted: OutboxTarget) {
    super(`relays to ${running} are running: stop them before one to ${wanted} is started`);
    this.name = 'OtherTargetError';
  }
}

/**
 * Renews what is held and takes what is free, up to a fair share among the relays that live.
 * @throws OtherTargetError
 */
export async function claimLanes(pool: Pool, claim: Claim): Promise<Claimed> {
  return inTransaction(pool, async (client) => {
    // Orders those who take lanes; whoever relays does not wait for it.
    const state = await client.query<{ target: string | null }>(
      'SELECT target FROM meterhouse.outbox_state FOR UPDATE',
    );
    const share = await shareOf(client, claim);
    if (state.rows[0]?.target !== claim.target)
      await client.query('UPDATE meterhouse.outbox_state SET target = $1', [claim.target]);
    const mine = await renew(client, claim);
    const wanted = Math.max(0, share - mine.length);
    const taken = wanted === 0 ? [] : await take(client, claim, wanted);
    return { held: [...mine, ...taken], surplus: Math.max(0, mine.length - share) };
  });
}

async function shareOf(client: PoolClient, { relayId, target, leaseMs }: Claim): Promise<number> {
  await client.query(
    `DELETE FROM meterhouse.outbox_relays WHERE seen_at < clock_timestamp() - $1 * interval '1 millisecond'`,
    [leaseMs],
  );
  await client.query(
    `INSERT INTO meterhouse.outbox_relays (id, target, seen_at) VALUES ($1, $2, clock_timestamp())
     ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at`,
    [relayId, target],
  );
  const relays = await client.query<{ target: string }>('SELECT target FROM meterhouse.outbox_relays');
  const other = relays.rows.find((relay) => relay.target !== target);
  if (other !== undefined) throw new OtherTargetError(other.target, target);
  return Math.ceil(OUTBOX_LANES / relays.rows.length);
}

interface LaneRow {
  lane: number;
  epoch: string;
}

async function renew(client: PoolClient, { relayId, leaseMs }: Claim): Promise<HeldLane[]> {
  const result = await client.query<LaneRow>(
    `UPDATE meterhouse.outbox_lanes SET lease_until = clock_timestamp() + $2 * interval '1 millisecond'
     WHERE holder = $1 RETURNING lane, epoch`,
    [relayId, leaseMs],
  );
  return result.rows.map((row) => heldLane(row, relayId));
}

async function take(client: PoolClient, { relayId, leaseMs }: Claim, wanted: number): Promise<HeldLane[]> {
  const result = await client.query<LaneRow>(
    `UPDATE meterhouse.outbox_lanes SET holder = $1, epoch = epoch + 1,
       lease_until = clock_timestamp() + $2 * interval '1 millisecond'
     WHERE lane IN (
       SELECT lane FROM meterhouse.outbox_lanes
       WHERE holder IS DISTINCT FROM $1 AND lease_until < clock_timestamp()
       ORDER BY lane LIMIT $3 FOR UPDATE SKIP LOCKED)
     RETURNING lane, epoch`,
    [relayId, leaseMs, wanted],
  );
  return result.rows.map((row) => heldLane(row, relayId));
}

function heldLane({ lane, epoch }: LaneRow, holder: string): HeldLane {
  return { lane, holder, epoch: BigInt(epoch) };
}

/** Gives lanes back; what is not held any more stays as it is. */
export async function releaseLanes(pool: Pool, lanes: readonly HeldLane[]): Promise<void> {
  for (const { lane, holder, epoch } of lanes)
    await pool.query(
      `UPDATE meterhouse.outbox_lanes SET holder = NULL, lease_until = '-infinity', is_idle = false
       WHERE lane = $1 AND holder = $2 AND epoch = $3`,
      [lane, holder, epoch.toString()],
    );
}

/** Gives back everything that a relay has, and takes its name off the list. */
export async function leaveOutbox(pool: Pool, relayId: string): Promise<void> {
  await inTransaction(pool, async (client) => {
    await client.query(
      `UPDATE meterhouse.outbox_lanes SET holder = NULL, lease_until = '-infinity', is_idle = false
       WHERE holder = $1`,
      [relayId],
    );
    await client.query('DELETE FROM meterhouse.outbox_relays WHERE id = $1', [relayId]);
  });
}

/**
 * Takes the lane for this transaction: nobody takes it over before it ends.
 * @returns false when it is somebody else's
 */
export async function lockLane(client: PoolClient, held: HeldLane): Promise<boolean> {
  const found = await client.query(
    `SELECT FROM meterhouse.outbox_lanes WHERE lane = $1 AND holder = $2 AND epoch = $3 FOR UPDATE`,
    [held.lane, held.holder, held.epoch.toString()],
  );
  return found.rowCount === 1;
}
