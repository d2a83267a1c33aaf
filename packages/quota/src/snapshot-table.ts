/**
 * Current usage in memory, as the snapshot publisher tells it. Pure: clocks are arguments.
 *
 * Terminology. A *message* is one usage snapshot or one heartbeat, stamped (epoch, sequence): the
 * publisher's start and its message number. *As of* an instant means that every event that the broker
 * had before it is in. A heartbeat's as-of holds for every key of its epoch, because a publisher sends
 * its first heartbeat only after its whole state.
 *
 * By which calendar a period turns is the publisher's to know: each message says from when to when its
 * usage counts, and that is what is read by. So a reader whose registry or time zones are of another
 * day than the publisher's takes no usage for another period's.
 */
import { decimalFromStore, type Billionths, type Period } from '@meterhouse/usage';
import { PolicySet } from './registry/policy-set.ts';

interface Stamp {
  readonly epoch: number;
  readonly sequence: number;
  /** Epoch ms. */
  readonly asOf: number;
  /** Epoch ms on the publisher's clock. */
  readonly publishedAt: number;
}

export type SnapshotMessage =
  | (Stamp & {
      readonly kind: 'usage';
      readonly tenantId: string;
      readonly metric: string;
      readonly period: Period;
      /** Epoch ms. */
      readonly periodStart: number;
      /** Epoch ms; null: never, it is a total. */
      readonly periodEnd: number | null;
      readonly used: string;
    })
  | (Stamp & { readonly kind: 'heartbeat' })
  /** A document of the registry as it stands since a version; a null body removes it. */
  | (Stamp & {
      readonly kind: 'document';
      readonly documentKind: string;
      readonly id: string;
      readonly version: bigint;
      readonly body: unknown;
    })
  /** Every document up to this version of the registry has been published. */
  | (Stamp & { readonly kind: 'registry'; readonly version: bigint });

type UsageMessage = Extract<SnapshotMessage, { kind: 'usage' }>;

/** Both clocks of the reading process: only the second one cannot be set. */
export interface Now {
  /** Epoch ms. */
  readonly wallMs: number;
  /** Milliseconds since some fixed instant of this process. */
  readonly monotonicMs: number;
}

/**
 * What is known of a tenant's usage. `ageMs` is never less than the true age, whichever way either
 * clock is wrong; it is Infinity while nothing was heard live.
 */
export type SnapshotReading =
  | {
      readonly state: 'known';
      /** Decimal. */
      readonly used: string;
      /** The same in billionths. */
      readonly amount: Billionths;
      /** How fast it rose at last, over all processes: billionths a second, never negative. */
      readonly perSecond: Billionths;
      /** Epoch ms of the period that `used` is of; of a 0 that nobody published, an instant in or before it. */
      readonly periodStart: number;
      /** Epoch ms. */
      readonly asOf: number;
      readonly ageMs: number;
    }
  /** Nothing was ever published for this tenant and metric, as of `asOf`. */
  | { readonly state: 'absent'; readonly asOf: number; readonly ageMs: number }
  | {
      readonly state: 'unknown';
      readonly reason: UnknownReason;
      readonly asOf: number | null;
      readonly ageMs: number;
    };

export type UnknownReason =
  /** No heartbeat has been read. */
  | 'nothing_heard'
  /** The period has begun on one clock and not on the other, or usage is not complete up to its start. */
  | 'period_not_reached'
  /** A total that the publisher does not follow, or not yet: without it, everything ever used is unknown. */
  | 'not_published'
  /** The last message of this key could not be read. */
  | 'unreadable'
  /** The table is full; keys met since are not in it. */
  | 'table_full';

/** Through when everything is in, and how old that is. */
export interface Freshness {
  /** Epoch ms; null before the first heartbeat. */
  readonly asOf: number | null;
  /** Never less than the true age. */
  readonly ageMs: number;
  /** The same without regard to the wall clock, which may be wrong by days. */
  readonly monotonicAgeMs: number;
}

/** What says how fresh an answer is. */
interface Evidence {
  readonly asOf: number;
  readonly publishedAt: number;
  readonly publishedAfterMs: number;
  readonly epoch: number;
}

/** A key's usage as last published. There is one for each key as long as its table, written in place. */
interface Slot {
  used: string;
  amount: Billionths;
  perSecond: Billionths;
  published: Published;
}

/** Of which period it is, and what says how fresh: the same object for many keys. */
interface Published extends Evidence {
  readonly periodStart: number;
  /** Infinity of a total. */
  readonly periodEnd: number;
}

/**
 * Names usage in the snapshots, and remembers where the table that was asked last keeps it: whoever
 * holds one and asks again is spared the look-up. That holds because a table never drops a slot.
 */
export class UsageKey {
  /** As of keyOf(). */
  readonly text: string;
  #slots: ReadonlyMap<string, Slot> | null = null;
  #slot: Slot | undefined = undefined;

