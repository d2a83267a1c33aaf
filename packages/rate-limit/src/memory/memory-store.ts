/** The store of one process: a bounded number of counters, and no call is ever half charged. */
import { DAY_MS, periodStart } from '@meterhouse/usage';
import { systemClock, type Clock } from '../clock.ts';
import type {
  LeaseCall,
  LeaseMeter,
  RateMeter,
  RateStore,
  RebaseCall,
  RebaseOutcome,
  RefundCall,
  RefundOutcome,
  StoreCall,
  StoreReply,
  WhenUnbased,
} from '../store.ts';
import { dayName, QUOTA_KEPT_AFTER_MS } from '../strict-quota.ts';
import { ForgetfulMap } from './forgetful-map.ts';
import { LeaseSet } from './lease-set.ts';
import { QuotaCounter, refuseRebase } from './quota-counter.ts';
import { stepWindow, type WindowState } from './sliding-window.ts';
import { stepBucket, type BucketState, type Step } from './token-bucket.ts';

export interface MemoryStoreOptions {
  /** Rate counters, and likewise quota counters, concurrency limits and refunds, held at most; about 500 bytes each. */
  readonly maxKeys?: number;
  readonly whenUnbased?: WhenUnbased;
  readonly clock?: Clock;
}

type RateState = BucketState | WindowState;

export class MemoryStore implements RateStore {
  readonly kind = 'memory';
  readonly #clock: Clock;
  readonly #whenUnbased: WhenUnbased;
  readonly #rates: ForgetfulMap<RateState>;
  readonly #quotas: ForgetfulMap<QuotaCounter>;
  readonly #leases: ForgetfulMap<LeaseSet>;
  readonly #refunds: ForgetfulMap<true>;

  constructor(options: MemoryStoreOptions = {}) {
    const maxKeys = options.maxKeys ?? 100_000;
    this.#clock = options.clock ?? systemClock;
    this.#whenUnbased = options.whenUnbased ?? 'deny';
    this.#rates = new ForgetfulMap(maxKeys);
    this.#quotas = new ForgetfulMap(maxKeys);
    this.#leases = new ForgetfulMap(maxKeys);
    this.#refunds = new ForgetfulMap(maxKeys);
  }

  get keys(): number {
    return this.#rates.size + this.#quotas.size + this.#leases.size + this.#refunds.size;
  }

