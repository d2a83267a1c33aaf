/**
 * A bounded map that only ever drops what says no more than an absent key would: dropping a counter
 * that is in use would hand out its limit a second time.
 */
import { StoreFullError } from '../store.ts';

/** Entries looked at when a new key comes; each is met again after a round through the map. */
const LOOKED_AT_PER_NEW_KEY = 4;

export class ForgetfulMap<Value> {
  readonly #maxKeys: number;
  readonly #entries = new Map<string, { value: Value; forgettableAtMs: number }>();
  #cursor: Iterator<[string, { forgettableAtMs: number }]> = this.#entries.entries();
  #lookedAtAllMs = -Infinity;

  constructor(maxKeys: number) {
    this.#maxKeys = maxKeys;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): Value | undefined {
    return this.#entries.get(key)?.value;
  }

  /** Room must have been made for a new key. */
  set(key: string, value: Value, forgettableAtMs: number): void {
    this.#entries.set(key, { value, forgettableAtMs });
  }

  /**
   * Looks at a few entries for each new key, so that what has expired goes before the bound is met; at
   * the bound it looks at all, at most once a second.
   * @throws StoreFullError when all are still in use
   */
  makeRoomFor(wanted: readonly { readonly key: string }[], nowMs: number): void {
    const newKeys = wanted.filter(({ key }) => !this.#entries.has(key)).length;
    if (newKeys === 0) return;
    this.#forget(newKeys * LOOKED_AT_PER_NEW_KEY, nowMs);
    if (this.#entries.size + newKeys <= this.#maxKeys) return;
    if (nowMs - this.#lookedAtAllMs >= 1_000) {
      this.#lookedAtAllMs = nowMs;
      this.#forget(this.#entries.size, nowMs);
    }
    if (this.#entries.size + newKeys > this.#maxKeys) throw new StoreFullError(this.#maxKeys);
  }

  #forget(lookAt: number, nowMs: number): void {
    for (let looked = 0; looked < lookAt; looked++) {
      let next = this.#cursor.next();
      if (next.done === true) {
        this.#cursor = this.#entries.entries();
        next = this.#cursor.next();
        if (next.done === true) return;
      }
      const [key, entry] = next.value;
      if (entry.forgettableAtMs <= nowMs) this.#entries.delete(key);
    }
  }
}
