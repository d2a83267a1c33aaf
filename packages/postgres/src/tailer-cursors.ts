/** Where each tailer of the change log stands: tables `tailers` and `tailer_cursors`. */
import type { Pool, ClientBase } from 'pg';
import { cursorsOf, type Cursor, type Cursors } from './change-log-reading.ts';
import { inTransaction } from './transaction.ts';

export interface TailerStand {
  /** Rises with each move; a move names the version that it starts from. */
  readonly version: bigint;
  /** The log may no longer hold what follows the cursors: start again from usage_hourly. */
  readonly resyncRequested: boolean;
  readonly cursors: Cursors;
}

/** Null when no tailer of that name has been registered. */
export async function readTailer(client: ClientBase, name: string): Promise<TailerStand | null> {
  const tailer = await client.query<{ version: string; resync_requested: boolean }>(
    'SELECT version, resync_requested FROM meterhouse.tailers WHERE name = $1',
    [name],
  );
  const row = tailer.rows[0];
  if (row === undefined) return null;
  return {
    version: BigInt(row.version),
    resyncRequested: row.resync_requested,
    cursors: await readCursors(client, name),
  };
}

async function readCursors(client: ClientBase, name: string): Promise<Cursors> {
  const result = await client.query<{ source: string; partition: number; next_offset: string }>(
    'SELECT source, partition, next_offset FROM meterhouse.tailer_cursors WHERE tailer = $1',
    [name],
  );
  return cursorsOf(
    result.rows.map(({ source, partition, next_offset }) => ({
      source,
      partition,
      nextOffset: BigInt(next_offset),
    })),
  );
}

/** The new stand of a tailer. */
export interface TailerMove {
  readonly fromVersion: bigint;
  readonly cursors: Iterable<Cursor>;
  /** Epoch ms; null leaves what was said before, which stays true. */
  readonly completeThrough: number | null;
}

/**
 * Compare-and-set: changes nothing when another instance, a rebuild or a request for a resync came
 * first. Whoever is refused reads the stand again.
 */
export async function moveTailer(pool: Pool, name: string, move: TailerMove): Promise<boolean> {
  return inTransaction(pool, async (client) => {
    const moved = await client.query(
      `UPDATE meterhouse.tailers
       SET version = version + 1, updated_at = now(),
           complete_through = greatest(complete_through, to_timestamp($3::numeric / 1000))
       WHERE name = $1 AND version = $2 AND NOT resync_requested`,
      [name, move.fromVersion.toString(), move.completeThrough],
    );
    if (moved.rowCount !== 1) return false;
    await writeCursors(client, name, move.cursors);
    return true;
  });
}

export async function writeCursors(
  client: ClientBase,
  name: string,
  cursors: Iterable<Cursor>,
): Promise<void> {
  const list = Array.from(cursors);
  await client.query(
    `INSERT INTO meterhouse.tailer_cursors AS held (tailer, source, partition, next_offset)
     SELECT $1, at.source, at.partition, at.next_offset
     FROM unnest($2::text[], $3::int[], $4::bigint[]) AS at(source, partition, next_offset)
     ORDER BY 2, 3
     ON CONFLICT (tailer, source, partition)
     DO UPDATE SET next_offset = excluded.next_offset, moved_at = now()
     WHERE held.next_offset <> excluded.next_offset`,
    [
      name,
      list.map((cursor) => cursor.source),
      list.map((cursor) => cursor.partition),
      list.map((cursor) => cursor.nextOffset.toString()),
    ],
  );
}

/** Taken by whoever prunes and by whoever begins to hold the log back, so that neither overlooks the other. */
export const PRUNING_LOCK = `SELECT pg_advisory_xact_lock(hashtext('meterhouse.change_log_pruning'))`;

/**
 * Registers the tailer, if need be, and holds the log from here on: everything that is counted
 * after this call stays in the log until the tailer has moved past it. Whoever reads usage_hourly
 * after this call and then follows the log from these cursors misses nothing.
 * @returns the version to move from, and the cursors
 */
export async function holdLogFromHere(
  pool: Pool,
  name: string,
): Promise<{ version: bigint; cursors: Cursors }> {
  return inTransaction(pool, async (client) => {
    await client.query(PRUNING_LOCK);
    const tailer = await client.query<{ version: string }>(
      `INSERT INTO meterhouse.tailers AS held (name) VALUES ($1)
       ON CONFLICT (name) DO UPDATE
       SET version = held.version + 1, resync_requested = false, updated_at = now()
       RETURNING version`,
      [name],
    );
    await client.query(
      `INSERT INTO meterhouse.tailer_cursors (tailer, source, partition, next_offset)
       SELECT $1, source, partition, next_offset FROM meterhouse.progress
       ON CONFLICT (tailer, source, partition) DO UPDATE SET next_offset = excluded.next_offset, moved_at = now()`,
      [name],
    );
    return { version: BigInt(tailer.rows[0]?.version ?? '0'), cursors: await readCursors(client, name) };
  });
}

/** Makes the tailer known. A new one is to start from usage_hourly, so it holds nothing back yet. */
export async function registerTailer(pool: Pool, name: string): Promise<void> {
  await pool.query(
    'INSERT INTO meterhouse.tailers (name, resync_requested) VALUES ($1, true) ON CONFLICT (name) DO NOTHING',
    [name],
  );
}

/**
 * Tells the tailer to start again from usage_hourly; until it does it holds no log back.
 * @returns the tailer's version with this request; a later request has a higher one
 */
export async function requestResync(pool: Pool, name: string): Promise<bigint> {
  const requested = await pool.query<{ version: string }>(
    `INSERT INTO meterhouse.tailers AS held (name, resync_requested) VALUES ($1, true)
     ON CONFLICT (name) DO UPDATE SET resync_requested = true, version = held.version + 1, updated_at = now()
     RETURNING version`,
    [name],
  );
  return BigInt(requested.rows[0]?.version ?? 0);
}
