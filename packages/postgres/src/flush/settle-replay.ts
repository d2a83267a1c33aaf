/** What became of quarantined rows that were replayed. */
import type { PoolClient } from 'pg';
import type { AcceptedRecord, Batch, RefusedRecord } from './batch.ts';
import { storable, storableInstant } from './quarantine.ts';

export interface Replayed {
  readonly counted: readonly AcceptedRecord[];
  readonly duplicates: readonly AcceptedRecord[];
  readonly refused: readonly RefusedRecord[];
}

/**
 * Writes down what became of each replayed row. A message that could not be read when it came (its
 * schema was away) is known now, so its row is given its identity: only then is it found when the
 * event is sent again. An event that still cannot be counted waits in one row, where it waits
 * already or in the first of those replayed; the others end as `duplicate`.
 */
export async function settleReplay(client: PoolClient, batch: Batch, replayed: Replayed): Promise<void> {
  const outcomes = outcomesOf(batch, replayed);
  if (outcomes.length === 0) return;
  const column = <T>(of: (outcome: Outcome) => T): T[] => outcomes.map(of);
  await client.query({
    name: 'flush-settle-replay',
    text: `WITH outcome AS (
             SELECT o.*, q.occurrences,
               CASE WHEN o.action = 'still_refused' AND o.event_id IS NOT NULL AND o.content IS NOT NULL
                 THEN coalesce(
                   (SELECT w.id FROM meterhouse.quarantine AS w
                    WHERE w.status IN ('waiting', 'replay_requested') AND w.event_id IS NOT NULL
                      AND w.tenant_id = o.tenant_id AND w.event_id = o.event_id AND w.content = o.content),
                   min(o.id) OVER (PARTITION BY o.action, o.tenant_id, o.event_id, o.content))
                 ELSE o.id END AS waits_in
             FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                         $9::bigint[], $10::text[], $11::bigint[])
               AS o(id, action, reason, field, detail, tenant_id, metric, event_id, event_ms, value, content)
             JOIN meterhouse.quarantine AS q ON q.id = o.id AND q.status = 'replay_requested'
           ), joined AS (
             SELECT waits_in, sum(occurrences) AS occurrences FROM outcome WHERE waits_in <> id GROUP BY waits_in
           ), raised AS (
             -- Rows that were not replayed now; of the others each may be written only once.
             UPDATE meterhouse.quarantine AS q SET occurrences = q.occurrences + joined.occurrences
             FROM joined WHERE q.id = joined.waits_in AND q.id NOT IN (SELECT id FROM outcome)
           ), settled AS (
             UPDATE meterhouse.quarantine AS q SET
               status = CASE WHEN o.waits_in <> o.id THEN 'duplicate' WHEN o.action = 'still_refused' THEN 'waiting' ELSE o.action END,
               resolved_at = CASE WHEN o.waits_in = o.id AND o.action = 'still_refused' THEN NULL ELSE now() END,
               occurrences = q.occurrences + coalesce((SELECT joined.occurrences FROM joined WHERE joined.waits_in = q.id), 0),
               reason = coalesce(o.reason, q.reason),
               field = CASE WHEN o.reason IS NULL THEN q.field ELSE o.field END,
               detail = CASE WHEN o.reason IS NULL THEN q.detail ELSE o.detail END,
               tenant_id = coalesce(q.tenant_id, o.tenant_id),
               metric = coalesce(q.metric, o.metric),
               event_id = coalesce(q.event_id, o.event_id),
               event_ts = coalesce(q.event_ts, to_timestamp(o.event_ms / 1000.0)),
               value = coalesce(q.value, o.value),
               content = coalesce(q.content, o.content)
             FROM outcome AS o WHERE q.id = o.id
             RETURNING q.id, CASE WHEN o.waits_in <> o.id THEN 'duplicate' ELSE o.action END AS action,
               CASE WHEN o.waits_in <> o.id THEN format('the same event waits in row %s', o.waits_in) ELSE o.detail END AS detail
           )
           INSERT INTO meterhouse.quarantine_history (quarantine_id, action, by, reason)
           SELECT id, action, 'aggregator', detail FROM settled`,
    values: [
      column((outcome) => outcome.quarantineId.toString()),
      column((outcome) => outcome.action),
      column((outcome) => outcome.reason),
      column((outcome) => storable(outcome.field)),
      column((outcome) => storable(outcome.detail)),
      column(({ record }) => storable(record.event?.tenantId)),
      column(({ record }) => storable(record.event?.metric)),
      column(({ record }) => storable(record.event?.id)),
      column(({ record }) => storableInstant(record.event?.ts)),
      column(({ record }) => storable(record.event?.value)),
      column(({ record }) => record.content?.toString() ?? null),
    ],
  });
}

interface Outcome {
  readonly quarantineId: bigint;
  readonly action: 'counted' | 'duplicate' | 'still_refused';
  readonly reason: string | null;
  readonly field: string | null;
  readonly detail: string;
  readonly record: AcceptedRecord | RefusedRecord;
}

function outcomesOf(batch: Batch, { counted, duplicates, refused }: Replayed): Outcome[] {
  const idOf = (record: { origin: { offset: bigint } }): bigint => {
    const id = batch.replayOf?.get(record.origin.offset);
    if (id === undefined) throw new Error(`replayed record ${record.origin.offset} has no quarantine row`);
    return id;
  };
  return [
    ...counted.map((record) => ({
      quarantineId: idOf(record),
      action: 'counted' as const,
      reason: null,
      field: null,
      detail: 'replayed',
      record,
    })),
    ...duplicates.map((record) => ({
      quarantineId: idOf(record),
      action: 'duplicate' as const,
      reason: null,
      field: null,
      detail: 'this event had been counted before',
      record,
    })),
    ...refused.map((record) => ({
      quarantineId: idOf(record),
      action: 'still_refused' as const,
      reason: record.refusal.reason,
      field: record.refusal.field,
      detail: record.refusal.detail,
      record,
    })),
  ];
}
