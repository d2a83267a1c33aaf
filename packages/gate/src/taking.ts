/** What an admission takes outside this process, and giving it back. */
import type { CapacityFact, DecisionRequest, Facts, Held, Policies, Question } from '@meterhouse/quota';
import { keepLeases, type KeptLeases } from '@meterhouse/rate-limit';
import type { CapacityPort, CapacityWish, ReservedCapacity } from './capacity.ts';
import {
  charge,
  NOTHING_CHARGED,
  sharedCharges,
  type Charged,
  type RatePort,
  type SharedCharges,
} from './shared-limits.ts';
import type { StrictQuotas, StrictStatus } from './strict-quotas.ts';

export interface GateStatus {
  /** How the counters of strict ceilings are told of the snapshots; null without a limiter. */
  readonly strict: StrictStatus | null;
  /** What was given back to them, by what they answered, such as `refunded`. */
  readonly refunds: Readonly<Record<string, number>>;
}

export interface TakerOptions {
  readonly policies: Policies;
  readonly limiter: RatePort | undefined;
  readonly pools: CapacityPort | undefined;
  readonly strict: StrictQuotas | null;
  readonly newId: () => string;
}

export interface Asks {
  readonly charges: SharedCharges | null;
  readonly wish: CapacityWish | null;
}

export interface Taken {
  readonly held: Held | null;
  readonly charged: Charged;
  readonly place: KeptLeases | null;
  readonly wish: CapacityWish | null;
  readonly capacity: CapacityFact;
  readonly reserved: ReservedCapacity | null;
  settled: boolean;
}

export const NOTHING_TAKEN = {
  charged: NOTHING_CHARGED,
  place: null,
  wish: null,
  capacity: { outcome: 'not_needed' },
  reserved: null,
  settled: false,
} as const;

const NOT_ASKED: CapacityFact = { outcome: 'not_asked' };
const NO_POOLS: CapacityFact = { outcome: 'unavailable', retryAfterMs: null };

export class Taker {
  readonly #options: TakerOptions;
  /** The names are of a closed set: what a refund can come to. */
  readonly #refunds = new Map<string, number>();

  constructor(options: TakerOptions) {
    this.#options = options;
  }

  /** What has to be asked for outside this process; null: nothing. */
  asks(request: DecisionRequest, question: Question, facts: Facts): Asks | null {
    const tenant = this.#options.policies.tenant(request.tenantId);
    if ('problem' in tenant) return null;
    const charges = sharedCharges(this.#options.policies.view, tenant, request, question, facts);
    const wish = this.#wish(request, question);
    return charges === null && wish === null ? null : { charges, wish };
  }

  async take(request: DecisionRequest, { charges, wish }: Asks, held: Held | null): Promise<Taken> {
    const { limiter, pools, strict, newId } = this.#options;
    const askedAtMs = monotonicMs();
    const charged = charges === null ? NOTHING_CHARGED : await charge(limiter, charges, request, newId());
    for (const { ceiling } of charges?.strict ?? []) strict?.charged(ceiling.scope, ceiling.metric);
    const { leases } = charged;
    const place =
      leases === null || limiter === undefined || charges === null
        ? null
        : keepLeases(limiter, { rootId: charges.rootId, leases, askedAtMs, monotonicMs });
    const taken = { held, charged, place, wish, settled: false };
    if (wish === null) return { ...taken, capacity: { outcome: 'not_needed' }, reserved: null };
    // Nobody reserves what is denied already; decide() names that first.
    if (!passes(charged)) return { ...taken, capacity: NOT_ASKED, reserved: null };
    if (pools === undefined) return { ...taken, capacity: NO_POOLS, reserved: null };
    const { fact: capacity, reserved } = await pools.reserve(wish);
    return { ...taken, capacity, reserved };
  }

  /** Gives all back; what the work has used since it was settled stays. */
  async release({ held, charged, place, wish, reserved, settled }: Taken): Promise<void> {
    held?.release();
    await Promise.all([
      place?.release(),
      settled || charged.receipt === null ? null : this.#refund(charged.receipt),
      wish === null || reserved === null ? null : this.#options.pools?.release(wish, reserved),
    ]);
  }

  async #refund(receipt: NonNullable<Charged['receipt']>): Promise<void> {
    const outcome = (await this.#options.limiter?.refund(receipt)) ?? 'unavailable';
    this.#refunds.set(outcome, (this.#refunds.get(outcome) ?? 0) + 1);
  }

  #wish(request: DecisionRequest, question: Question): CapacityWish | null {
    const pool = this.#options.policies.offer(request)?.document.pool ?? null;
    const { tenantId, slots, correlationId, actor } = request;
    if (pool === null || slots === 0) return null;
    const key = question.reservationKey ?? correlationId;
    return { pool, tenantId, units: slots, key, by: `${actor.type}:${actor.id}`.slice(0, 256) };
  }

  status(): GateStatus {
    const { strict } = this.#options;
    return { strict: strict?.status() ?? null, refunds: Object.fromEntries(this.#refunds) };
  }

  async close(): Promise<void> {
    await this.#options.strict?.close();
  }
}

function passes({ strict, rate, places }: Charged): boolean {
  return (
    strict.outcome !== 'exhausted' &&
    strict.outcome !== 'unavailable' &&
    (rate.outcome === 'none' || rate.outcome === 'admitted') &&
    (places.outcome === 'none' || places.outcome === 'taken')
  );
}

function monotonicMs(): number {
  return performance.now();
}
