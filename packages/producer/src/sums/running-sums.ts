/**
 * Adds amounts up by tenant, attributes, attribution and hour, so that thousands of small ones go out as
 * one event. Exact: BigInts of billionths, and an hour's amounts never reach another hour's sum. Pure.
 */
import { hourOf, type Billionths, type UsageEvent } from '@meterhouse/usage';
import type { MetricAmount } from './summable.ts';

/** What amounts have in common that are added up. */
export interface SumPlace {
  readonly tenantId: string;
  readonly attrs: Readonly<Record<string, string>>;
  readonly attribution: Readonly<Record<string, string>> | null;
}

/** All that was added up for a metric in a place. */
export interface RunningSum {
  /** What its amounts say in common, checked; its own id, time and value mean nothing. */
  readonly event: UsageEvent;
  amount: Billionths;
  /** Of the last amount, epoch ms. */
  ts: number;
}

/** A place has few metrics: found sooner in a list than by a key of their own. */
type Sums = RunningSum[];

export class RunningSums {
  /** By hour and tenant, and then by the texts that tell places apart. */
  readonly #hours = new Map<number, Map<string, Map<string, Sums>>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /**
   * @param begin makes the event that a new sum is one of; null: it is none, and the amount is not added
   * @returns whether every amount was added
   */
  add(
    place: SumPlace,
    amounts: readonly MetricAmount[],
    ts: number,
    begin: (metric: string) => UsageEvent | null,
  ): boolean {
    const sums = this.#hours.get(hourOf(ts))?.get(place.tenantId)?.get(keyOf(place)) ?? [];
    let at = 0;
    let all = true;
    for (const [metric, amount] of amounts) {
      // They come in the same order nearly always.
      const sum = sums[at]?.event.metric === metric ? sums[at] : find(sums, metric);
      at += 1;
      if (sum === undefined) all = this.#begin(place, sums, begin(metric), amount, ts) && all;
      else {
        sum.amount += amount;
        // The clock may have been set back.
        if (ts > sum.ts) sum.ts = ts;
      }
    }
    return all;
  }

  #begin(place: SumPlace, sums: Sums, event: UsageEvent | null, amount: Billionths, ts: number): boolean {
    if (event === null) return false;
    // Also when they were drained to make room for this one.
    if (sums.length === 0) this.#put(place, ts, sums);
    sums.push({ event, amount, ts });
    this.#size += 1;
    return true;
  }

  #put(place: SumPlace, ts: number, sums: Sums): void {
    const tenants = entry(this.#hours, hourOf(ts), () => new Map<string, Map<string, Sums>>());
    entry(tenants, place.tenantId, () => new Map<string, Sums>()).set(keyOf(place), sums);
  }

  /**
   * Ends the sums, oldest hour first, as long as `take` takes them.
   * @returns whether none is left
   */
  drain(take: (sum: RunningSum) => boolean): boolean {
    for (const [hour, tenants] of this.#hours) {
      for (const [tenantId, places] of tenants) {
        for (const [texts, sums] of places) {
          for (let sum = sums[0]; sum !== undefined; sum = sums[0]) {
            if (!take(sum)) return false;
            sums.shift();
            this.#size -= 1;
          }
          places.delete(texts);
        }
        tenants.delete(tenantId);
      }
      this.#hours.delete(hour);
    }
    return true;
  }
}

function entry<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}

function find(sums: Sums, metric: string): RunningSum | undefined {
  return sums.find(({ event }) => event.metric === metric);
}

/** Frozen texts stay what they are, and wrappers use the same ones over and over. */
const keysOfFrozen = new WeakMap<object, string>();

/** Lengths tell where a text ends, whatever is in it. */
function keyOf({ attrs, attribution }: SumPlace): string {
  const key = keysOfFrozen.get(attrs) ?? keyOfAttrs(attrs);
  return attribution === null ? key : `${key} by${textsKey(attribution)}`;
}

function keyOfAttrs(attrs: SumPlace['attrs']): string {
  const key = textsKey(attrs);
  if (Object.isFrozen(attrs)) keysOfFrozen.set(attrs, key);
  return key;
}

function textsKey(texts: Readonly<Record<string, string>>): string {
  let key = '';
  for (const name of Object.keys(texts)) {
    const text = String(texts[name]);
    key += ` ${name.length} ${name} ${text.length} ${text}`;
  }
  return key;
}
