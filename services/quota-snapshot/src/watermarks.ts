/** Up to when usage is complete: the least watermark over the topic's partitions and the direct lanes. Pure. */

/** A partition as read from Postgres; `nextOffset` is how far it has been counted. */
export interface CountedThrough {
  readonly source: string;
  readonly partition: number;
  readonly nextOffset: bigint;
  /** Epoch ms: everything that the partition had before then lies below nextOffset. */
  readonly processedThrough: number | null;
}

/** Counting without Kafka. Its lanes are there once there is direct counting, and all at once. */
const DIRECT = 'direct';

/** Nothing is known to be complete. */
const NEVER = 0;

/** What the usage table holds of a partition, and through when that is complete. */
interface Held {
  held: bigint;
  through: number | null;
}

export class Watermarks {
  readonly #source: string;
  readonly #partitions = new Map<number, Held>();
  readonly #lanes = new Map<number, Held>();
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
    const partitions = this.#of(source);
    if (partitions === null) return;
    const known = partitions.get(partition);
    // After a reload the tailer brings once more what is held already.
    if (known === undefined) partitions.set(partition, { held: nextOffset, through: null });
    else if (known.held < nextOffset) known.held = nextOffset;
  }

  /** A watermark, taken over if the usage table holds all that it speaks of. Never moves back. */
  counted(at: CountedThrough): void {
    const partitions = this.#of(at.source);
    if (partitions === null) return;
    // A lane that was not there when it was last asked: what it has was counted since, so what was complete
    // then is complete still, and nothing more until it is held.
    if (at.source === DIRECT && !partitions.has(at.partition))
      partitions.set(at.partition, { held: 0n, through: this.asOf() });
    const known = partitions.get(at.partition);
    if (known === undefined || at.processedThrough === null) return;
    if (known.held < at.nextOffset) return;
    known.through = Math.max(known.through ?? at.processedThrough, at.processedThrough);
  }

  /** Epoch ms: every event that the broker had, or that was counted directly, before this instant is in. 0 while a partition has no watermark. */
  asOf(): number {
    if (this.#partitions.size < this.#expected()) return NEVER;
    let least = Infinity;
    for (const { through } of [...this.#partitions.values(), ...this.#lanes.values()])
      least = Math.min(least, through ?? NEVER);
    return least === Infinity ? NEVER : least;
  }

  #of(source: string): Map<number, Held> | null {
    if (source === this.#source) return this.#partitions;
    return source === DIRECT ? this.#lanes : null;
  }
}
