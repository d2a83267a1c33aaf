/**
 * Housekeeping of reservations. Nothing that is decided waits for it: an expired reservation does not
 * count from the instant on which it expires. It writes their end into the history, and keeps the table small.
 */
import type { Db } from '../pool.ts';

export interface SweepBounds {
  /** How long an ended reservation, and so its key, is kept: at least a day. */
  readonly keepMs: number;
  /** At most so many are settled, and so many forgotten, by one sweep. */
  readonly maxRows: number;
}

export interface Swept {
  /** Expired reservations whose end was written down. */
  readonly settled: number;
  /** Ended reservations whose rows were deleted. Their history stays. */
  readonly forgotten: number;
  /** The bound was met: there may be more. */
  readonly more: boolean;
}

/** In one transaction, so that nobody waits long for a pool's lock. */
const ROWS_AT_ONCE = 500;

/** @param db with the rights of meterhouse_operator, and not in a transaction */
export async function sweepReservations(db: Db, bounds: SweepBounds): Promise<Swept> {
  const settled = await repeatedly(db, bounds.maxRows, 'SELECT meterhouse.capacity_sweep($1) AS rows', []);
  const forgotten = await repeatedly(
    db,
    bounds.maxRows,
    'SELECT meterhouse.capacity_forget($2, $1) AS rows',
    [bounds.keepMs],
  );
  return { settled, forgotten, more: settled === bounds.maxRows || forgotten === bounds.maxRows };
}

/** @param statement with the most rows to change as $1 */
async function repeatedly(
  db: Db,
  maxRows: number,
  statement: string,
  parameters: readonly unknown[],
): Promise<number> {
  let done = 0;
  while (done < maxRows) {
    const result = await db.query<{ rows: string }>(statement, [
      Math.min(ROWS_AT_ONCE, maxRows - done),
      ...parameters,
    ]);
    const rows = Number(result.rows[0]?.rows ?? 0);
    if (rows === 0) break;
    done += rows;
  }
  return done;
}
