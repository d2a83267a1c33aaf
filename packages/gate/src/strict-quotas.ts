/**
 * Tells the counters of strict ceilings what the snapshots say, so that what they counted too much or too
 * little heals, and tells those of the day to come that it begins with nothing.
 *
 * Every gate does it, without asking the others: a counter takes what is told as of the latest instant, and
 * keeps what was charged since. Twice is once, and late is ignored. Whoever is elected can be away.
 */
import { keyOf, placeOf, UsageKey, type Now, type PolicyView, type UsageView } from '@meterhouse/quota';
import { DAY_MS, HOUR_MS, periodStart } from '@meterhouse/usage';
import type { RatePort } from './shared-limits.ts';

export interface StrictQuotasOptions {
  readonly snapshots: { readonly usage: UsageView; readonly policy: PolicyView };
  readonly limiter: Pick<RatePort, 'rebase'>;
  readonly clock: () => Now;
  readonly bounds?: Partial<StrictBounds>;
}

export interface StrictBounds {
  /** Counters told at most; the others stay as they are, which denies once they are not known. */
  readonly maxCounters: number;
  /** Calls under way at once. */
  readonly atOnce: number;
  /** How often it is looked for a new snapshot. */
  readonly everyMs: number;
  /** How often a counter is told that nobody here has charged for a while. */
  readonly idleEveryMs: number;
}

export interface StrictStatus {
  readonly counters: number;
  /** Above `maxCounters`: never told. */
  readonly overflowed: number;
  /** What the counters have answered so far, such as `applied`, `unknown` where no snapshot was known, `other_calendar` where its day is not UTC's. */
  readonly answers: Readonly<Record<string, number>>;
  /** Why the last round did not end; null when it did. */
  readonly error: string | null;
}

interface Counter {
  readonly rootId: string;
  readonly tenantId: string;
  readonly metric: string;
  readonly key: UsageKey;
  /** Monotonic. */
  toldAtMs: number;
  chargedAtMs: number;
  /** Told last, and it admits. */
  based: boolean;
  /** Start of the day to come, once its counter was told. */
  dayToCome: number;
}

const BOUNDS: StrictBounds = { maxCounters: 50_000, atOnce: 32, everyMs: 1_000, idleEveryMs: 15_000 };
/** A counter is told of every snapshot for so long after it was charged here. */
const BUSY_MS = 300_000;
/** Before the day ends its successor is told; long enough for every gate to have been away for a while. */
const DAY_TO_COME_MS = 2 * HOUR_MS;

export class StrictQuotas {
  readonly #options: StrictQuotasOptions;
  readonly #bounds: StrictBounds;
  readonly #answers = new Map<string, number>();
  #counters = new Map<string, Counter>();
  #generation = -1;
  #overflowed = 0;
  #asOf: number | null = null;
  #error: string | null = null;
  #timer: NodeJS.Timeout | null = null;
  #round: Promise<void> | null = null;

  constructor(options: StrictQuotasOptions) {
    this.#options = options;
    this.#bounds = { ...BOUNDS, ...options.bounds };
  }

