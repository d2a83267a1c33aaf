/** Table mirror_progress and the view complete_through over it. */
import { abortable, type CallOptions, type ClickHouse } from './client.ts';
import { dateTime64 } from './usage-hourly-row.ts';

export interface MirrorPosition {
  readonly source: string;
  readonly partition: number;
  /** Everything below is in the table. */
  readonly nextOffset: bigint;
  /** Epoch ms; null where nothing new is known, which leaves what was said before. */
  readonly completeThrough: number | null;
}

/**
 * Says how far the mirror has come. Only after the rows themselves.
 * @param writtenAt epoch ms
 */
export async function insertMirrorProgress(
  { client }: ClickHouse,
  positions: readonly MirrorPosition[],
  writtenAt: number,
  options: CallOptions = {},
): Promise<void> {
  if (positions.length === 0) return;
  await client.insert({
    table: 'mirror_progress',
    values: positions.map((at) => [
      at.source,
      at.partition,
      at.nextOffset.toString(),
      dateTime64(at.completeThrough ?? 0),
      dateTime64(writtenAt),
    ]),
    format: 'JSONCompactEachRow',
    clickhouse_settings: { insert_deduplicate: 0 },
    ...abortable(options),
  });
}

/** What ClickHouse itself says that it holds. */
export async function readMirrorProgress(
  { client }: ClickHouse,
  options: CallOptions = {},
): Promise<MirrorPosition[]> {
  const result = await client.query({
    query: `SELECT source, partition, max(next_offset) AS offset, toUnixTimestamp64Milli(max(complete_through)) AS through_ms
            FROM mirror_progress GROUP BY source, partition ORDER BY source, partition`,
    format: 'JSONEachRow',
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

/** Forgets what was said: it does not hold for what is about to stand behind the views. */
export async function forgetMirrorProgress({ client }: ClickHouse, options: CallOptions = {}): Promise<void> {
  await client.command({ query: 'TRUNCATE TABLE mirror_progress', ...abortable(options) });
}
