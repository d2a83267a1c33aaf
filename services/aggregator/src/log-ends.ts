/**
 * What the broker's log looked like at known instants: from it follow the watermark (everything the
 * broker had at T has been counted once the log end asked for at T is reached) and the two losses
 * that must stop a partition (log deleted above us, topic made anew).
 */
import type { LogRange } from '@meterhouse/kafka';

interface Mark {
  /** Read before the log end was asked for: the end may be later than this, never earlier. */
  readonly at: Date;
  readonly logEnd: bigint;
}

/** While a partition is behind, marks are thinned out to this many. */
const MAX_MARKS = 64;

export class LogEnds {
  readonly #marks = new Map<number, Mark[]>();

  observe(at: Date, ranges: ReadonlyMap<number, LogRange>): void {
    for (const [partition, { high }] of ranges) {
      const marks = this.#marks.get(partition) ?? [];
      const last = marks.at(-1);
      // The same end at a later instant says more.
      if (last?.logEnd === high) marks.pop();
      marks.push({ at, logEnd: high });
      this.#marks.set(partition, marks.length > MAX_MARKS ? thin(marks) : marks);
    }
  }

  /** The log end that was last asked for. */
  latestEnd(partition: number): bigint | null {
    return this.#marks.get(partition)?.at(-1)?.logEnd ?? null;
  }

  /** The latest instant at which the log ended no higher than nextOffset. */
  completeAt(partition: number, nextOffset: bigint): Date | null {
    const marks = this.#marks.get(partition);
    const found = marks?.findLast((mark) => mark.logEnd <= nextOffset);
    if (marks !== undefined && found !== undefined)
      this.#marks.set(
        partition,
        marks.filter((mark) => mark.at >= found.at),
      );
    return found?.at ?? null;
  }
}

/** Every second mark, the first and the last kept. */
function thin(marks: readonly Mark[]): Mark[] {
  return marks.filter((_, index) => index % 2 === 0 || index === marks.length - 1);
}
