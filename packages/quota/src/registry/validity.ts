/**
 * Which documents are in force? Nobody knows the time exactly: this process' clock may be wrong by a
 * day. What is certain is that it lies between two bounds. What widens (a raised ceiling, an
 * entitlement) is in force only if it is so at both; what narrows, already if it is at either.
 */

/** Epoch ms; the true time lies between. */
export interface TimeBounds {
  readonly earliest: number;
  readonly latest: number;
}

interface Interval {
  /** RFC 3339; null is open. */
  readonly start: string | null;
  readonly expiry: string | null;
}

export function surelyInForce({ start, expiry }: Interval, { earliest, latest }: TimeBounds): boolean {
  return (
    (start === null || Date.parse(start) <= earliest) && (expiry === null || latest < Date.parse(expiry))
  );
}

export function possiblyInForce({ start, expiry }: Interval, { earliest, latest }: TimeBounds): boolean {
  return (
    (start === null || Date.parse(start) <= latest) && (expiry === null || earliest < Date.parse(expiry))
  );
}

/**
 * What is known of the time from the last sign of the snapshot publisher: its as-of has passed, and
 * no more than its age has passed since. Our own wall clock can only move the end, so setting it back
 * gives nothing longer life, and setting it ahead starts nothing sooner.
 */
export function timeBounds(
  wallMs: number,
  heard: { readonly asOf: number | null; readonly ageMs: number },
): TimeBounds {
  // While nothing was heard, nothing is certain.
  if (heard.asOf === null) return { earliest: -Infinity, latest: Infinity };
  return { earliest: heard.asOf, latest: Math.max(wallMs, heard.asOf + heard.ageMs) };
}

/** Answers that hold while no boundary is crossed need not be worked out again. */
export class Boundaries {
  readonly #instants: number[] = [];

  add({ start, expiry }: Interval): void {
    if (start !== null) this.#instants.push(Date.parse(start));
    if (expiry !== null) this.#instants.push(Date.parse(expiry));
  }

  get none(): boolean {
    return this.#instants.length === 0;
  }

  /** Whether the same documents are in force at both. */
  same(one: TimeBounds, other: TimeBounds): boolean {
    for (const at of this.#instants)
      if (one.earliest < at !== other.earliest < at || one.latest < at !== other.latest < at) return false;
    return true;
  }
}
