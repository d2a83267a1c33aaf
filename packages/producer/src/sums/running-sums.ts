/**
 * Adds amounts up by tenant, attributes, attribution and hour, so that thousands of small ones go out as
 * one event. Exact: BigInts of billionths, and an hour's amounts never reach another hour's sum. Pure.
 */
import { HOUR_MS, type Billionths, type UsageEvent } from '@meterhouse/usage';
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

export class RunningSums {
  /** A place has few metrics: found sooner in a list than by a key of their own. */
  readonly #places = new Map<string, RunningSum[]>();
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
    const key = keyOf(place, ts);
    const sums = this.#places.get(key) ?? [];
    let all = true;
    for (const [index, [metric, amount]] of amounts.entries()) {
      const sum = sums[index]?.event.metric === metric ? sums[index] : find(sums, metric);
      if (sum === undefined) all = this.#begin(key, sums, begin(metric), amount, ts) && all;
      else {
        sum.amount += amount;
        // The clock may have been set back.
        if (ts > sum.ts) sum.ts = ts;
      }
    }
    return all;
  }

  #begin(key: string, sums: RunningSum[], event: UsageEvent | null, amount: Billionths, ts: number): boolean {
    if (event === null) return false;
    if (sums.length === 0) this.#places.set(key, sums);
    sums.push({ event, amount, ts });
    this.#size += 1;
    return true;
  }

  /**
   * Ends the sums, oldest first, as long as `take` takes them.
   * @returns whether none is left
   */
  drain(take: (sum: RunningSum) => boolean): boolean {
    for (const [key, sums] of this.#places) {
      for (let sum = sums[0]; sum !== undefined; sum = sums[0]) {
        if (!take(sum)) return false;
        sums.shift();
        this.#size -= 1;
      }
      this.#places.delete(key);
    }
    return true;
  }
}

function find(sums: readonly RunningSum[], metric: string): RunningSum | undefined {
  return sums.find(({ event }) => event.metric === metric);
}

/** Lengths tell where a text ends, whatever is in it. */
function keyOf({ tenantId, attrs, attribution }: SumPlace, ts: number): string {
  let key = `${Math.floor(ts / HOUR_MS)} ${tenantId.length} ${tenantId}`;
  key += textsKey(attrs);
  return attribution === null ? key : `${key} by${textsKey(attribution)}`;
}

function textsKey(texts: Readonly<Record<string, string>>): string {
  let key = '';
  for (const name of Object.keys(texts)) {
    const text = String(texts[name]);
    key += ` ${name.length} ${name} ${text.length} ${text}`;
  }
  return key;
}
