/**
 * A hot root's rates are split over shards, each with its part of every limit. A call goes to the
 * shard to which this process has dealt least, so of any demand each shard is offered its part, short
 * by at most one charge a process. The parts add up to the limit: the error is only ever a refusal.
 */
import type { RateCharge } from './charge.ts';
import { wholeAllowance, type RateRule } from './rule.ts';

/** Below this many units a shard a rule is not split; it then lives in shard 0. */
const MIN_UNITS_PER_SHARD = 10;
const MAX_SHARDS = 64;
const MAX_SHARDED_ROOTS = 1_000;

export function isSplit(rule: RateRule, shards: number): boolean {
  const { limit, capacity } = wholeAllowance(rule);
  return shards > 1 && Math.min(limit, capacity) >= MIN_UNITS_PER_SHARD * shards;
}

export class ShardDealer {
  /** Millionths of the shard's capacity dealt so far, by root and shard; the least is kept at 0. */
  readonly #dealt: ReadonlyMap<string, number[]>;

  /**
   * @param shardsByRoot the same in all processes: a root whose number changes begins with unused limits
   * @param random a number in [0, 1)
   */
  constructor(shardsByRoot: Readonly<Record<string, number>>, random: () => number) {
    const entries = Object.entries(shardsByRoot);
    if (entries.length > MAX_SHARDED_ROOTS)
      throw new RangeError(`shardsByRoot: more than ${MAX_SHARDED_ROOTS} roots`);
    this.#dealt = new Map(
      entries.map(([rootId, shards]) => {
        if (!Number.isInteger(shards) || shards < 2 || shards > MAX_SHARDS)
          throw new RangeError(`shardsByRoot.${rootId}: must be a whole number from 2 to ${MAX_SHARDS}`);
        // Processes that begin together must not all begin with the same shard.
        const first = Math.floor(random() * shards);
        return [rootId, Array.from({ length: shards }, (_, shard) => (shard === first ? 0 : 1))];
      }),
    );
  }

  shardsOf(rootId: string): number {
    return this.#dealt.get(rootId)?.length ?? 1;
  }

  /** @param pinned the call charges something that lives in shard 0 only */
  deal(rootId: string, charges: readonly RateCharge[], pinned: boolean): number {
    const dealt = this.#dealt.get(rootId);
    if (dealt === undefined) return 0;
    const least = Math.min(...dealt);
    const shard =
      pinned || charges.some(({ rule }) => !isSplit(rule, dealt.length)) ? 0 : dealt.indexOf(least);
    const weight = Math.max(0, ...charges.map(({ rule, cost }) => weightOf(rule, cost)));
    dealt.forEach((load, index) => (dealt[index] = load - least + (index === shard ? weight : 0)));
    return shard;
  }
}

function weightOf(rule: RateRule, cost: number): number {
  return Math.ceil((cost * 1_000_000) / wholeAllowance(rule).capacity);
}
