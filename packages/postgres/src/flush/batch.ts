/**
 * Terminology. A *source* is where events come from in a stated order: a Kafka topic, the quarantine
 * being replayed, or `direct`, where the flush itself makes the order. A *position* in it is (partition,
 * offset). A *batch* is a run of one partition's records, each already checked into its closed outcome.
 */
import type { AcceptedEvent, Refusal, UsageEvent } from '@meterhouse/usage';
import type { FlushTrace } from '../flush-trace.ts';

export interface RecordOrigin {
  readonly offset: bigint;
  /** Epoch ms at which the source took the record. */
  readonly receivedAt: number;
  /** The raw message, kept whole if it must be quarantined; null for a Kafka tombstone. */
  readonly payload: Buffer | null;
  /** Kafka never had it. */
  readonly isDirect?: true;
}

/** An event that counts, unless it has been counted already. */
export interface AcceptedRecord extends AcceptedEvent {
  readonly origin: RecordOrigin;
  /** Identity within the tenant, as a uuid. */
  readonly key: string;
  /** Digest of what is counted. */
  readonly content: bigint;
}

/** A record that cannot be counted. `event` is null where it could not be decoded. */
export interface RefusedRecord {
  readonly origin: RecordOrigin;
  readonly refusal: Refusal;
  readonly event: UsageEvent | null;
  readonly content: bigint | null;
}

export interface Batch {
  readonly source: string;
  readonly partition: number;
  /** Offset of the first record. */
  readonly fromOffset: bigint;
  /** Offset after the last record. */
  readonly nextOffset: bigint;
  /** The registry that the records were checked against. */
  readonly registryVersion: bigint;
  readonly accepted: readonly AcceptedRecord[];
  readonly refused: readonly RefusedRecord[];
  /** An instant through which the source's partition is complete once this batch is counted. */
  readonly processedThrough: Date | null;
  /** Set when the records are quarantine rows being replayed: their ids by offset. */
  readonly replayOf: ReadonlyMap<bigint, bigint> | null;
  /** Kept in the change log for what passes this flush on. */
  readonly trace?: FlushTrace | null;
}

export interface FlushCounts {
  readonly counted: number;
  readonly duplicates: number;
  readonly quarantined: number;
  readonly buckets: number;
}

/** What became of each record of a batch. */
export interface SettledRecords {
  readonly counted: readonly AcceptedRecord[];
  /** Counted before, and not counted again. */
  readonly duplicates: readonly (AcceptedRecord | RefusedRecord)[];
  readonly quarantined: readonly RefusedRecord[];
}

export interface Committed extends FlushCounts {
  readonly kind: 'committed';
  readonly nextOffset: bigint;
  readonly settled: SettledRecords;
}

export type FlushResult =
  | Committed
  /** Another worker has counted these records; no row was changed. */
  | { readonly kind: 'already_counted'; readonly nextOffset: bigint }
  /** Records between the partition's next offset and the batch are missing: go back to nextOffset. */
  | { readonly kind: 'gap'; readonly nextOffset: bigint }
  /** Tenants or metrics changed since the records were checked: check them again. */
  | { readonly kind: 'registry_changed' }
  /** The partition was stopped for a person to look at. */
  | { readonly kind: 'halted'; readonly reason: string };

/** Called at every await of the flush, so that a fault run can strike there. Does nothing in production. */
export type Failpoint = (at: FlushStep) => Promise<void>;

export const FLUSH_STEPS = [
  'before_begin',
  'after_begin',
  'after_lock',
  'after_probe',
  'after_seen',
  'after_quarantine',
  'after_buckets',
  'before_commit',
  'after_commit',
] as const;
export type FlushStep = (typeof FLUSH_STEPS)[number];