  constructor(tenantId: string, metric: string, period: Period) {
    this.text = keyOf(tenantId, metric, period);
  }

  slotIn(slots: ReadonlyMap<string, Slot>): Slot | undefined {
    if (this.#slots === slots) return this.#slot;
    const slot = slots.get(this.text);
    // What is not there yet may come.
    if (slot !== undefined) {
      this.#slots = slots;
      this.#slot = slot;
    }
    return slot;
  }
}

export interface SnapshotTableBounds {
  /** Keys held at most; beyond it unknown keys read as `table_full`. About 300 bytes each. */
  readonly maxKeys: number;
}

/** Periods whose last evidence is shared by what follows; emptied when full, which costs only sharing. */
const MAX_SHARED_SPANS = 10_000;

export class SnapshotTable {
  readonly #maxKeys: number;
  readonly #slots = new Map<string, Slot>();
  readonly #unreadable = new Set<string>();
  #heartbeat: Evidence | null = null;
  readonly #lastPublished = new Map<string, Published>();
  #lastEpoch = -1;
  #lastSequence = -1;
  #full = false;
  #registryVersion = 0n;
  #caughtUp = false;
  /** The registry as far as it is complete. */
  readonly policy = new PolicySet();

  constructor(bounds: SnapshotTableBounds = { maxKeys: 2_000_000 }) {
    this.#maxKeys = bounds.maxKeys;
  }

  get keys(): number {
    return this.#slots.size;
  }

