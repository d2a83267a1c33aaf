/**
 * The flush: one transaction that counts a batch (I3).
 *
 *  1. Lock the partition's progress row and share-lock the registry. Records below its next offset
 *     have been counted: drop them. Records missing above it: give up and go back (`gap`).
 *  2. De-duplicate: within the batch, against the other periods, against the batch's own period by
 *     the unique index. The same id with other content is a conflict, not a repetition.
 *  3. Quarantine what cannot be counted. An event that had been counted before is a repetition even
 *     when it would be refused today.
 *  4. Add what is new to the buckets, log their absolute values, move the next offset.
 *  5. COMMIT. If the answer is lost, calling flush again settles it: the progress row says whether
 *     it happened, and then everything lies below the next offset (`already_counted`).
 *
 * Two workers that both believe they own a partition meet at the lock; the second finds the offset
 * moved and changes nothing (I4).
 */
import type { Pool, PoolClient } from 'pg';
import { addEvent, cameLate, eventKey, type Bucket, type Buckets, type Registry } from '@meterhouse/usage';
import { inTransaction } from '../transaction.ts';
import type { AcceptedRecord, Batch, Committed, Failpoint, FlushResult, RefusedRecord } from './batch.ts';
import { writeBuckets } from './buckets.ts';
import { conflict, distinct, type Repeat } from './distinct.ts';
import { lockProgress, type LockedProgress } from './progress.ts';
import { quarantine, redeem } from './quarantine.ts';
import { settleReplay } from './settle-replay.ts';
import { alreadyCounted, findInOtherPeriods, idColumns, livePeriods, remember } from './seen-events.ts';

export const NO_FAILPOINT: Failpoint = () => Promise.resolve();

/** Ends the transaction without a change and carries the result out of it. */
export class Unchanged extends Error {
  readonly result: Exclude<FlushResult, Committed>;
  constructor(result: Exclude<FlushResult, Committed>) {
    super(result.kind);
    this.result = result;
  }
}

/**
 * Counts a batch, or says why it changed nothing.
 * @throws errors of Postgres; isRetryable() tells which may be tried again with the same batch
 */
export async function flush(
  pool: Pool,
  batch: Batch,
  registry: Registry,
  failpoint: Failpoint = NO_FAILPOINT,
): Promise<FlushResult> {
  await failpoint('before_begin');
  try {
    const result = await inTransaction(pool, async (client) => {
      await failpoint('after_begin');
      const counted = await countBatch(client, batch, registry, failpoint);
      await failpoint('before_commit');
      return counted;
    });
    await failpoint('after_commit');
    return result;
  } catch (error) {
    if (error instanceof Unchanged) return error.result;
    throw error;
  }
}

async function countBatch(
  client: PoolClient,
  batch: Batch,
  registry: Registry,
  failpoint: Failpoint,
): Promise<FlushResult> {
  const progress = await lockProgress(client, batch.source, batch.partition);
  await failpoint('after_lock');
  if (progress === null) throw new Error(`${batch.source}/${batch.partition} has no progress row`);
  return countLocked(client, batch, progress, registry, failpoint);
}

/**
 * Steps 1 to 4, in a transaction that holds the partition's progress row.
 * @throws Unchanged: the transaction is to be rolled back
 */
export async function countLocked(
  client: PoolClient,
  batch: Batch,
  progress: LockedProgress,
  registry: Registry,
  failpoint: Failpoint,
): Promise<Committed> {
  const { nextOffset, flushId } = progress;
  if (progress.haltedReason !== null) throw new Unchanged({ kind: 'halted', reason: progress.haltedReason });
  if (batch.nextOffset <= nextOffset) throw new Unchanged({ kind: 'already_counted', nextOffset });
  if (batch.fromOffset > nextOffset) throw new Unchanged({ kind: 'gap', nextOffset });
  if (progress.registryVersion !== batch.registryVersion) throw new Unchanged({ kind: 'registry_changed' });

  const isNew = (record: { origin: { offset: bigint } }): boolean => record.origin.offset >= nextOffset;
  const overlaps = batch.fromOffset < nextOffset;
  const within = distinct(overlaps ? batch.accepted.filter(isNew) : batch.accepted);
  const refused = overlaps ? batch.refused.filter(isNew) : batch.refused;

  const seen = await deduplicate(client, flushId, within.first, failpoint);
  const repeated = settleRepeats(within.repeats, seen.stored);
  const turnedAway = await withoutCounted(client, refused, registry);
  const toQuarantine = [...turnedAway.refused, ...repeated.conflicts, ...seen.conflicts];
  const again = [...seen.duplicates, ...repeated.duplicates];

  if (batch.replayOf !== null) {
    await settleReplay(client, batch, {
      counted: seen.counted,
      duplicates: again,
      refused: toQuarantine,
    });
  } else await quarantine(client, batch, toQuarantine);
  if (progress.redeemable) await redeem(client, batch, seen.counted);
  await failpoint('after_quarantine');

  await writeBuckets(client, {
    source: batch.source,
    partition: batch.partition,
    fromOffset: nextOffset,
    nextOffset: batch.nextOffset,
    flushId,
    processedThrough: batch.processedThrough,
    trace: batch.trace ?? null,
    ...seen.aggregated,
  });
  await failpoint('after_buckets');
  const duplicates = [...again, ...turnedAway.duplicates];
  return {
    kind: 'committed',
    nextOffset: batch.nextOffset,
    counted: seen.counted.length,
    duplicates: duplicates.length,
    quarantined: toQuarantine.length,
    buckets: seen.aggregated.buckets.size,
    settled: { counted: seen.counted, duplicates, quarantined: toQuarantine },
  };
}

