import type { AcceptedRecord, RefusedRecord } from './batch.ts';

export interface Distinct {
  readonly first: AcceptedRecord[];
  readonly duplicates: AcceptedRecord[];
  readonly contradictions: Contradiction[];
}

/** A record that says other than the batch's first with its id. Which of the two counts, the store may know. */
export interface Contradiction {
  readonly record: AcceptedRecord;
  readonly first: AcceptedRecord;
}

/** Tells the first delivery of each event in a batch from its repetitions and contradictions. Pure. */
export function distinct(records: readonly AcceptedRecord[]): Distinct {
  // By key, then by tenant: two tenants may use the same id, but seldom do.
  const seen = new Map<string, AcceptedRecord>();
  const seenOfOthers = new Map<string, AcceptedRecord>();
  const result: Distinct = { first: [], duplicates: [], contradictions: [] };
  for (const record of records) {
    let known = seen.get(record.key);
    if (known === undefined) seen.set(record.key, record);
    else if (known.tenant !== record.tenant) {
      const identity = `${record.key}${record.tenant.number}`;
      known = seenOfOthers.get(identity);
      if (known === undefined) seenOfOthers.set(identity, record);
    }
    if (known === undefined) result.first.push(record);
    else if (known.content === record.content) result.duplicates.push(record);
    else result.contradictions.push({ record, first: known });
  }
  return result;
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
