/**
 * Liveness is progress, not a port. Pure: time is an argument.
 *
 * A part is *stuck* when work has been waiting for it, and its position has not moved, for longer than
 * the bound. A part with nothing to do is never stuck. While nobody can look (the store is away), what
 * was seen last counts on: work that waited then still waits.
 */

export interface PartProgress {
  /** How far it is; any move counts, also back (a topic made anew). */
  readonly position: bigint;
  /** Whether there is more to do. */
  readonly waiting: boolean;
}

export interface StuckPart {
  readonly part: string;
  readonly forMs: number;
  readonly position: bigint;
}

interface Seen extends PartProgress {
  /** Since when it has had work and not moved; null while it has none. */
  readonly since: number | null;
}

export class ProgressWatch {
  readonly #afterMs: number;
  #parts = new Map<string, Seen>();

  /** @param afterMs how long a part may stand still with work waiting */
  constructor(afterMs: number) {
    this.#afterMs = afterMs;
  }

  /**
   * What is seen now. Parts that are not named any more are another's, and forgotten.
   * @param nowMs monotonic
   */
  look(parts: ReadonlyMap<string, PartProgress>, nowMs: number): void {
    const before = this.#parts;
    this.#parts = new Map(
      Array.from(parts, ([part, { position, waiting }]) => {
        const known = before.get(part);
        const stands = known?.position === position ? known.since : null;
        return [part, { position, waiting, since: waiting ? (stands ?? nowMs) : null }];
      }),
    );
  }

  stuck(nowMs: number): readonly StuckPart[] {
    return Array.from(this.#parts).flatMap(([part, { position, since }]) => {
      const forMs = since === null ? 0 : nowMs - since;
      return forMs > this.#afterMs ? [{ part, forMs, position }] : [];
    });
  }
}
