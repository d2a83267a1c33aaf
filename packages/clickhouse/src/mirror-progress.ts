/** Table mirror_progress and the view complete_through over it. */
import { abortable, type CallOptions, type ClickHouse } from './client.ts';
import { createLike, dropTable, exchangeTables, rebuildTableName } from './rebuild-tables.ts';

const TABLE = 'mirror_progress';

export interface MirrorPosition {
  readonly source: string;
  readonly partition: number;
  /** Everything below is in the table. */
  readonly nextOffset: bigint;
  /** Epoch ms; null where nothing new is known, which leaves what was said before. */
  readonly completeThrough: number | null;
}

/** Where the mirror has come, and where it started from. */
export interface MirrorStep extends MirrorPosition {
  /** What ClickHouse must say already for the step to count; null when it builds on nothing. */
  readonly fromOffset: bigint | null;
}

/** Parameters travel in the URL, and proxies and servers refuse long ones. */
const STEPS_A_STATEMENT = 50;

/**
 * Says how far the mirror has come. Only after the rows themselves, and only where ClickHouse still
 * says that it holds what went before: if it was wiped or put back since the mirror last looked, the
 * step is not taken, and the mirror sees at its next look what has been lost.
 * @param writtenAt epoch ms
 */
export async function insertMirrorProgress(
  { client, topology }: ClickHouse,
  steps: readonly MirrorStep[],
  writtenAt: number,
  options: CallOptions = {},
): Promise<void> {
  for (let i = 0; i < steps.length; i += STEPS_A_STATEMENT) {
    const some = steps.slice(i, i + STEPS_A_STATEMENT);
    await client.command({
      query: `INSERT INTO mirror_progress (source, partition, next_offset, complete_through, written_at)
              SELECT step.1, step.2, step.3, fromUnixTimestamp64Milli(step.4, 'UTC'),
                     fromUnixTimestamp64Milli({written:Int64}, 'UTC')
              FROM (
                SELECT arrayJoin(arrayZip({sources:Array(String)}, {partitions:Array(Int32)}, {offsets:Array(UInt64)},
                                          {throughs:Array(Int64)}, {froms:Array(UInt64)})) AS step
              ) AS steps
              LEFT JOIN (
                SELECT source, partition, max(next_offset) AS said FROM mirror_progress GROUP BY source, partition
              ) AS before ON before.source = step.1 AND before.partition = step.2
              WHERE before.said >= step.5`,
      query_params: {
        sources: some.map((step) => step.source),
        partitions: some.map((step) => step.partition),
        offsets: some.map((step) => step.nextOffset),
        throughs: some.map((step) => step.completeThrough ?? 0),
        froms: some.map((step) => step.fromOffset ?? 0n),
        written: writtenAt,
      },
      clickhouse_settings: {
        insert_deduplicate: 0,
        join_use_nulls: 0,
        ...topology.insert,
        // What was said before is read as well: a replica that has not heard of it would leave the step out.
        ...topology.read,
      },
      ...abortable(options),
    });
  }
}

/** What ClickHouse itself says that it holds. */
export async function readMirrorProgress(
  { client, topology }: ClickHouse,
  options: CallOptions = {},
): Promise<MirrorPosition[]> {
  const result = await client.query({
    query: `SELECT source, partition, max(next_offset) AS offset, toUnixTimestamp64Milli(max(complete_through)) AS through_ms
            FROM mirror_progress GROUP BY source, partition ORDER BY source, partition`,
    format: 'JSONEachRow',
    clickhouse_settings: topology.read,
    ...abortable(options),
  });
  const rows = await result.json<{ source: string; partition: number; offset: string; through_ms: string }>();
  return rows.map((row) => ({
    source: row.source,
    partition: row.partition,
    nextOffset: BigInt(row.offset),
    completeThrough: row.through_ms === '0' ? null : Number(row.through_ms),
  }));
}

/**
 * Forgets what was said: it does not hold for what is about to stand behind the views.
 * @param unique part of a table's name, such as a UUID
 */
export async function forgetMirrorProgress(
  clickhouse: ClickHouse,
  unique: string,
  options: CallOptions = {},
): Promise<void> {
  if (clickhouse.topology.cluster === null) {
    await clickhouse.client.command({ query: `TRUNCATE TABLE ${TABLE}`, ...abortable(options) });
    return;
  }
  // Replicas empty a table each in its own time, and until then the highest that was said would still count.
  const empty = rebuildTableName(`progress_${unique}`);
  await createLike(clickhouse, empty, TABLE, options);
  await exchangeTables(clickhouse, TABLE, empty, options);
  await dropTable(clickhouse, empty, options);
}
