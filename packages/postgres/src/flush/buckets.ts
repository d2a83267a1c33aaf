import type { PoolClient } from 'pg';
import type { FlushTrace } from '../flush-trace.ts';
import { formatDecimal, type Bucket, type Buckets } from '@meterhouse/usage';

export interface WriteBuckets {
  readonly source: string;
  readonly partition: number;
  /** What the progress row said when it was locked. */
  readonly fromOffset: bigint;
  readonly nextOffset: bigint;
  readonly flushId: bigint;
  readonly processedThrough: Date | null;
  readonly trace: FlushTrace | null;
  readonly buckets: Buckets;
  /** How many events of a bucket came late; a bucket that is left out has none. */
  readonly late: ReadonlyMap<Bucket, bigint>;
  /** How many of them Kafka never had. */
  readonly direct: ReadonlyMap<Bucket, bigint>;
}

/**
 * Adds the batch's buckets to what is stored, in key order so that two transactions on the same
 * buckets wait for each other instead of deadlocking; writes their new absolute values as one row of
 * the change log; and moves the partition's next offset, all in one statement.
 * @throws if the next offset was not what the lock showed: nothing may be committed then
 */
export async function writeBuckets(client: PoolClient, write: WriteBuckets): Promise<void> {
  const list = [...write.buckets.values()];
  const result = await client.query<{ moved: string }>({
    name: 'flush-write-buckets',
    text: `WITH changed AS (
             INSERT INTO meterhouse.usage_hourly AS b
               (tenant_id, metric, hour, attrs, sum, count, min, max, latest, latest_ts, latest_id, late, direct, revision)
             SELECT tenant_id, metric, to_timestamp(hour_ms / 1000.0), attrs, sum, count, min, max, latest,
                    to_timestamp(latest_ms / 1000.0), latest_id, late, direct, 1
             FROM unnest($6::text[], $7::text[], $8::bigint[], $9::jsonb[], $10::numeric[], $11::bigint[], $12::numeric[],
                         $13::numeric[], $14::numeric[], $15::bigint[], $16::text[], $17::bigint[], $18::bigint[])
               AS i(tenant_id, metric, hour_ms, attrs, sum, count, min, max, latest, latest_ms, latest_id, late, direct)
             ORDER BY tenant_id COLLATE "C", metric COLLATE "C", hour_ms, attrs
             ON CONFLICT (tenant_id, metric, hour, attrs) DO UPDATE SET
               sum = b.sum + excluded.sum,
               count = b.count + excluded.count,
               min = least(b.min, excluded.min),
               max = greatest(b.max, excluded.max),
               latest = CASE WHEN (excluded.latest_ts, excluded.latest_id) > (b.latest_ts, b.latest_id) THEN excluded.latest ELSE b.latest END,
               latest_id = CASE WHEN (excluded.latest_ts, excluded.latest_id) > (b.latest_ts, b.latest_id) THEN excluded.latest_id ELSE b.latest_id END,
               latest_ts = greatest(b.latest_ts, excluded.latest_ts),
               late = b.late + excluded.late,
               direct = b.direct + excluded.direct,
               revision = b.revision + 1
             RETURNING b.*
           ), logged AS (
             INSERT INTO meterhouse.change_log (source, partition, from_offset, next_offset, flush_id, trace, changes)
             SELECT $1, $2, $3::bigint, $4::bigint, $5::bigint, $20::jsonb,
                    coalesce(json_agg(json_build_array(
                      tenant_id, metric, (extract(epoch FROM hour) * 1000)::bigint, attrs,
                      sum::text, count::text, min::text, max::text, latest::text,
                      (extract(epoch FROM latest_ts) * 1000)::bigint, latest_id, revision::text)), '[]')
             FROM changed
           ), moved AS (
             UPDATE meterhouse.progress SET next_offset = $4::bigint, updated_at = now(),
               processed_through = greatest(processed_through, $19::timestamptz)
             WHERE source = $1 AND partition = $2 AND next_offset = $3::bigint
             RETURNING 1
           )
           SELECT count(*) AS moved FROM moved`,
    values: [
      write.source,
      write.partition,
      write.fromOffset.toString(),
      write.nextOffset.toString(),
      write.flushId.toString(),
      ...bucketColumns(list),
      list.map((bucket) => (write.late.get(bucket) ?? 0n).toString()),
      list.map((bucket) => (write.direct.get(bucket) ?? 0n).toString()),
      write.processedThrough?.toISOString() ?? null,
      write.trace === null ? null : JSON.stringify(write.trace),
    ],
  });
  if (result.rows[0]?.moved !== '1')
    throw new Error(`${write.source}/${write.partition} moved from ${write.fromOffset} under its own lock`);
}

function bucketColumns(buckets: readonly Bucket[]): unknown[] {
  return [
    buckets.map((bucket) => bucket.tenantId),
    buckets.map((bucket) => bucket.metric),
    buckets.map((bucket) => bucket.hour),
    buckets.map((bucket) => bucket.attrsKey),
    buckets.map((bucket) => formatDecimal(bucket.sum)),
    buckets.map((bucket) => bucket.count.toString()),
    buckets.map((bucket) => formatDecimal(bucket.min)),
    buckets.map((bucket) => formatDecimal(bucket.max)),
    buckets.map((bucket) => formatDecimal(bucket.latest)),
    buckets.map((bucket) => bucket.latestTs),
    buckets.map((bucket) => bucket.latestId),
  ];
}
