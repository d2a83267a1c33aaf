/**
 * Counts occurrences of 128-bit digests in flat memory: 20 bytes a slot, no object an entry, so that
 * ten million of them fit where a Map of strings would take gigabytes. The bound is the caller's,
 * and hitting it is an error, never a silent forgetting.
 */

/** There are more different digests than the bound allows. */
export class TooManyDigestsError extends Error {
  override name = 'TooManyDigestsError';
  readonly maxEntries: number;

  constructor(maxEntries: number) {
    super(`more than ${maxEntries} different entries`);
    this.maxEntries = maxEntries;
  }
}

const WORDS = 4;
const FIRST_SLOTS = 1 << 12;
/** Share of the slots in use at which the table doubles. */
const MAX_LOAD = 0.7;

export class DigestCounts {
  readonly #maxEntries: number;
  #slots = FIRST_SLOTS;
  #keys = new Uint32Array(FIRST_SLOTS * WORDS);
  /** 0: the slot is free. */
  #counts = new Uint32Array(FIRST_SLOTS);
  #size = 0;

  constructor(bounds: { readonly maxEntries: number }) {
    this.#maxEntries = bounds.maxEntries;
  }

  /** Different digests seen. */
  get size(): number {
    return this.#size;
  }

  /**
   * @param digest at least 16 bytes, evenly distributed; the first 16 count
   * @returns how often it has been seen, this time included: 1 when it is new
   * @throws TooManyDigestsError
   */
  add(digest: Buffer): number {
    const a = digest.readUInt32LE(0);
    const b = digest.readUInt32LE(4);
    const c = digest.readUInt32LE(8);
    const d = digest.readUInt32LE(12);
    const slot = this.#find(a, b, c, d);
    const count = this.#counts[slot] ?? 0;
    if (count > 0) {
      this.#counts[slot] = count + 1;
      return count + 1;
    }
    if (this.#size >= this.#maxEntries) throw new TooManyDigestsError(this.#maxEntries);
    this.#put(slot, a, b, c, d, 1);
    this.#size += 1;
    if (this.#size > this.#slots * MAX_LOAD) this.#grow();
    return 1;
  }

  /** The slot that holds the digest, or the free one where it belongs. */
  #find(a: number, b: number, c: number, d: number): number {
    const mask = this.#slots - 1;
    const keys = this.#keys;
    for (let slot = a & mask; ; slot = (slot + 1) & mask) {
      const at = slot * WORDS;
      if (this.#counts[slot] === 0) return slot;
      if (keys[at] === a && keys[at + 1] === b && keys[at + 2] === c && keys[at + 3] === d) return slot;
    }
  }

  #put(slot: number, a: number, b: number, c: number, d: number, count: number): void {
    const at = slot * WORDS;
    this.#keys[at] = a;
    this.#keys[at + 1] = b;
    this.#keys[at + 2] = c;
    this.#keys[at + 3] = d;
    this.#counts[slot] = count;
  }

  #grow(): void {
    const keys = this.#keys;
    const counts = this.#counts;
    this.#slots *= 2;
    this.#keys = new Uint32Array(this.#slots * WORDS);
    this.#counts = new Uint32Array(this.#slots);
    counts.forEach((count, slot) => {
      if (count === 0) return;
      const at = slot * WORDS;
      const [a = 0, b = 0, c = 0, d = 0] = [keys[at], keys[at + 1], keys[at + 2], keys[at + 3]];
      this.#put(this.#find(a, b, c, d), a, b, c, d, count);
    });
  }
}
