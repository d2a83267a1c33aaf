/** Up to when usage is complete: the least watermark over the partitions of the events' topic. Pure. */

/** A partition as read from Postgres; `nextOffset` is how far it has been counted. */
export interface CountedThrough {
  readonly source: string;
  readonly partition: number;
  readonly nextOffset: bigint;
  /** Epoch ms: everything that the partition had before then lies below nextOffset. */
  readonly processedThrough: number | null;
}

/** Nothing is known to be complete. */
const NEVER = 0;

export class Watermarks {
  readonly #source: string;
  /** What the usage table holds of each partition, and through when that is complete. */
  readonly #partitions = new Map<number, { held: bigint; through: number | null }>();
  readonly #expected: () => number;

  /**
   * @param partitions how many the topic has now: one that has never been counted counts too.
   *   Infinity while it is not known.
   */
  constructor(source: string, partitions: () => number) {
    this.#source = source;
    this.#expected = partitions;
  }

  /** The usage table now holds what lies below the offset. */
  held(source: string, partition: number, nextOffset: bigint): void {
    if (source !== this.#source) return;
    const known = this.#partitions.get(partition);
    // After a reload the tailer brings once more what is held already.
    if (known === undefined) this.#partitions.set(partition, { held: nextOffset, through: null });
    else if (known.held < nextOffset) known.held = nextOffset;
  }

  /** A watermark, taken over if the usage table holds all that it speaks of. Never moves back. */
  counted(at: CountedThrough): void {
    const known = this.#partitions.get(at.partition);
    if (at.source !== this.#source || known === undefined || at.processedThrough === null) return;
    if (known.held < at.nextOffset) return;
    known.through = Math.max(known.through ?? at.processedThrough, at.processedThrough);
  }

  /** Epoch ms: every event that the broker had before this instant is in. 0 while a partition has no watermark. */
  asOf(): number {
    if (this.#partitions.size < this.#expected()) return NEVER;
    let least = Infinity;
    for (const { through } of this.#partitions.values()) least = Math.min(least, through ?? NEVER);
    return least === Infinity ? NEVER : least;
  }
}