  /** Tells them by itself from now on; without holding up the end of the process. */
  start(): void {
    this.#timer ??= setInterval(() => {
      this.#round ??= this.round()
        .then(() => (this.#error = null))
        .catch((error: unknown) => (this.#error = error instanceof Error ? error.message : String(error)))
        .then(() => {
          this.#round = null;
        });
    }, this.#bounds.everyMs).unref();
  }

  /** A charge was asked for here, so this counter is told of every snapshot for a while. */
  charged(tenantId: string, metric: string): void {
    const counter = this.#counters.get(keyOf(tenantId, metric, 'day'));
    if (counter !== undefined) counter.chargedAtMs = this.#options.clock().monotonicMs;
  }

  /** Tells what is due, if there is a snapshot that was not told of. */
  async round(): Promise<void> {
    const now = this.#options.clock();
    const { asOf } = this.#options.snapshots.usage.freshness(now);
    this.#refresh();
    if (asOf === null || asOf === this.#asOf) return;
    this.#asOf = asOf;
    const due = [...this.#counters.values()].filter((counter) => this.#isDue(counter, now.monotonicMs));
    let next = 0;
    const tellOn = async (): Promise<void> => {
      for (let counter = due[next++]; counter !== undefined; counter = due[next++]) await this.#tell(counter);
    };
    await Promise.all(Array.from({ length: this.#bounds.atOnce }, tellOn));
  }

  status(): StrictStatus {
    return {
      counters: this.#counters.size,
      overflowed: this.#overflowed,
      answers: Object.fromEntries(this.#answers),
      error: this.#error,
    };
  }

  async close(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    await this.#round;
  }

  #isDue({ based, toldAtMs, chargedAtMs }: Counter, nowMs: number): boolean {
    return !based || nowMs - chargedAtMs < BUSY_MS || nowMs - toldAtMs >= this.#bounds.idleEveryMs;
  }

  async #tell(counter: Counter): Promise<void> {
    const { usage } = this.#options.snapshots;
    const now = this.#options.clock();
    const reading = usage.read(counter.key, 'day', now);
    if (reading.state === 'unknown') {
      this.#count('unknown');
      return;
    }
    const { asOf } = reading;
    // Nothing was ever published of it: as of then nothing was used.
    const known = reading.state === 'known' ? reading : { used: '0', periodStart: periodStart('day', asOf) };
    // The counters' days are UTC's. By another calendar they cannot be told, stay unknown, and so deny.
    if (periodStart('day', known.periodStart) !== known.periodStart) {
      this.#count('other_calendar');
      return;
    }
    const { rootId, tenantId, metric } = counter;
    const about = { rootId, tenantId, metric, asOf };
    const outcome = await this.#options.limiter.rebase({
      ...about,
      dayStart: known.periodStart,
      used: known.used,
    });
    this.#count(outcome);
    counter.toldAtMs = now.monotonicMs;
    counter.based = outcome === 'applied' || outcome === 'older';
    // The store knew nothing of today: nor will it of tomorrow.
    if (outcome === 'settling') counter.dayToCome = 0;
    await this.#tellDayToCome(counter, known.periodStart + DAY_MS, asOf);
  }

  async #tellDayToCome(counter: Counter, dayStart: number, asOf: number): Promise<void> {
    if (counter.dayToCome === dayStart || asOf < dayStart - DAY_TO_COME_MS || asOf >= dayStart) return;
    const { rootId, tenantId, metric } = counter;
    const outcome = await this.#options.limiter.rebase({
      rootId,
      tenantId,
      metric,
      dayStart,
      used: '0',
      asOf,
    });
    this.#count(`day_to_come_${outcome}`);
    if (outcome === 'applied' || outcome === 'older') counter.dayToCome = dayStart;
  }

  #count(answer: string): void {
    this.#answers.set(answer, (this.#answers.get(answer) ?? 0) + 1);
  }

  /** The counters that the registry asks for; what is known of them stays. */
  #refresh(): void {
    const { policy } = this.#options.snapshots;
    if (policy.generation === this.#generation) return;
    this.#generation = policy.generation;
    const before = this.#counters;
    this.#counters = new Map();
    this.#overflowed = 0;
    // So that a counter that is new is told of the snapshot that is there.
    this.#asOf = null;
    for (const tenantId of policy.tenantIds()) {
      const planId = policy.tenant(tenantId)?.plan ?? null;
      const limits = (planId === null ? undefined : policy.plan(planId))?.limits ?? [];
      for (const { metric, strict } of limits) if (strict) this.#add(tenantId, metric, before);
    }
  }

  #add(tenantId: string, metric: string, before: ReadonlyMap<string, Counter>): void {
    const rootId = placeOf(this.#options.snapshots.policy, tenantId)?.lineage.at(-1);
    if (rootId === undefined) return;
    if (this.#counters.size >= this.#bounds.maxCounters) {
      this.#overflowed += 1;
      return;
    }
    const key = keyOf(tenantId, metric, 'day');
    const known = before.get(key);
    // A tenant that hangs below another root is counted elsewhere.
    if (known?.rootId === rootId) this.#counters.set(key, known);
    else
      this.#counters.set(key, {
        ...{ rootId, tenantId, metric, key: new UsageKey(tenantId, metric, 'day') },
        ...{ toldAtMs: -Infinity, chargedAtMs: -Infinity, based: false, dayToCome: 0 },
      });
  }
}