  /** Rejects with StoreFullError when a new key has no room; nothing was charged then. */
  charge(call: StoreCall): Promise<StoreReply> {
    return new Promise((resolve) => resolve(this.#charge(call)));
  }

  /** Rejects with StoreFullError as charge does. */
  rebase(call: RebaseCall): Promise<RebaseOutcome> {
    return new Promise((resolve) => resolve(this.#rebase(call)));
  }

  /** Rejects with StoreFullError as charge does. */
  refund(call: RefundCall): Promise<RefundOutcome> {
    return new Promise((resolve) => resolve(this.#refund(call)));
  }

  /** Rejects with StoreFullError as charge does. */
  renewLeases(call: LeaseCall): Promise<boolean> {
    return new Promise((resolve) => resolve(this.#renewLeases(call)));
  }

  releaseLeases({ id, meters }: LeaseCall): Promise<void> {
    for (const { key } of meters) this.#leases.get(key)?.release(id);
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #charge(call: StoreCall): StoreReply {
    const nowMs = this.#clock.wallMs();
    const monotonicMs = Math.floor(this.#clock.monotonicMs());
    const rates = call.rates.map((meter) => ({ key: meter.key, step: this.#step(meter, monotonicMs) }));
    const quotas = call.quotas.map((meter) => {
      const key = `${meter.key}:${dayName(nowMs)}`;
      const counter = this.#quotas.get(key) ?? new QuotaCounter(nowMs, this.#whenUnbased === 'zero');
      return { key, delta: meter.delta, counter, state: counter.check(meter, this.#whenUnbased) };
    });
    const { id = '', meters = [] } = call.leases ?? {};
    const leases = meters.map((meter) => {
      const set = this.#leases.get(meter.key) ?? new LeaseSet();
      return { key: meter.key, meter, set, reading: set.check(id, meter, monotonicMs) };
    });
    const charged =
      rates.every(({ step }) => step.admits) &&
      quotas.every(({ state }) => state === 'admits') &&
      leases.every(({ reading }) => reading.admits);
    if (charged) {
      // All before any is changed: a store that is full must not be left half charged.
      this.#rates.makeRoomFor(rates, monotonicMs);
      this.#quotas.makeRoomFor(quotas, nowMs);
      this.#leases.makeRoomFor(leases, monotonicMs);
      for (const { key, step } of rates)
        this.#rates.set(key, step.ifCharged.state, step.ifCharged.forgettableAtMs);
      for (const { key, delta, counter } of quotas) {
        counter.charge(delta, nowMs);
        this.#quotas.set(key, counter, keptUntil(periodStart('day', nowMs)));
      }
      for (const lease of leases)
        lease.reading = { ...lease.reading, live: this.#hold(id, lease.meter, lease.set, monotonicMs) };
    }
    return {
      charged,
      nowMs,
      rates: rates.map(({ step: { admits, retryAfterMs, ifCharged, ifNot } }) => {
        const { remaining, resetMs } = charged ? ifCharged : ifNot;
        return { admits, remaining, retryAfterMs, resetMs };
      }),
      quotas: quotas.map(({ state, counter }) => ({
        state,
        used: counter.used,
        atMs: counter.datedAt(nowMs),
      })),
      leases: leases.map(({ reading }) => reading),
    };
  }

  #refund({ key, charged, settleMs }: RefundCall): RefundOutcome {
    const nowMs = this.#clock.wallMs();
    if (this.#refunds.get(key) !== undefined) return 'repeated';
    const lastMs = Math.min(...charged.map(({ atMs }) => atMs + settleMs));
    // From now on a rebase alone takes it out, and this refund need not be remembered.
    if (lastMs < nowMs) return 'too_late';
    this.#refunds.makeRoomFor([{ key }], nowMs);
    this.#refunds.set(key, true, lastMs + 1);
    const done = charged.map((each) => this.#quotas.get(each.key)?.refund(each.delta, each.atMs) === true);
    return done.includes(true) ? 'refunded' : 'forgotten';
  }

  #renewLeases({ id, meters }: LeaseCall): boolean {
    const nowMs = Math.floor(this.#clock.monotonicMs());
    const sets = meters.map((meter) => {
      const set = this.#leases.get(meter.key) ?? new LeaseSet();
      return { key: meter.key, meter, set };
    });
    const holdsAll = sets.every(({ set, meter }) => set.check(id, meter, nowMs).admits);
    if (holdsAll) this.#leases.makeRoomFor(sets, nowMs);
    for (const { set, meter } of sets)
      if (holdsAll) this.#hold(id, meter, set, nowMs);
      else set.release(id);
    return holdsAll;
  }

  #hold(id: string, meter: LeaseMeter, set: LeaseSet, nowMs: number): number {
    const live = set.hold(id, meter, nowMs);
    this.#leases.set(meter.key, set, set.lastEndMs);
    return live;
  }

  #rebase(call: RebaseCall): RebaseOutcome {
    const nowMs = this.#clock.wallMs();
    const refusal = refuseRebase(call, nowMs);
    if (refusal !== null) return refusal;
    const key = `${call.key}:${dayName(call.dayStart)}`;
    let counter = this.#quotas.get(key);
    if (counter === undefined) {
      this.#quotas.makeRoomFor([{ key }], nowMs);
      // Before its day begins nothing can have been charged to it.
      counter = new QuotaCounter(nowMs, nowMs < call.dayStart);
      this.#quotas.set(key, counter, keptUntil(call.dayStart));
    }
    return counter.rebase(call);
  }

  #step({ key, allowance, cost }: RateMeter, nowMs: number): Step<RateState> {
    const state = this.#rates.get(key);
    return allowance.algorithm === 'token_bucket'
      ? stepBucket(state?.kind === 'token_bucket' ? state : undefined, allowance, cost, nowMs)
      : stepWindow(state?.kind === 'sliding_window' ? state : undefined, allowance, cost, nowMs);
  }
}

function keptUntil(dayStart: number): number {
  return dayStart + DAY_MS + QUOTA_KEPT_AFTER_MS;
}
