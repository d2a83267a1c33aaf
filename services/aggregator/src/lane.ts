/**
 * One partition's way from fetched chunks to committed flushes.
 *
 * Two steps overlap: while Postgres works on one batch the next is decoded. What was fetched waits in
 * a bounded buffer; the broker waits behind it. A lane lives for one assignment: after a rebalance it
 * is stopped and another is made from the progress row, so it never has to ask whether it still owns
 * its partition. If it does not, its flush changes nothing.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { FetchedChunk, FetchedRecord } from '@meterhouse/kafka';
import {
  checkNow,
  countRun,
  type Checked,
  type CountingDeps,
  type CountResult,
  type DecodedRecord,
} from '@meterhouse/postgres/counting';
import type { RecordOrigin } from '@meterhouse/postgres/flush';
import type { Budget } from './budget.ts';
import type { FlushSpan, TraceFlush } from './observe/flush-traces.ts';

export interface FlushBounds {
  readonly maxEvents: number;
  readonly maxBytes: number;
  /** How long a batch that is not full waits for more. */
  readonly lingerMs: number;
}

export interface LaneDeps extends CountingDeps {
  readonly topic: string;
  readonly bounds: FlushBounds;
  readonly budget: Budget;
  readonly decode: (records: readonly RecordOrigin[]) => Promise<DecodedRecord[]>;
  /** A flush changed something. */
  readonly onCounted: (partition: number, result: Extract<CountResult, { kind: 'committed' }>) => void;
  /** Records are missing: read again from there. */
  readonly seek: (partition: number, offset: bigint) => void;
  /** The latest instant at which the log ended no higher than the offset. */
  readonly completeAt: (partition: number, nextOffset: bigint) => Date | null;
  readonly onHalted: (partition: number, reason: string) => void;
  /** Null: flushes are not traced. */
  readonly traceFlush: TraceFlush | null;
}

interface Batch {
  readonly fromOffset: bigint;
  readonly nextOffset: bigint;
  readonly records: readonly FetchedRecord[];
  readonly bytes: number;
}

export class Lane {
  readonly partition: number;
  readonly #deps: LaneDeps;
  /** Fetched and not yet taken into a batch. */
  #chunks: Batch[] = [];
  /** First offset that has not been fetched yet. */
  #expected: bigint;
  #stopped = false;
  /** The flush under way has; its error is the run's. */
  #failed = false;
  #wake: (() => void) | null = null;
  readonly #done: Promise<void>;

  /** @param nextOffset of the progress row */
  constructor(deps: LaneDeps, partition: number, nextOffset: bigint, onFailed: (error: unknown) => void) {
    this.#deps = deps;
    this.partition = partition;
    this.#expected = nextOffset;
    this.#done = this.#run().catch(onFailed);
  }

  /** First offset that this lane still needs. */
  get expected(): bigint {
    return this.#expected;
  }

