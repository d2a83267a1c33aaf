/**
 * The limiter: charges several scopes at once, or says why it cannot. With Redis away each rule's own
 * word holds, a bucket of this process or a refusal; there is no third.
 */
import { randomUUID } from 'node:crypto';
import { periodStart } from '@meterhouse/usage';
import {
  readAnswer,
  RETRY_UNAVAILABLE_MS,
  type ChargeState,
  type DecidedBy,
  type RateAnswer,
} from './answer.ts';
import {
  checkCharges,
  checkLeases,
  checkRebase,
  type ChargePlace,
  type ChargeReceipt,
  type CheckedQuota,
  type Leases,
  type RateCharge,
  type Rebase,
} from './charge.ts';
import type { CircuitState } from './circuit-breaker.ts';
import { systemClock, type Clock } from './clock.ts';
import { leaseKey, quotaKey, rateKey, refundKey } from './keys.ts';
import { MemoryStore } from './memory/memory-store.ts';
import { localAllowance, shardAllowance, wholeAllowance, type Allowance } from './rule.ts';
import { isSplit, ShardDealer } from './shards.ts';
import { dayName } from './strict-quota.ts';
import { StoreGuard, type GuardBounds, type Guarded, type NoAnswer } from './store-guard.ts';
import {
  StoreFullError,
  type LeaseCall,
  type RateMeter,
  type RateStore,
  type RebaseOutcome,
  type RefundOutcome,
  type StoreCall,
  type StoreReply,
} from './store.ts';

export interface RateLimiterOptions {
  /** `MemoryStore` for one process, `openRedisStore` or `RedisStore` for several. */
  readonly store: RateStore;
  /** Before every key, such as `prod:`; it may not hold braces. */
  readonly keyPrefix?: string;
  /** Hot roots and how many shards their rates are split into; the same in all processes. */
  readonly shardsByRoot?: Readonly<Record<string, number>>;
  /** Only for Redis. */
  readonly guard?: Partial<GuardBounds>;
  /** Counters of the local fallback at most; beyond them it refuses. */
  readonly maxLocalKeys?: number;
  /**
   * Within this time after a charge its usage event is at the broker, whatever the clocks of Redis and of
   * the snapshots' publisher differ by included. Charges younger than that survive a rebase.
   */
  readonly settleMs?: number;
  readonly clock?: Clock;
  /** A number in [0, 1). */
  readonly random?: () => number;
  /** Names a charge of strict quotas, so that it is given back once. */
  readonly newId?: () => string;
  /** Told when Redis is given up (`open`), tried (`half_open`) and back (`closed`). */
  readonly onCircuitChange?: (state: CircuitState, cause: unknown) => void;
}

export const GUARD_DEFAULTS: GuardBounds = {
  deadlineMs: 100,
  maxPending: 1_000,
  failuresToOpen: 5,
  openMs: 1_000,
};

export interface LimiterStatus {
  readonly circuit: CircuitState;
  /** Calls that Redis has not answered, with those that were given up. */
  readonly pending: number;
  readonly localKeys: number;
  /** Answers so far, such as `redis.admitted`; of `unavailable` also the reason. */
  readonly answers: Readonly<Record<string, number>>;
}

export class RateLimiter {
  readonly #store: RateStore;
  readonly #guard: StoreGuard;
  readonly #local: MemoryStore;
  readonly #dealer: ShardDealer;
  readonly #prefix: string;
  readonly #settleMs: number;
  readonly #newId: () => string;
  /** The names are of a closed set: three deciders, three outcomes, six reasons. */
  readonly #answers = new Map<string, number>();

