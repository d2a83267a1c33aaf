/**
 * How much may wait to be counted in this process (I10). Whoever brings more waits until some has
 * been counted, and what waits there keeps the next fetch from starting.
 */
export class Budget {
  readonly #maxBytes: number;
  #usedBytes = 0;
  #waiting: (() => void)[] = [];

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Whether there is room. One chunk is always let in, so that a large one cannot wait for ever. */
  hasRoom(): boolean {
    return this.#usedBytes < this.#maxBytes;
  }

  take(bytes: number): void {
    this.#usedBytes += bytes;
  }

  give(bytes: number): void {
    this.#usedBytes -= bytes;
    if (!this.hasRoom()) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  /** Resolves at the next moment at which there is room. */
  nextRoom(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