  /** Takes what it does not have yet. A hole before the chunk sends the consumer back. */
  offer(chunk: FetchedChunk): void {
    if (this.#stopped || chunk.nextOffset <= this.#expected) return;
    if (chunk.fromOffset > this.#expected) {
      this.#deps.seek(this.partition, this.#expected);
      return;
    }
    const isNew = (record: FetchedRecord): boolean => record.offset >= this.#expected;
    const records = chunk.fromOffset === this.#expected ? chunk.records : chunk.records.filter(isNew);
    const bytes = records.reduce((sum, record) => sum + sizeOf(record), 0);
    this.#chunks.push({ fromOffset: this.#expected, nextOffset: chunk.nextOffset, records, bytes });
    this.#deps.budget.take(bytes);
    this.#expected = chunk.nextOffset;
    this.#wake?.();
  }

  /** Drops what is buffered and resolves when the flush under way has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#discard();
    this.#wake?.();
    await this.#done;
  }

  async #run(): Promise<void> {
    let counting: Promise<void> = Promise.resolve();
    while (!this.#stopped) {
      const batch = await this.#nextBatch();
      if (batch === null) break;
      const decoded = await this.#deps.decode(batch.records);
      const checked = await checkNow(this.#deps, decoded);
      await counting;
      counting = this.#count(batch, decoded, checked);
      // Awaited at the next turn; a failure brings that about, also where no more records come.
      counting.catch(() => {
        this.#failed = true;
        this.#wake?.();
      });
    }
    await counting;
  }

  async #count(batch: Batch, records: readonly DecodedRecord[], checked: Checked): Promise<void> {
    const { topic, budget, completeAt, traceFlush } = this.#deps;
    let span: FlushSpan | null = null;
    try {
      if (this.#stopped) return;
      if (traceFlush !== null) span = traceFlush({ ...batch, partition: this.partition, decoded: records });
      const run = {
        source: topic,
        partition: this.partition,
        fromOffset: batch.fromOffset,
        nextOffset: batch.nextOffset,
        checked,
        check: () => checkNow(this.#deps, records),
        processedThrough: () => completeAt(this.partition, batch.nextOffset),
        replayOf: null,
        trace: span?.trace ?? null,
      };
      const result = await countRun(this.#deps, run, () => this.#stopped);
      span?.ended(result);
      if (result !== null) this.#settle(result);
    } catch (error) {
      span?.failed(error);
      throw error;
    } finally {
      budget.give(batch.bytes);
    }
  }

  #settle(result: CountResult): void {
    switch (result.kind) {
      case 'committed':
        this.#deps.onCounted(this.partition, result);
        return;
      case 'already_counted':
        // Another worker is ahead; what lies below its offset is dropped as it comes.
        return;
      case 'gap':
        this.#discard();
        this.#expected = result.nextOffset;
        this.#deps.seek(this.partition, result.nextOffset);
        return;
      case 'halted':
        this.#stopped = true;
        this.#discard();
        this.#deps.onHalted(this.partition, result.reason);
        return;
      default:
        result satisfies never;
    }
  }

  /** Chunks joined up to the flush bounds, or null when the lane was stopped or its flush has failed. */
  async #nextBatch(): Promise<Batch | null> {
    while (this.#chunks.length === 0) {
      if (this.#stopped || this.#failed) return null;
      await new Promise<void>((resolve) => (this.#wake = resolve));
      this.#wake = null;
    }
    const { maxEvents, maxBytes, lingerMs } = this.#deps.bounds;
    const buffered = this.#chunks.reduce((sum, chunk) => sum + chunk.records.length, 0);
    if (buffered < maxEvents / 2 && lingerMs > 0) await delay(lingerMs);
    return joinChunks(this.#chunks, maxEvents, maxBytes);
  }

  #discard(): void {
    for (const chunk of this.#chunks) this.#deps.budget.give(chunk.bytes);
    this.#chunks = [];
  }
}

/** Takes chunks off the front while they fit; a chunk that is too large on its own is split. */
function joinChunks(chunks: Batch[], maxEvents: number, maxBytes: number): Batch | null {
  const first = chunks.shift();
  if (first === undefined) return null;
  if (first.records.length > maxEvents || first.bytes > maxBytes) {
    const [head, rest] = split(first, maxEvents, maxBytes);
    if (rest !== null) chunks.unshift(rest);
    return head;
  }
  const records = [...first.records];
  let { nextOffset, bytes } = first;
  for (let next = chunks[0]; next !== undefined; next = chunks[0]) {
    if (records.length + next.records.length > maxEvents || bytes + next.bytes > maxBytes) break;
    chunks.shift();
    for (const record of next.records) records.push(record);
    nextOffset = next.nextOffset;
    bytes += next.bytes;
  }
  return { fromOffset: first.fromOffset, nextOffset, records, bytes };
}

function split(chunk: Batch, maxEvents: number, maxBytes: number): [Batch, Batch | null] {
  let count = 0;
  let bytes = 0;
  for (const record of chunk.records) {
    if (count > 0 && (count >= maxEvents || bytes + sizeOf(record) > maxBytes)) break;
    count += 1;
    bytes += sizeOf(record);
  }
  const next = chunk.records[count];
  if (next === undefined) return [chunk, null];
  return [
    { fromOffset: chunk.fromOffset, nextOffset: next.offset, records: chunk.records.slice(0, count), bytes },
    {
      fromOffset: next.offset,
      nextOffset: chunk.nextOffset,
      records: chunk.records.slice(count),
      bytes: chunk.bytes - bytes,
    },
  ];
}

/** What a record holds in memory, roughly: its bytes and the objects around them. */
function sizeOf(record: FetchedRecord): number {
  return 200 + (record.payload?.length ?? 0);
}
