/** How the outbox stands, for metrics and people. */
import type { Db } from '../pool.ts';
import type { OutboxTarget } from './lanes.ts';

export interface OutboxLaneStand {
  readonly lane: number;
  /** Events that wait, or the bound when there are more. */
  readonly waiting: number;
  /** Epoch ms at which the first that waits was recorded; null when nothing waits. */
  readonly oldest: number | null;
  /** Somebody holds it. */
  readonly isHeld: boolean;
  readonly epoch: bigint;
  readonly relayedSeq: bigint;
}

export interface OutboxStand {
  /** Null: no relay has ever run. */
  readonly target: OutboxTarget | null;
  readonly relays: number;
  readonly maxRowsPerLane: bigint;
  readonly lanes: readonly OutboxLaneStand[];
}

/** @param max rows of a lane that are counted */
export async function readOutboxStand(db: Db, max: number): Promise<OutboxStand> {
  const lanes = await db.query<{
    lane: number;
    waiting: string;
    oldest_ms: string | null;
    is_held: boolean;
    epoch: string;
    relayed_seq: string;
  }>(
    `SELECT l.lane, w.waiting, l.holder IS NOT NULL AND l.lease_until >= clock_timestamp() AS is_held, l.epoch, l.relayed_seq,
            (extract(epoch FROM (
               SELECT recorded_at FROM meterhouse.usage_outbox AS o WHERE o.lane = l.lane ORDER BY seq LIMIT 1
             )) * 1000)::bigint AS oldest_ms
     FROM meterhouse.outbox_lanes AS l
     CROSS JOIN LATERAL (
       SELECT count(*) AS waiting FROM (
         SELECT FROM meterhouse.usage_outbox AS o WHERE o.lane = l.lane LIMIT $1) AS bounded
     ) AS w ORDER BY l.lane`,
    [max],
  );
  const state = await db.query<{ target: OutboxTarget | null; max_rows_per_lane: string; relays: string }>(
    `SELECT target, max_rows_per_lane, (SELECT count(*) FROM meterhouse.outbox_relays) AS relays
     FROM meterhouse.outbox_state`,
  );
  const [row] = state.rows;
  if (row === undefined) throw new Error('the outbox has no state row: run "meterhouse migrate"');
  return {
    target: row.target,
    relays: Number(row.relays),
    maxRowsPerLane: BigInt(row.max_rows_per_lane),
    lanes: lanes.rows.map((each) => ({
      lane: each.lane,
      waiting: Number(each.waiting),
      oldest: each.oldest_ms === null ? null : Number(each.oldest_ms),
      isHeld: each.is_held,
      epoch: BigInt(each.epoch),
      relayedSeq: BigInt(each.relayed_seq),
    })),
  };
}
