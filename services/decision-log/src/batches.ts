/** Cuts what was fetched into batches that are kept in one statement each. Pure. */
import type { FetchedChunk, FetchedRecord } from '@meterhouse/kafka';

export interface BatchBounds {
  readonly maxRows: number;
  /** Of the messages; one that is larger is a batch of its own. */
  readonly maxBytes: number;
}

export interface Batch {
  readonly partition: number;
  readonly records: readonly FetchedRecord[];
  /** Where to go on once the batch is kept. */
  readonly nextOffset: bigint;
}

/** In the order of the log. The last batch ends where the chunk does, which may be beyond its last record. */
export function batchesOf(chunk: FetchedChunk, { maxRows, maxBytes }: BatchBounds): Batch[] {
  const { partition, nextOffset } = chunk;
  const batches: FetchedRecord[][] = [];
  let bytes = 0;
  for (const record of chunk.records) {
    const size = record.payload?.length ?? 0;
    const last = batches.at(-1);
    if (last === undefined || last.length >= maxRows || bytes + size > maxBytes) {
      batches.push([record]);
      bytes = size;
      continue;
    }
    last.push(record);
    bytes += size;
  }
  return batches.map((records, index) => ({
    partition,
    records,
    nextOffset: batches[index + 1]?.[0]?.offset ?? nextOffset,
  }));
}
