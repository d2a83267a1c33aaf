/** A strict counter of one UTC day in memory. redis/*.lua do the same. */
import { DAY_MS, type Billionths } from '@meterhouse/usage';
import { QUOTA_SLOT_MS } from '../strict-quota.ts';
import type { QuotaMeter, QuotaReading, RebaseCall, RebaseOutcome, WhenUnbased } from '../store.ts';

export class QuotaCounter {
  /** The instant after which every charge of the day is known here. */
  readonly #sinceMs: number;
  #based: boolean;
  #used: Billionths = 0n;
  #asOf = -Infinity;
  #chargedAtMs = -Infinity;
  readonly #slots = new Map<number, Billionths>();

  constructor(sinceMs: number, based: boolean) {
    this.#sinceMs = sinceMs;
    this.#based = based;
  }

  get used(): Billionths {
    return this.#used;
  }

  check({ delta, ceiling }: QuotaMeter, whenUnbased: WhenUnbased): QuotaReading['state'] {
    if (!this.#based && whenUnbased === 'deny') return 'not_based';
    return this.#used + delta > ceiling ? 'exhausted' : 'admits';
  }

  charge(delta: Billionths, nowMs: number): void {
    this.#chargedAtMs = this.datedAt(nowMs);
    const slot = Math.floor(this.#chargedAtMs / QUOTA_SLOT_MS);
    this.#used += delta;
    this.#slots.set(slot, (this.#slots.get(slot) ?? 0n) + delta);
  }

  /** The instant that a charge made now is counted at. */
  datedAt(nowMs: number): number {
    // A clock that was set back must not date a charge before an as-of that has passed.
    return Math.max(this.#chargedAtMs, nowMs);
  }

  /** @returns false where the charge is not in it any more */
  refund(delta: Billionths, atMs: number): boolean {
    const slot = Math.floor(atMs / QUOTA_SLOT_MS);
    const kept = this.#slots.get(slot);
    if (kept === undefined || kept < delta || this.#sinceMs > atMs) return false;
    this.#slots.set(slot, kept - delta);
    this.#used -= delta;
    return true;
  }

  rebase({ used, asOf, settleMs }: RebaseCall): RebaseOutcome {
    if (asOf < this.#asOf) return 'older';
    this.#asOf = asOf;
    this.#used = used;
    for (const [slot, delta] of this.#slots) {
      // Charged before this, the event had reached the broker by the as-of, so `used` has it.
      if ((slot + 1) * QUOTA_SLOT_MS <= asOf - settleMs) this.#slots.delete(slot);
      else this.#used += delta;
    }
    // Likewise what was charged before this counter was there.
    this.#based ||= asOf - settleMs > this.#sinceMs;
    return this.#based ? 'applied' : 'settling';
  }
}

/** What can be said of a rebase without its counter; null when the counter has to say. */
export function refuseRebase({ dayStart, asOf }: RebaseCall, nowMs: number): RebaseOutcome | null {
  if (dayStart + DAY_MS <= nowMs || dayStart > nowMs + DAY_MS) return 'other_day';
  return asOf > nowMs ? 'ahead_of_clock' : null;
}
