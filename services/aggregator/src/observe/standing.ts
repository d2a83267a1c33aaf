/**
 * How counting stands as Postgres and Kafka say it, kept for the gauges. Pure: what was read and the
 * time are arguments.
 */
import type { CountingProgress, OpenQuarantine, TailerLag } from '@meterhouse/postgres';
import type { LogRange } from '@meterhouse/kafka';
import { OTHER, type Reading } from '@meterhouse/runtime/metrics';

export interface PartitionStanding {
  readonly partition: number;
  readonly nextOffset: bigint | null;
  readonly haltedReason: string | null;
  /** Age of the instant through which it is counted. */
  readonly ageSeconds: number;
}

export class Standing {
  readonly #topic: string;
  #progress: readonly CountingProgress[] | null = null;
  #ranges: ReadonlyMap<number, LogRange> = new Map();
  #tailers: readonly TailerLag[] = [];
  /** Through when all partitions were counted when the tailers were read, epoch ms; null: not known. */
  #countedThrough: number | null = null;
  #quarantine: readonly OpenQuarantine[] | null = null;
  #attributeSets: readonly { metric: string; sets: number }[] = [];
  /** Since when partitions without a watermark have been seen so, epoch ms. */
  #unknownSince = new Map<number, number>();

  constructor(topic: string) {
    this.#topic = topic;
  }

  readProgress(progress: readonly CountingProgress[], nowMs: number): void {
    this.#progress = progress.filter(({ source }) => source === this.#topic);
    this.#noteUnknown(nowMs);
  }

  readRanges(ranges: ReadonlyMap<number, LogRange>, nowMs: number): void {
    this.#ranges = ranges;
    this.#noteUnknown(nowMs);
  }

  /** @param progress read together with them, so that the two can be compared */
  readTailers(tailers: readonly TailerLag[], progress: readonly CountingProgress[]): void {
    const throughs = progress
      .filter(({ source }) => source === this.#topic)
      .map(({ processedThrough }) => processedThrough?.getTime() ?? null);
    this.#countedThrough =
      throughs.length === 0 || throughs.includes(null) ? null : Math.min(...throughs.map(Number));
    // A rebuild holds the log under a name of its own; once it is done the name stays, and means nothing.
    this.#tailers = tailers.filter(
      ({ name, resyncRequested }) => !(resyncRequested && name.endsWith('_rebuild')),
    );
  }

  readQuarantine(open: readonly OpenQuarantine[]): void {
    this.#quarantine = open;
  }

  /** @param sets most first @param max metrics with series of their own */
  readAttributeSets(sets: readonly { metric: string; sets: number }[], max: number): void {
    const others = sets.slice(max).reduce((sum, each) => sum + each.sets, 0);
    this.#attributeSets = [...sets.slice(0, max), ...(others > 0 ? [{ metric: OTHER, sets: others }] : [])];
  }

  /** Every partition that either knows of; none before Postgres has been asked. */
  partitions(nowMs: number): readonly PartitionStanding[] {
    if (this.#progress === null) return [];
    const rows = new Map(this.#progress.map((row) => [row.partition, row]));
    return this.#known().map((partition) => {
      const row = rows.get(partition);
      const through = row?.processedThrough?.getTime() ?? this.#unknownSince.get(partition) ?? nowMs;
      return {
        partition,
        nextOffset: row?.nextOffset ?? null,
        haltedReason: row?.haltedReason ?? null,
        ageSeconds: seconds(nowMs - through),
      };
    });
  }

  /** Null before Postgres has been asked. */
  lagSeconds(nowMs: number): number | null {
    const partitions = this.partitions(nowMs);
    return partitions.length === 0 ? null : Math.max(...partitions.map(({ ageSeconds }) => ageSeconds));
  }

  lagEvents(): readonly Reading<'partition'>[] {
    const next = new Map((this.#progress ?? []).map((row) => [row.partition, row.nextOffset]));
    return Array.from(this.#ranges, ([partition, { low, high }]) => {
      const from = next.get(partition) ?? low;
      return reading('partition', partition, high > from ? Number(high - from) : 0);
    });
  }

  /** As of the moment at which the tailers were read. */
  tailerLagSeconds(): readonly Reading<'tailer'>[] {
    const counted = this.#countedThrough;
    if (counted === null) return [];
    return this.#tailers.flatMap(({ name, completeThrough }) =>
      completeThrough === null ? [] : [reading('tailer', name, seconds(counted - completeThrough.getTime()))],
    );
  }

  tailerAges(nowMs: number): readonly Reading<'tailer'>[] {
    return this.#tailers.flatMap(({ name, completeThrough }) =>
      completeThrough === null ? [] : [reading('tailer', name, seconds(nowMs - completeThrough.getTime()))],
    );
  }

  tailerLagRows(): readonly Reading<'tailer'>[] {
    return this.#tailers.map(({ name, rowsBehind }) => reading('tailer', name, Number(rowsBehind)));
  }

  tailersResyncing(): readonly Reading<'tailer'>[] {
    return this.#tailers.map(({ name, resyncRequested }) => reading('tailer', name, resyncRequested ? 1 : 0));
  }

  /** @param reasons all that there are: one for which nothing waits is 0 */
  quarantineOpen(reasons: readonly string[]): readonly Reading<'reason'>[] {
    if (this.#quarantine === null) return [];
    const open = new Map(this.#quarantine.map(({ reason, events }) => [reason, events]));
    return reasons.map((reason) => reading('reason', reason, open.get(reason) ?? 0));
  }

  quarantineOldest(nowMs: number): readonly Reading<'reason'>[] {
    return (this.#quarantine ?? []).map(({ reason, oldest }) =>
      reading('reason', reason, seconds(nowMs - oldest.getTime())),
    );
  }

  attributeSets(): readonly Reading<'metric'>[] {
    return this.#attributeSets.map(({ metric, sets }) => reading('metric', metric, sets));
  }

  #known(): number[] {
    const rows = (this.#progress ?? []).map(({ partition }) => partition);
    return [...new Set([...rows, ...this.#ranges.keys()])].sort((a, b) => a - b);
  }

  #noteUnknown(nowMs: number): void {
    if (this.#progress === null) return;
    const marked = new Set(
      this.#progress.flatMap(({ partition, processedThrough }) =>
        processedThrough === null ? [] : [partition],
      ),
    );
    const unknown = this.#known().filter((partition) => !marked.has(partition));
    this.#unknownSince = new Map(unknown.map((each) => [each, this.#unknownSince.get(each) ?? nowMs]));
  }
}

function reading<Label extends string>(label: Label, of: string | number, value: number): Reading<Label> {
  return { labels: { [label]: String(of) } as Record<Label, string>, value };
}

/** Clocks of two machines may differ by a little: never below zero. */
function seconds(ms: number): number {
  return Math.max(0, ms) / 1_000;
}
