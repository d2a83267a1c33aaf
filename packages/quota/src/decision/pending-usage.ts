/**
 * What this process has let through and the snapshots cannot know yet. It counts on top of the
 * snapshot's usage, so that a burst between two snapshots does not run past the limit.
 *
 * An amount is *held* while the work runs, *settled* once its usage is on its way, and forgotten when
 * the snapshot read is surely of a later moment. All instants are monotonic: setting a clock
 * forgets nothing.
 */
import type { Billionths } from '@meterhouse/usage';

export interface PendingView {
  /**
   * @param sinceMs monotonic instant of the snapshot read: what was settled before is in its usage
   */
  pending(scope: string, metric: string, sinceMs: number): Billionths;
}

/** An amount that work in progress will use. */
export interface Held {
  /** The work is done and its usage recorded: it counts until a later snapshot has it. */
  settle(monotonicMs: number): void;
  /** The work was not done. */
  release(): void;
}

export interface PendingBounds {
  /** Scopes times metrics counted apart; beyond it new ones share one counter, which only denies sooner. */
  readonly maxKeys: number;
  /** How long after it was settled an event may take to the broker. */
  readonly settleMs: number;
}

/** Six seconds finely, then seven minutes coarsely: longer than the oldest snapshot that may decide. */
const RECENT_SLOT_MS = 100;
const SLOTS = 64;
const OLDER_SLOT_MS = RECENT_SLOT_MS * SLOTS;
/** A counter that has held nothing for so long is of the past for every snapshot that may decide. */
const IDLE_MS = 3_600_000;

export class PendingUsage implements PendingView {
  readonly #bounds: PendingBounds;
  /** By metric, then by scope: nothing has to be put together to find one. */
  readonly #counters = new Map<string, Map<string, Counter>>();
  #keys = 0;
  readonly #overflow = new Counter();
  #overflowing = false;

  constructor(bounds: PendingBounds = { maxKeys: 100_000, settleMs: 1_000 }) {
    this.#bounds = bounds;
  }

  /** Whether counters had to be shared, since the last time there was room. */
  get overflowing(): boolean {
    return this.#overflowing;
  }

  get keys(): number {
    return this.#keys;
  }

  pending(scope: string, metric: string, sinceMs: number): Billionths {
    const counter = this.#counters.get(metric)?.get(scope) ?? this.#overflow;
    return counter.total(sinceMs - this.#bounds.settleMs);
  }

  /** @param scopes every scope whose ceilings the amount counts against */
  hold(scopes: readonly string[], metric: string, amount: Billionths, monotonicMs: number): Held {
    const counters = scopes.map((scope) => this.#counterOf(scope, metric, monotonicMs));
    for (const counter of counters) counter.held += amount;
    let open = true;
    const close = (then: (counter: Counter) => void): void => {
      if (!open) return;
      open = false;
      for (const counter of counters) {
        counter.held -= amount;
        then(counter);
      }
    };
    return {
      settle: (atMs) => {
        close((counter) => {
          counter.add(amount, atMs);
        });
      },
      release: () => {
        close(() => undefined);
      },
    };
  }

  #counterOf(scope: string, metric: string, nowMs: number): Counter {
    const known = this.#counters.get(metric)?.get(scope);
    if (known !== undefined) return known;
    if (this.#keys >= this.#bounds.maxKeys) this.#forgetIdle(nowMs);
    this.#overflowing = this.#keys >= this.#bounds.maxKeys;
    if (this.#overflowing) return this.#overflow;
    const counter = new Counter();
    // What went to the shared counter may be this key's: it begins with all of it.
    counter.inherit(this.#overflow);
    const counters = this.#counters.get(metric) ?? new Map<string, Counter>();
    this.#counters.set(metric, counters.set(scope, counter));
    this.#keys += 1;
    return counter;
  }

  #forgetIdle(nowMs: number): void {
    for (const [metric, counters] of this.#counters) {
      for (const [scope, counter] of counters)
        if (counter.held === 0n && counter.lastMs < nowMs - IDLE_MS && counters.delete(scope))
          this.#keys -= 1;
      if (counters.size === 0) this.#counters.delete(metric);
    }
  }
}

class Counter {
  held = 0n;
  lastMs = Number.NEGATIVE_INFINITY;
  readonly #recent = new Ring(RECENT_SLOT_MS);
  readonly #older = new Ring(OLDER_SLOT_MS);

  add(amount: Billionths, atMs: number): void {
    const out = this.#recent.add(amount, atMs);
    if (out !== null) this.#older.add(out.sum, out.endMs);
    this.lastMs = Math.max(this.lastMs, atMs);
  }

  total(sinceMs: number): Billionths {
    // Nearly always nothing was settled since.
    if (this.lastMs < sinceMs) return this.held;
    return this.held + this.#recent.total(sinceMs) + this.#older.total(sinceMs);
  }

  inherit(from: Counter): void {
    const all = from.total(Number.NEGATIVE_INFINITY);
    if (all !== 0n) this.add(all, from.lastMs === Number.NEGATIVE_INFINITY ? 0 : from.lastMs);
  }
}

/** Sums by slot of time, a bounded number of them, each with the instant before which all of it was. */
class Ring {
  readonly #slotMs: number;
  readonly #slots: { index: number; sum: Billionths; endMs: number }[] = [];

  constructor(slotMs: number) {
    this.#slotMs = slotMs;
  }

  /**
   * @param endMs the amount was settled before
   * @returns what had to make room, or came too late for its slot
   */
  add(amount: Billionths, endMs: number): { readonly sum: Billionths; readonly endMs: number } | null {
    const index = Math.floor(endMs / this.#slotMs);
    const place = ((index % SLOTS) + SLOTS) % SLOTS;
    const there = this.#slots[place];
    if (there?.index === index) {
      there.sum += amount;
      there.endMs = Math.max(there.endMs, endMs);
      return null;
    }
    if (there !== undefined && there.index > index) return { sum: amount, endMs };
    this.#slots[place] = { index, sum: amount, endMs };
    return there ?? null;
  }

  total(sinceMs: number): Billionths {
    let total = 0n;
    // Places that were never used are holes, which forEach passes over.
    this.#slots.forEach(({ sum, endMs }) => {
      if (endMs >= sinceMs) total += sum;
    });
    return total;
  }
}
