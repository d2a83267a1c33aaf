/**
 * Current usage in memory, as the snapshot publisher tells it. Pure: clocks are arguments.
 *
 * Terminology. A *message* is one usage snapshot or one heartbeat, stamped (epoch, sequence): the
 * publisher's start and its message number. *As of* an instant means that every event that the broker
 * had before it is in. A heartbeat's as-of holds for every key of its epoch, because a publisher sends
 * its first heartbeat only after its whole state.
 */
import { periodStart, type Period } from '@meterhouse/usage';

interface Stamp {
  readonly epoch: number;
  readonly sequence: number;
  /** Epoch ms. */
  readonly asOf: number;
  /** Epoch ms on the publisher's clock. */
  readonly publishedAt: number;
}

export type LimitMode = 'hard' | 'soft';

export type SnapshotMessage =
  | (Stamp & {
      readonly kind: 'usage';
      readonly tenantId: string;
      readonly metric: string;
      readonly period: Period;
      readonly periodStart: number;
      readonly used: string;
      readonly limit: string | null;
      readonly mode: LimitMode | null;
    })
  | (Stamp & { readonly kind: 'heartbeat' });

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
      /** Decimal, or null where none is set. */
      readonly limit: string | null;
      readonly mode: LimitMode | null;
      /** Epoch ms of the period that `used` is of. */
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
  /** The last message of this key could not be read. */
  | 'unreadable'
  /** The table is full; keys met since are not in it. */
  | 'table_full';

/** What says how fresh an answer is. */
interface Evidence {
  readonly asOf: number;
  readonly publishedAt: number;
  readonly publishedAfterMs: number;
  readonly epoch: number;
}

interface Entry extends Evidence {
  readonly used: string;
  readonly limit: string | null;
  readonly mode: LimitMode | null;
  readonly periodStart: number;
}

export interface SnapshotTableBounds {
  /** Keys held at most; beyond it unknown keys read as `table_full`. About 300 bytes each. */
  readonly maxKeys: number;
}

export class SnapshotTable {
  readonly #maxKeys: number;
  readonly #entries = new Map<string, Entry>();
  readonly #unreadable = new Set<string>();
  #heartbeat: Evidence | null = null;
  #lastEpoch = -1;
  #lastSequence = -1;
  #full = false;

  constructor(bounds: SnapshotTableBounds = { maxKeys: 2_000_000 }) {
    this.#maxKeys = bounds.maxKeys;
  }

  get keys(): number {
    return this.#entries.size;
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
    const { asOf, publishedAt, epoch } = message;
    if (message.kind === 'heartbeat') {
      this.#heartbeat = { asOf, publishedAt, publishedAfterMs, epoch };
      return 'applied';
    }
    const { used, limit, mode } = message;
    const key = keyOf(message.tenantId, message.metric, message.period);
    this.#unreadable.delete(key);
    if (this.#hasRoomFor(key))
      this.#entries.set(key, {
        used,
        limit,
        mode,
        periodStart: message.periodStart,
        asOf,
        publishedAt,
        publishedAfterMs,
        epoch,
      });
    return 'applied';
  }

  /** A message of this key (`tenant|metric|period`) was there and could not be read: what we have of it is old. */
  distrust(key: string): void {
    if (this.#unreadable.size < this.#maxKeys) this.#unreadable.add(key);
    else this.#full = true;
  }

  get(tenantId: string, metric: string, period: Period, now: Now): SnapshotReading {
    const key = keyOf(tenantId, metric, period);
    const entry = this.#entries.get(key);
    const heartbeat = this.#heartbeat;
    if (this.#unreadable.has(key)) return this.#unknown('unreadable', now);
    if (entry === undefined) return this.#missing(now);
    const evidence = laterOf(entry, heartbeat);
    // An as-of has passed for certain, so a reader whose clock is behind still asks for the right period.
    const currentStart = periodStart(period, Math.max(now.wallMs, evidence.asOf));
    // The publisher's clock or ours is wrong; its early zero must not pass for this period's usage.
    if (entry.periodStart > currentStart) return this.#unknown('period_not_reached', now);
    const superseded = heartbeat !== null && entry.epoch < heartbeat.epoch;
    if (entry.periodStart === currentStart && !superseded) return known(entry, entry, evidence, now);
    // Not published in this period, or not by this publisher: nothing was used, once complete so far.
    if (heartbeat === null || heartbeat.asOf < currentStart) return this.#unknown('period_not_reached', now);
    return known(entry, { used: '0', periodStart: currentStart }, heartbeat, now);
  }

  /** Through when everything is in, and how old that is. Null asOf before the first heartbeat. */
  freshness(now: Now): { readonly asOf: number | null; readonly ageMs: number } {
    const heartbeat = this.#heartbeat;
    return heartbeat === null
      ? { asOf: null, ageMs: Infinity }
      : { asOf: heartbeat.asOf, ageMs: ageOf(heartbeat, now) };
  }

  #isNewer(message: Stamp): boolean {
    if (message.epoch !== this.#lastEpoch) return message.epoch > this.#lastEpoch;
    return message.sequence > this.#lastSequence;
  }

  #hasRoomFor(key: string): boolean {
    if (this.#entries.size < this.#maxKeys || this.#entries.has(key)) return true;
    this.#full = true;
    return false;
  }

  #missing(now: Now): SnapshotReading {
    const heartbeat = this.#heartbeat;
    if (heartbeat === null) return this.#unknown('nothing_heard', now);
    if (this.#full) return this.#unknown('table_full', now);
    return { state: 'absent', asOf: heartbeat.asOf, ageMs: ageOf(heartbeat, now) };
  }

  #unknown(reason: UnknownReason, now: Now): SnapshotReading {
    return { state: 'unknown', reason, ...this.freshness(now) };
  }
}

/** The key of a usage message on the topic too. Neither a tenant's id nor a metric's name can hold `|`. */
export function keyOf(tenantId: string, metric: string, period: Period): string {
  return `${tenantId}|${metric}|${period}`;
}

function known(
  entry: Entry,
  usage: { readonly used: string; readonly periodStart: number },
  evidence: Evidence,
  now: Now,
): SnapshotReading {
  return {
    state: 'known',
    used: usage.used,
    limit: entry.limit,
    mode: entry.mode,
    periodStart: usage.periodStart,
    asOf: evidence.asOf,
    ageMs: ageOf(evidence, now),
  };
}

/** A heartbeat of the entry's own publisher speaks for the entry too. */
function laterOf(entry: Entry, heartbeat: Evidence | null): Evidence {
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
  const byWallClock = now.wallMs - evidence.asOf;
  const whenPublished = Math.max(0, evidence.publishedAt - evidence.asOf);
  const byMonotonicClock = now.monotonicMs - evidence.publishedAfterMs + whenPublished;
  return Math.max(0, byWallClock, byMonotonicClock);
}
