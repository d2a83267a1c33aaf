/** What waits in a lane: read in order, and taken out once it has arrived. */
import type { Pool } from 'pg';
import type { Db } from '../pool.ts';
import type { HeldLane } from './lanes.ts';

export interface OutboxRow {
  readonly seq: bigint;
  readonly tenantId: string;
  /** JSON, as eventToJson() writes it. */
  readonly event: string;
  /** Epoch ms. */
  readonly recordedAt: number;
}

/**
 * The first rows of a lane, in order.
 * @returns null when the lane is somebody else's by now
 */
export async function readLane(
  db: Db,
  { lane, holder, epoch }: HeldLane,
  bounds: { readonly maxRows: number; readonly maxBytes: number },
): Promise<readonly OutboxRow[] | null> {
  const result = await db.query<{
    seq: string | null;
    tenant_id: string;
    event: string;
    recorded_ms: string;
  }>(
    `SELECT w.* FROM meterhouse.outbox_lanes AS l
     LEFT JOIN LATERAL (
       SELECT seq, tenant_id, event, recorded_ms FROM (
         SELECT seq, tenant_id, event, (extract(epoch FROM recorded_at) * 1000)::bigint AS recorded_ms,
                sum(octet_length(event)) OVER (ORDER BY seq) - octet_length(event) AS bytes_before
         FROM (SELECT * FROM meterhouse.usage_outbox WHERE lane = l.lane ORDER BY seq LIMIT $4) AS first
       ) AS sized WHERE bytes_before < $5 ORDER BY seq
     ) AS w ON true
     WHERE l.lane = $1 AND l.holder = $2 AND l.epoch = $3 ORDER BY w.seq`,
    [lane, holder, epoch.toString(), bounds.maxRows, bounds.maxBytes],
  );
  if (result.rows.length === 0) return null;
  return result.rows.flatMap((row) =>
    row.seq === null
      ? []
      : [
          {
            seq: BigInt(row.seq),
            tenantId: row.tenant_id,
            event: row.event,
            recordedAt: Number(row.recorded_ms),
          },
        ],
  );
}

/**
 * Takes rows out that have arrived: by number, because a transaction that was slower to commit may have
 * added a lower number since they were read.
 * @returns how many were still there
 */
export async function removeRows(db: Db, lane: number, rows: readonly OutboxRow[]): Promise<number> {
  const last = rows.at(-1);
  if (last === undefined) return 0;
  const removed = await db.query(
    'DELETE FROM meterhouse.usage_outbox WHERE lane = $1 AND seq = ANY ($2::bigint[])',
    [lane, rows.map((row) => row.seq.toString())],
  );
  await db.query(
    `UPDATE meterhouse.outbox_lanes SET relayed_seq = greatest(relayed_seq, $2), relayed_at = clock_timestamp()
     WHERE lane = $1`,
    [lane, last.seq.toString()],
  );
  return removed.rowCount ?? 0;
}

/**
 * Says whether the lane's relay sleeps, and so wants to be woken. Numbers that transactions took with them
 * when they were rolled back are forgotten by the way.
 */
export async function setIdle(pool: Pool, held: HeldLane, isIdle: boolean): Promise<void> {
  await pool.query(
    `UPDATE meterhouse.outbox_lanes
     SET is_idle = $4,
         relayed_seq = CASE WHEN $4 THEN greatest(relayed_seq, meterhouse.outbox_last_seq(lane)) ELSE relayed_seq END
     WHERE lane = $1 AND holder = $2 AND epoch = $3`,
    [held.lane, held.holder, held.epoch.toString(), isIdle],
  );
}