interface Deduplicated {
  readonly counted: readonly AcceptedRecord[];
  readonly aggregated: Aggregated;
  readonly duplicates: readonly AcceptedRecord[];
  readonly conflicts: readonly RefusedRecord[];
  /** Of records whose id had been counted before, the content that it was counted with. */
  readonly stored: ReadonlyMap<AcceptedRecord, bigint>;
}

async function deduplicate(
  client: PoolClient,
  flushId: bigint,
  records: readonly AcceptedRecord[],
  failpoint: Failpoint,
): Promise<Deduplicated> {
  const ids = idColumns(records);
  const elsewhere = await findInOtherPeriods(client, ids, await livePeriods(client));
  await failpoint('after_probe');
  const conflicting = new Set(elsewhere.map((sighting) => sighting.record));
  const candidates = conflicting.size === 0 ? records : records.filter((record) => !conflicting.has(record));
  const remembering = remember(client, flushId, candidates === records ? ids : idColumns(candidates));
  // Nearly always everything is new: aggregate while Postgres writes the ids.
  const optimistic = aggregate(candidates);
  const sightings = await remembering;
  await failpoint('after_seen');

  const conflicts = elsewhere.map((sighting) => conflict(sighting.record));
  const stored = new Map([...elsewhere, ...sightings].map(({ record, content }) => [record, content]));
  if (sightings.length === 0)
    return { counted: candidates, aggregated: optimistic, duplicates: [], conflicts, stored };
  const repeated = new Set(sightings.map((sighting) => sighting.record));
  const counted = candidates.filter((record) => !repeated.has(record));
  const duplicates: AcceptedRecord[] = [];
  for (const { record, content } of sightings) {
    if (record.content === content) duplicates.push(record);
    else conflicts.push(conflict(record));
  }
  return { counted, aggregated: aggregate(counted), duplicates, conflicts, stored };
}

/**
 * The batch's first record with an id need not be the one that counts: where the id had been counted
 * before, a later record of the batch may be the repetition, and the first the contradiction. Every
 * delivery of a contradiction is one of quarantine's, or the deliveries would not add up.
 */
function settleRepeats(
  repeats: readonly Repeat[],
  stored: ReadonlyMap<AcceptedRecord, bigint>,
): { duplicates: readonly AcceptedRecord[]; conflicts: readonly RefusedRecord[] } {
  const duplicates: AcceptedRecord[] = [];
  const conflicts: RefusedRecord[] = [];
  for (const { record, first } of repeats) {
    const counted = stored.get(first) ?? first.content;
    if (record.content === counted) duplicates.push(record);
    else conflicts.push(conflict(record));
  }
  return { duplicates, conflicts };
}

interface Aggregated {
  readonly buckets: Buckets;
  readonly late: ReadonlyMap<Bucket, bigint>;
  readonly direct: ReadonlyMap<Bucket, bigint>;
}

function aggregate(records: readonly AcceptedRecord[]): Aggregated {
  const buckets: Buckets = new Map();
  const late = new Map<Bucket, bigint>();
  const direct = new Map<Bucket, bigint>();
  for (const record of records) {
    const bucket = addEvent(buckets, record);
    if (cameLate(bucket.hour, record.origin.receivedAt)) late.set(bucket, (late.get(bucket) ?? 0n) + 1n);
    if (record.origin.isDirect === true) direct.set(bucket, (direct.get(bucket) ?? 0n) + 1n);
  }
  return { buckets, late, direct };
}

/** Takes out of the refused records those that were counted when they first came. */
async function withoutCounted(
  client: PoolClient,
  refused: readonly RefusedRecord[],
  registry: Registry,
): Promise<{ refused: readonly RefusedRecord[]; duplicates: readonly RefusedRecord[] }> {
  const candidates = refused.flatMap((record) => {
    const { event, content, refusal } = record;
    // The other reasons cannot have been different when the event came first.
    if (
      event === null ||
      content === null ||
      !(refusal.reason === 'too_old' || refusal.reason === 'in_the_future')
    )
      return [];
    const tenant = registry.tenants.get(event.tenantId);
    return tenant === undefined
      ? []
      : [{ record, key: eventKey(event.id), tenantNumber: tenant.number, content }];
  });
  const counted = await alreadyCounted(client, candidates);
  if (counted.size === 0) return { refused, duplicates: [] };
  const repeated = new Set([...counted].flatMap((index) => candidates[index]?.record ?? []));
  return { refused: refused.filter((record) => !repeated.has(record)), duplicates: [...repeated] };
}
