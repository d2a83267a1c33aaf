import type { PoolClient } from 'pg';
import type { Db } from '../pool.ts';
import type { AcceptedRecord, Batch, RefusedRecord } from './batch.ts';

const COLUMN_TEXT_LIMIT = 256;
const NOTHING = Buffer.alloc(0);

/**
 * Puts what cannot be counted where a person will find it. The same event again while it waits
 * raises the waiting row's occurrences: a producer in a loop does not fill the disk.
 */
export async function quarantine(
  client: PoolClient,
  batch: Batch,
  refused: readonly RefusedRecord[],
): Promise<void> {
  const rows = mergeRepetitions(refused);
  if (rows.length === 0) return;
  const column = <T>(of: (record: RefusedRecord) => T): T[] => rows.map((row) => of(row.record));
  await client.query({
    name: 'flush-quarantine',
    text: `INSERT INTO meterhouse.quarantine AS q
             (source, partition, "offset", received_at, reason, field, detail, tenant_id, metric, event_id, event_ts, value, content, payload, occurrences)
           SELECT $1, $2, i."offset", to_timestamp(i.received_ms / 1000.0), i.reason, i.field, i.detail, i.tenant_id, i.metric, i.event_id,
                  to_timestamp(i.event_ms / 1000.0), i.value, i.content, i.payload, i.occurrences
           FROM unnest($3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[],
                       $11::bigint[], $12::text[], $13::bigint[], $14::bytea[], $15::bigint[])
             AS i("offset", received_ms, reason, field, detail, tenant_id, metric, event_id, event_ms, value, content, payload, occurrences)
           ORDER BY i.tenant_id, i.event_id, i.content
           ON CONFLICT (tenant_id, event_id, content)
             WHERE status IN ('waiting', 'replay_requested') AND event_id IS NOT NULL
             DO UPDATE SET occurrences = q.occurrences + excluded.occurrences`,
    values: [
      batch.source,
      batch.partition,
      column((record) => record.origin.offset.toString()),
      column((record) => record.origin.receivedAt),
      column((record) => record.refusal.reason),
      column((record) => storable(record.refusal.field)),
      column((record) => storable(record.refusal.detail)),
      column((record) => storable(record.event?.tenantId)),
      column((record) => storable(record.event?.metric)),
      column((record) => storable(record.event?.id)),
      column((record) => storableInstant(record.event?.ts)),
      column((record) => storable(record.event?.value)),
      column((record) => record.content?.toString() ?? null),
      column((record) => record.origin.payload ?? NOTHING),
      rows.map((row) => row.occurrences),
    ],
  });
}

/** One row a distinct event, because one INSERT may not touch a row twice. */
function mergeRepetitions(
  refused: readonly RefusedRecord[],
): { record: RefusedRecord; occurrences: number }[] {
  const rows = new Map<string, { record: RefusedRecord; occurrences: number }>();
  for (const record of refused) {
    const key =
      record.event === null || record.content === null
        ? `\0${record.origin.offset}`
        : `${storable(record.event.tenantId)}\0${storable(record.event.id)}\0${record.content}`;
    const known = rows.get(key);
    if (known === undefined) rows.set(key, { record, occurrences: 1 });
    else known.occurrences += 1;
  }
  return [...rows.values()];
}

/** Text that Postgres can hold; the raw message keeps what is cut or replaced here. */
export function storable(text: string | null | undefined): string | null {
  return text?.slice(0, COLUMN_TEXT_LIMIT).replaceAll('\0', '�').toWellFormed() ?? null;
}

/** Instants beyond what a Date can show stay only in the raw message. */
export function storableInstant(ts: number | undefined): number | null {
  return ts !== undefined && Number.isSafeInteger(ts) && Math.abs(ts) <= 8.64e15 / 100 ? ts : null;
}

/**
 * Events that wait in quarantine and have now been counted after all (sent again once their metric
 * was registered, or replayed) must not wait any longer: an event is in a bucket or in quarantine.
 */
export async function redeem(
  client: PoolClient,
  batch: Batch,
  counted: readonly AcceptedRecord[],
): Promise<void> {
  if (counted.length === 0) return;
  await client.query({
    name: 'flush-redeem',
    text: `WITH redeemed AS (
             UPDATE meterhouse.quarantine AS q SET status = 'counted', resolved_at = now()
             FROM unnest($1::text[], $2::text[], $3::bigint[]) AS i(tenant_id, event_id, content)
             WHERE q.status IN ('waiting', 'replay_requested') AND q.event_id IS NOT NULL
               AND q.tenant_id = i.tenant_id AND q.event_id = i.event_id AND q.content = i.content
             RETURNING q.id
           )
           INSERT INTO meterhouse.quarantine_history (quarantine_id, action, by, reason)
           SELECT id, 'counted', 'aggregator', $4 FROM redeemed`,
    values: [
      counted.map((record) => record.event.tenantId),
      counted.map((record) => record.event.id),
      counted.map((record) => record.content.toString()),
      batch.replayOf === null ? `sent again: ${batch.source}/${batch.partition}` : 'replayed',
    ],
  });
}

export interface ReplayRequest {
  readonly id: bigint;
  /** Where it came from, which says how it is written. */
  readonly source: string;
  /** Epoch ms at which the broker took the event; its lateness is still judged by this. */
  readonly receivedAt: number;
  readonly payload: Buffer;
}

export interface ReplayBounds {
  /** Their source; null: any. */
  readonly from: string | null;
  readonly maxEvents: number;
  readonly maxBytes: number;
}

/** The oldest rows that a person asked to replay, up to bounds in rows and bytes; at least one. */
export async function readReplayRequests(
  db: Db,
  { from, maxEvents, maxBytes }: ReplayBounds,
): Promise<readonly ReplayRequest[]> {
  const result = await db.query<{ id: string; source: string; received_ms: string; payload: Buffer }>(
    `SELECT id, source, received_ms, payload FROM (
       SELECT id, source, (extract(epoch FROM received_at) * 1000)::bigint AS received_ms, payload,
              sum(octet_length(payload)) OVER (ORDER BY id) - octet_length(payload) AS bytes_before
       FROM (SELECT * FROM meterhouse.quarantine WHERE status = 'replay_requested' AND ($3::text IS NULL OR source = $3)
             ORDER BY id LIMIT $1) AS requested
     ) AS sized
     WHERE bytes_before < $2 ORDER BY id`,
    [maxEvents, maxBytes, from],
  );
  return result.rows.map((row) => ({
    id: BigInt(row.id),
    source: row.source,
    receivedAt: Number(row.received_ms),
    payload: row.payload,
  }));
}
