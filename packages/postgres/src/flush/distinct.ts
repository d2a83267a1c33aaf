import type { AcceptedRecord, RefusedRecord } from './batch.ts';

export interface Distinct {
  readonly first: readonly AcceptedRecord[];
  readonly repeats: readonly Repeat[];
}

/** A record whose id the batch has had before. What it is depends on what the id was counted with. */
export interface Repeat {
  readonly record: AcceptedRecord;
  readonly first: AcceptedRecord;
}

/** Tells the first delivery of each id in a batch from the others. Pure. */
export function distinct(records: readonly AcceptedRecord[]): Distinct {
  // By key, then by tenant: two tenants may use the same id, but seldom do.
  const seen = new Map<string, AcceptedRecord>();
  const seenOfOthers = new Map<string, AcceptedRecord>();
  const first: AcceptedRecord[] = [];
  const repeats: Repeat[] = [];
  for (const record of records) {
    let known = seen.get(record.key);
    if (known === undefined) seen.set(record.key, record);
    else if (known.tenant.number !== record.tenant.number) {
      const identity = `${record.key}${record.tenant.number}`;
      known = seenOfOthers.get(identity);
      if (known === undefined) seenOfOthers.set(identity, record);
    }
    if (known === undefined) first.push(record);
    else repeats.push({ record, first: known });
  }
  return { first, repeats };
}

/** The same id with other content: which of the two is meant, only a person can say. */
export function conflict(record: AcceptedRecord): RefusedRecord {
  return {
    origin: record.origin,
    event: record.event,
    content: record.content,
    refusal: {
      reason: 'id_conflict',
      field: 'id',
      detail: `id ${record.event.id} of tenant ${record.event.tenantId} has been counted with other content`,
    },
  };
}