  constructor(options: RateLimiterOptions) {
    const clock = options.clock ?? systemClock;
    this.#store = options.store;
    this.#prefix = options.keyPrefix ?? '';
    // A brace here would become the hash tag, and scatter or gather all keys.
    if (/[{}]/.test(this.#prefix)) throw new RangeError('keyPrefix: must not hold braces');
    this.#settleMs = options.settleMs ?? 60_000;
    if (!Number.isSafeInteger(this.#settleMs) || this.#settleMs < 0)
      throw new RangeError('settleMs: must be a whole number that is not negative');
    this.#newId = options.newId ?? randomUUID;
    this.#guard = new StoreGuard(
      { ...GUARD_DEFAULTS, ...options.guard },
      clock.monotonicMs,
      options.onCircuitChange ?? (() => undefined),
    );
    this.#local = new MemoryStore({ maxKeys: options.maxLocalKeys ?? 100_000, clock });
    this.#dealer = new ShardDealer(options.shardsByRoot ?? {}, options.random ?? Math.random);
  }

  /**
   * Charges all, or none of them.
   * @throws InvalidChargeError when a field is not what it must be; nothing else makes it reject
   */
  async charge(charges: readonly RateCharge[], place: ChargePlace): Promise<RateAnswer> {
    const quotas = checkCharges(charges, place);
    const answer = await this.#charge(charges, place, quotas);
    const name = `${answer.decidedBy}.${answer.outcome}`;
    const counted = answer.outcome === 'unavailable' ? `${name}.${answer.reason}` : name;
    this.#answers.set(counted, (this.#answers.get(counted) ?? 0) + 1);
    return answer;
  }

  /**
   * Tells a strict counter what a snapshot says; to be called for each snapshot of the day, and for the
   * day to come with `0`, so that it does not begin unknown.
   * @throws InvalidChargeError
   */
  async rebase(rebase: Rebase): Promise<RebaseOutcome | 'unavailable'> {
    const used = checkRebase(rebase);
    const { rootId, tenantId, metric, dayStart, asOf } = rebase;
    const key = quotaKey(this.#prefix, rootId, tenantId, metric);
    const result = await this.#ask((store) =>
      store.rebase({ key, dayStart, used, asOf, settleMs: this.#settleMs }),
    );
    return result.answered ? result.value : 'unavailable';
  }

  /**
   * Gives back what an admission charged to strict quotas and its work did not use; rates stay charged.
   * Done once however often it is asked for. While the store is away nothing is given back: the first
   * rebase that is later than the charge by `settleMs` takes it out.
   */
  async refund({ rootId, refundId, charged }: ChargeReceipt): Promise<RefundOutcome | 'unavailable'> {
    const result = await this.#ask((store) =>
      store.refund({
        key: refundKey(this.#prefix, rootId, refundId),
        charged: charged.map(({ tenantId, metric, deltaUnits, atMs, dayStart }) => ({
          key: `${quotaKey(this.#prefix, rootId, tenantId, metric)}:${dayName(dayStart)}`,
          delta: deltaUnits,
          atMs,
        })),
        settleMs: this.#settleMs,
      }),
    );
    return result.answered ? result.value : 'unavailable';
  }

  /**
   * Makes leases last for their whole term again, counted from when the store is asked.
   * @returns `lost` where a place is somebody else's by now; then all of them are free
   * @throws InvalidChargeError
   */
  async renewLeases(rootId: string, leases: Leases): Promise<'renewed' | 'lost' | 'unavailable'> {
    checkLeases(leases);
    const result = await this.#ask((store) => store.renewLeases(this.#leaseCall(rootId, leases)));
    if (!result.answered) return 'unavailable';
    return result.value ? 'renewed' : 'lost';
  }

  /**
   * Gives leases back before they end by themselves. What is not held is no error.
   * @throws InvalidChargeError
   */
  async releaseLeases(rootId: string, leases: Leases): Promise<'released' | 'unavailable'> {
    checkLeases(leases);
    const result = await this.#ask((store) => store.releaseLeases(this.#leaseCall(rootId, leases)));
    return result.answered ? 'released' : 'unavailable';
  }

  status(): LimiterStatus {
    return {
      circuit: this.#guard.circuit,
      pending: this.#guard.pending,
      localKeys: this.#local.keys,
      answers: Object.fromEntries(this.#answers),
    };
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  async #charge(
    charges: readonly RateCharge[],
    place: ChargePlace,
    quotas: readonly CheckedQuota[],
  ): Promise<RateAnswer> {
    const call = this.#storeCall(charges, place, quotas);
    const leases = place.leases?.of ?? [];
    const result = await this.#ask((store) => store.charge(call));
    if (result.answered)
      return readAnswer({ charges, quotas, leases, call }, result.value, {
        decidedBy: this.#store.kind,
        fallbackReason: null,
        receipt: this.#receipt(place.rootId, quotas, result.value),
      });
    if (this.#store.kind === 'memory') return this.#unavailable('memory', result.reason, null);
    return this.#chargeLocally(charges, place, quotas, result.reason);
  }

  async #chargeLocally(
    charges: readonly RateCharge[],
    place: ChargePlace,
    quotas: readonly CheckedQuota[],
    reason: NoAnswer,
  ): Promise<RateAnswer> {
    if (quotas.length > 0) return this.#unavailable('local_fallback', reason, { kind: 'quota', index: 0 });
    if (place.leases !== undefined)
      return this.#unavailable('local_fallback', reason, { kind: 'lease', index: 0 });
    const rates: RateMeter[] = [];
    for (const [index, charge] of charges.entries()) {
      const allowance = charge.rule.whenUnavailable === 'local' ? localAllowance(charge.rule) : null;
      if (allowance === null) return this.#unavailable('local_fallback', reason, { kind: 'rate', index });
      rates.push(this.#meter(charge, place.rootId, 0, allowance));
    }
    const call: StoreCall = { rates, quotas: [] };
    const result = await ofMemory(() => this.#local.charge(call));
    if (!result.answered) return this.#unavailable('local_fallback', result.reason, null);
    return readAnswer({ charges, quotas, leases: [], call }, result.value, {
      decidedBy: 'local_fallback',
      fallbackReason: reason,
      receipt: null,
    });
  }

  #receipt(rootId: string, quotas: readonly CheckedQuota[], reply: StoreReply): ChargeReceipt | null {
    if (quotas.length === 0 || !reply.charged) return null;
    const dayStart = periodStart('day', reply.nowMs);
    const charged = quotas.map(({ tenantId, metric, deltaUnits }, index) => {
      const atMs = reply.quotas[index]?.atMs ?? reply.nowMs;
      return { tenantId, metric, deltaUnits, atMs, dayStart };
    });
    return { rootId, refundId: this.#newId(), charged };
  }

  #unavailable(
    decidedBy: DecidedBy,
    reason: NoAnswer,
    deniedBy: { readonly kind: ChargeState['kind']; readonly index: number } | null,
  ): RateAnswer {
    const retryAfterMs = Math.max(RETRY_UNAVAILABLE_MS, this.#guard.retryAfterMs);
    return { outcome: 'unavailable', decidedBy, reason, deniedBy, retryAfterMs };
  }

  #ask<T>(call: (store: RateStore) => Promise<T>): Promise<Guarded<T>> {
    const store = this.#store;
    return store.kind === 'memory' ? ofMemory(() => call(store)) : this.#guard.run(() => call(store));
  }

  #storeCall(
    charges: readonly RateCharge[],
    { rootId, leases }: ChargePlace,
    quotas: readonly CheckedQuota[],
  ): StoreCall {
    const shards = this.#dealer.shardsOf(rootId);
    const shard = this.#dealer.deal(rootId, charges, quotas.length > 0 || leases !== undefined);
    return {
      ...(leases === undefined ? {} : { leases: this.#leaseCall(rootId, leases) }),
      rates: charges.map((charge) => {
        const { rule } = charge;
        const allowance = isSplit(rule, shards) ? shardAllowance(rule, shard, shards) : wholeAllowance(rule);
        return this.#meter(charge, rootId, shard, allowance);
      }),
      quotas: quotas.map(({ tenantId, metric, deltaUnits, ceilingUnits }) => ({
        key: quotaKey(this.#prefix, rootId, tenantId, metric),
        delta: deltaUnits,
        ceiling: ceilingUnits,
      })),
    };
  }

  #leaseCall(rootId: string, { id, of }: Leases): LeaseCall {
    const meters = of.map(({ tenantId, id: limitId, limit, leaseMs }) => ({
      key: leaseKey(this.#prefix, rootId, tenantId, limitId),
      limit,
      leaseMs,
    }));
    return { id, meters };
  }

  #meter(
    { tenantId, route, rule, cost }: RateCharge,
    rootId: string,
    shard: number,
    allowance: Allowance,
  ): RateMeter {
    const key = rateKey({ prefix: this.#prefix, rootId, shard }, tenantId, route, rule);
    return { key, allowance, cost };
  }
}

export function createRateLimiter(options: RateLimiterOptions): RateLimiter {
  return new RateLimiter(options);
}

/** A store in memory can only fail by being full; anything else is a defect and is thrown. */
async function ofMemory<T>(call: () => Promise<T>): Promise<Guarded<T>> {
  try {
    return { answered: true, value: await call() };
  } catch (error) {
    if (error instanceof StoreFullError) return { answered: false, reason: 'store_full' };
    throw error;
  }
}
