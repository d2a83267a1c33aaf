/**
 * A stop's one deadline, handed down to everything that has to end: each part hears how much time is left
 * when its turn comes, and whatever has not ended can be named.
 */

/** The longest that a timer can wait: for whoever stops without a deadline. */
const UNBOUNDED_MS = 2 ** 31 - 1;

export class Drain {
  readonly #until: number;
  /** Parts that have begun to end and have not ended, by the drains that they were given. */
  readonly #open = new Map<Drain, string>();

  private constructor(until: number) {
    this.#until = until;
  }

  /** @param timeoutMs how long all of it may take; without it, as long as it takes */
  static within(timeoutMs: number = UNBOUNDED_MS): Drain {
    return new Drain(performance.now() + timeoutMs);
  }

  /** Never below 0. */
  get leftMs(): number {
    return Math.max(0, Math.min(UNBOUNDED_MS, this.#until - performance.now()));
  }

  /** Ends a part, which may hand what it is given to parts of its own. */
  async end(name: string, part: (drain: Drain) => Promise<void> | void): Promise<void> {
    const drain = new Drain(this.#until);
    this.#open.set(drain, name);
    try {
      await part(drain);
    } finally {
      this.#open.delete(drain);
    }
  }

  /** What has begun to end and has not, each with the parts of it that hold it up: `counting › Kafka`. */
  waitingFor(): readonly string[] {
    return Array.from(this.#open, ([drain, name]) => {
      const within = drain.waitingFor();
      return within.length === 0 ? [name] : within.map((part) => `${name} › ${part}`);
    }).flat();
  }
}
