/** Leases of a concurrency limit in memory. redis/charge.lua and redis/renew.lua do the same. */
import type { LeaseMeter, LeaseReading } from '../store.ts';

export class LeaseSet {
  /** When each ends, on the monotonic clock; those that end first stand first. */
  readonly #ends = new Map<string, number>();
  #lastEndMs = 0;

  /** From then on it says no more than an absent one. */
  get lastEndMs(): number {
    return this.#lastEndMs;
  }

  check(id: string, { limit }: LeaseMeter, nowMs: number): LeaseReading {
    this.#forgetEnded(nowMs);
    const live = this.#ends.size;
    if (live < limit || this.#ends.has(id)) return { admits: true, live, retryAfterMs: 0 };
    const frees = [...this.#ends.values()][live - limit] ?? nowMs;
    return { admits: false, live, retryAfterMs: frees - nowMs };
  }

  /** @returns leases that have not ended, with this one */
  hold(id: string, { leaseMs }: LeaseMeter, nowMs: number): number {
    this.#ends.delete(id);
    this.#ends.set(id, nowMs + leaseMs);
    this.#lastEndMs = Math.max(this.#lastEndMs, nowMs + leaseMs);
    return this.#ends.size;
  }

  release(id: string): void {
    this.#ends.delete(id);
  }

  #forgetEnded(nowMs: number): void {
    for (const [id, endsAtMs] of this.#ends) {
      // Where a plan made leases shorter, one that ends early may stand behind one that ends late: it then
      // counts until that one has ended too, which only refuses.
      if (endsAtMs > nowMs) return;
      this.#ends.delete(id);
    }
  }
}