  /**
   * Takes a message in, unless a message at or above its (epoch, sequence) has been: the publisher
   * writes in that order, so a lower one comes from a publisher that was replaced and did not know it.
   * @param publishedAfterMs monotonic instant after which the message was surely published; -Infinity
   *   where that is not known, as for what was in the log before we looked
   */
  apply(message: SnapshotMessage, publishedAfterMs: number): 'applied' | 'older' {
    if (!this.#isNewer(message)) return 'older';
    this.#lastEpoch = message.epoch;
    this.#lastSequence = message.sequence;
    if (message.kind === 'heartbeat') {
      const { asOf, publishedAt, epoch } = message;
      this.#heartbeat = { asOf, publishedAt, publishedAfterMs, epoch };
      return 'applied';
    }
    if (message.kind === 'document') {
      const { documentKind: kind, id, version, body } = message;
      this.policy.stage({ kind, id, version, body });
      return 'applied';
    }
    if (message.kind === 'registry') {
      this.#registryVersion = message.version;
      if (this.#caughtUp) this.policy.complete(message.version);
      return 'applied';
    }
    this.#put(message, this.#publishedOf(message, publishedAfterMs));
    return 'applied';
  }

  /**
   * All that the log held has been taken in. Only now the registry counts: on the way there a compacted
   * log shows states that never were, such as one without an override that was changed later.
   */
  caughtUp(): void {
    this.#caughtUp = true;
    this.policy.complete(this.#registryVersion);
  }

  /** A message of this key (`tenant|metric|period`) was there and could not be read: what we have of it is old. */
  distrust(key: string): void {
    if (this.#unreadable.size < this.#maxKeys) this.#unreadable.add(key);
    else this.#full = true;
  }

  get(tenantId: string, metric: string, period: Period, now: Now): SnapshotReading {
    const key = keyOf(tenantId, metric, period);
    return this.#reading(this.#slots.get(key), key, period, now);
  }

  /** @param key of the same period */
  read(key: UsageKey, period: Period, now: Now): SnapshotReading {
    return this.#reading(key.slotIn(this.#slots), key.text, period, now);
  }

  /** Through when everything is in, and how old that is. Null asOf before the first heartbeat. */
  freshness(now: Now): Freshness {
    const heartbeat = this.#heartbeat;
    if (heartbeat === null) return { asOf: null, ageMs: Infinity, monotonicAgeMs: Infinity };
    return {
      asOf: heartbeat.asOf,
      ageMs: ageOf(heartbeat, now),
      monotonicAgeMs: monotonicAgeOf(heartbeat, now),
    };
  }

  #isNewer(message: Stamp): boolean {
    if (message.epoch !== this.#lastEpoch) return message.epoch > this.#lastEpoch;
    return message.sequence > this.#lastSequence;
  }

  #put({ tenantId, metric, period, used }: UsageMessage, published: Published): void {
    const amount = decimalFromStore(used);
    const key = keyOf(tenantId, metric, period);
    this.#unreadable.delete(key);
    const slot = this.#slots.get(key);
    if (slot !== undefined) {
      slot.perSecond = rateOf(slot, amount, published);
      slot.used = used;
      slot.amount = amount;
      slot.published = published;
    } else if (this.#slots.size < this.#maxKeys)
      this.#slots.set(key, { used, amount, perSecond: 0n, published });
    else this.#full = true;
  }

  /** The same object as for the message before it if they say the same, as those of one batch do. */
  #publishedOf(message: UsageMessage, publishedAfterMs: number): Published {
    const { asOf, publishedAt, epoch, periodStart } = message;
    const periodEnd = message.periodEnd ?? Infinity;
    // There are as many periods in a batch as calendars.
    const span = `${periodStart} ${periodEnd}`;
    const last = this.#lastPublished.get(span);
    if (
      last?.asOf === asOf &&
      last.publishedAt === publishedAt &&
      last.publishedAfterMs === publishedAfterMs &&
      last.epoch === epoch
    )
      return last;
    const published = { asOf, publishedAt, publishedAfterMs, epoch, periodStart, periodEnd };
    if (this.#lastPublished.size >= MAX_SHARED_SPANS) this.#lastPublished.clear();
    this.#lastPublished.set(span, published);
    return published;
  }

  #reading(slot: Slot | undefined, key: string, period: Period, now: Now): SnapshotReading {
    const heartbeat = this.#heartbeat;
    if (this.#unreadable.size > 0 && this.#unreadable.has(key)) return this.#unknown('unreadable', now);
    if (slot === undefined) return this.#missing(period, now);
    const { periodStart, periodEnd, epoch } = slot.published;
    const evidence = laterOf(slot.published, heartbeat);
    // An as-of has passed for certain, so a reader whose clock is behind still asks for the right period.
    const at = Math.max(now.wallMs, evidence.asOf);
    // The publisher's clock or ours is wrong; its early zero must not pass for this period's usage.
    if (at < periodStart) return this.#unknown('period_not_reached', now);
    const { used, amount, perSecond } = slot;
    const superseded = heartbeat !== null && epoch < heartbeat.epoch;
    // A later publisher may not follow it, and what it leaves out has not begun at 0.
    if (superseded && period === 'total') return this.#unknown('not_published', now);
    const over = at >= periodEnd;
    if (!over && !superseded) return known(used, amount, perSecond, periodStart, evidence, now);
    // Not published in this period, or not by this publisher: nothing was used, once complete so far.
    const start = over ? periodEnd : periodStart;
    if (heartbeat === null || heartbeat.asOf < start) return this.#unknown('period_not_reached', now);
    return known('0', 0n, perSecond, start, heartbeat, now);
  }

  #missing(period: Period, now: Now): SnapshotReading {
    const heartbeat = this.#heartbeat;
    if (heartbeat === null) return this.#unknown('nothing_heard', now);
    if (this.#full) return this.#unknown('table_full', now);
    if (period === 'total') return this.#unknown('not_published', now);
    return { state: 'absent', asOf: heartbeat.asOf, ageMs: ageOf(heartbeat, now) };
  }

  #unknown(reason: UnknownReason, now: Now): SnapshotReading {
    const { asOf, ageMs } = this.freshness(now);
    return { state: 'unknown', reason, asOf, ageMs };
  }
}

/** The key of a usage message on the topic too. Neither a tenant's id nor a metric's name can hold `|`. */
export function keyOf(tenantId: string, metric: string, period: Period): string {
  return `${tenantId}|${metric}|${period}`;
}

function known(
  used: string,
  amount: Billionths,
  perSecond: Billionths,
  periodStart: number,
  evidence: Evidence,
  now: Now,
): SnapshotReading {
  const { asOf } = evidence;
  return { state: 'known', used, amount, perSecond, periodStart, asOf, ageMs: ageOf(evidence, now) };
}

/**
 * How fast usage rises, from two snapshots of a period. A pause halves it with every snapshot instead
 * of ending it: bursts come again.
 */
function rateOf(before: Slot, amount: Billionths, { asOf, periodStart }: Published): Billionths {
  const elapsedMs = asOf - before.published.asOf;
  if (before.published.periodStart !== periodStart || elapsedMs <= 0) return before.perSecond;
  const rise = amount - before.amount;
  const now = rise > 0n ? (rise * 1_000n) / BigInt(elapsedMs) : 0n;
  const faded = before.perSecond / 2n;
  return now > faded ? now : faded;
}

/** A heartbeat of the entry's own publisher speaks for the entry too. */
function laterOf(entry: Evidence, heartbeat: Evidence | null): Evidence {
  return heartbeat !== null && heartbeat.epoch >= entry.epoch && heartbeat.asOf >= entry.asOf
    ? heartbeat
    : entry;
}

/**
 * The larger of two ages: by our wall clock since the as-of, and by our monotonic clock since the
 * message can have been published, plus how old the as-of was then on the publisher's clock. A wall
 * clock that is behind cannot lower the second, so a stopped publisher is always noticed.
 */
function ageOf(evidence: Evidence, now: Now): number {
  return Math.max(0, now.wallMs - evidence.asOf, monotonicAgeOf(evidence, now));
}

function monotonicAgeOf(evidence: Evidence, now: Now): number {
  const whenPublished = Math.max(0, evidence.publishedAt - evidence.asOf);
  return now.monotonicMs - evidence.publishedAfterMs + whenPublished;
}
