/** The store that several processes share. One call is one script, so one step of the server. */
import { periodStart, type Billionths } from '@meterhouse/usage';
import { z } from 'zod';
import { systemClock } from '../clock.ts';
import type {
  LeaseCall,
  LeaseReading,
  QuotaReading,
  RateReading,
  RateStore,
  RebaseCall,
  RebaseOutcome,
  RefundCall,
  RefundOutcome,
  StoreCall,
  StoreReply,
  WhenUnbased,
} from '../store.ts';
import { dayName } from '../strict-quota.ts';
import { runScript, SCRIPTS, type RedisConnection, type Scripts } from './scripts.ts';

export interface RedisStoreOptions {
  readonly connection: RedisConnection;
  readonly whenUnbased?: WhenUnbased;
  /** Only to guess the day of the quota keys; the server has the last word. Epoch ms. */
  readonly wallMs?: () => number;
  /** Called by close. A connection that was handed over stays its owner's. */
  readonly release?: () => Promise<void> | void;
  readonly scripts?: Scripts;
}

const chargeReply = z.array(z.int());
const rebaseReply = z.enum(['applied', 'settling', 'older', 'ahead_of_clock', 'other_day']);
const refundReply = z.enum(['refunded', 'repeated', 'forgotten', 'too_late']);
const yesOrNo = z.union([z.literal(1), z.literal(0)]);
const CHARGED = 1;
const OTHER_DAY = 2;
const QUOTA_STATES: readonly QuotaReading['state'][] = ['admits', 'exhausted', 'not_based'];
const BILLION = 1_000_000_000n;

export class RedisStore implements RateStore {
  readonly kind = 'redis';
  readonly #connection: RedisConnection;
  readonly #whenUnbased: WhenUnbased;
  readonly #wallMs: () => number;
  readonly #release: () => Promise<void> | void;
  readonly #scripts: Scripts;

  constructor(options: RedisStoreOptions) {
    this.#connection = options.connection;
    this.#whenUnbased = options.whenUnbased ?? 'deny';
    this.#wallMs = options.wallMs ?? systemClock.wallMs;
    this.#release = options.release ?? (() => undefined);
    this.#scripts = options.scripts ?? SCRIPTS;
  }

  async charge(call: StoreCall): Promise<StoreReply> {
    const first = await this.#charge(call, this.#wallMs());
    if (first[0] !== OTHER_DAY) return readReply(call, first);
    // Our clock is in another day than the server's: its day is the one that counts.
    const second = await this.#charge(call, numberAt(first, 1));
    if (second[0] === OTHER_DAY) throw new Error('the day turned twice within one charge');
    return readReply(call, second);
  }

  async rebase({ key, dayStart, used, asOf, settleMs }: RebaseCall): Promise<RebaseOutcome> {
    const reply = await runScript(this.#connection, this.#scripts.rebase, {
      keys: [`${key}:${dayName(dayStart)}`],
      arguments: [...parts(used), text(asOf), text(settleMs), text(dayStart)],
    });
    return rebaseReply.parse(reply);
  }

  async refund({ key, charged, settleMs }: RefundCall): Promise<RefundOutcome> {
    const reply = await runScript(this.#connection, this.#scripts.refund, {
      keys: [key, ...charged.map((each) => each.key)],
      arguments: [text(settleMs), ...charged.flatMap(({ delta, atMs }) => [...parts(delta), text(atMs)])],
    });
    return refundReply.parse(reply);
  }

  async renewLeases({ id, meters }: LeaseCall): Promise<boolean> {
    const reply = await runScript(this.#connection, this.#scripts.renew, {
      keys: meters.map(({ key }) => key),
      arguments: [id, ...meters.flatMap(leaseArguments)],
    });
    return yesOrNo.parse(reply) === 1;
  }

  async releaseLeases({ id, meters }: LeaseCall): Promise<void> {
    const keys = meters.map(({ key }) => key);
    await runScript(this.#connection, this.#scripts.release, { keys, arguments: [id] });
  }

  async close(): Promise<void> {
    await this.#release();
  }

  async #charge(call: StoreCall, nowMs: number): Promise<readonly number[]> {
    const day = dayName(nowMs);
    const leases = call.leases?.meters ?? [];
    const reply = await runScript(this.#connection, this.#scripts.charge, {
      keys: [
        ...call.rates.map(({ key }) => key),
        ...call.quotas.map(({ key }) => `${key}:${day}`),
        ...leases.map(({ key }) => key),
      ],
      arguments: [
        text(call.rates.length),
        text(call.quotas.length),
        this.#whenUnbased,
        text(periodStart('day', nowMs)),
        call.leases?.id ?? '',
        ...call.rates.flatMap(({ cost, allowance: { algorithm, limit, periodMs, capacity } }) => [
          algorithm,
          text(cost),
          text(limit),
          text(periodMs),
          text(capacity),
        ]),
        ...call.quotas.flatMap(({ delta, ceiling }) => [...parts(delta), ...parts(ceiling)]),
        ...leases.flatMap(leaseArguments),
      ],
    });
    return chargeReply.parse(reply);
  }
}

function leaseArguments({ limit, leaseMs }: LeaseCall['meters'][number]): [string, string] {
  return [text(limit), text(leaseMs)];
}

function readReply({ rates, quotas, leases }: StoreCall, reply: readonly number[]): StoreReply {
  const rateStart = 2;
  const quotaStart = rateStart + rates.length * 4;
  const leaseStart = quotaStart + quotas.length * 4;
  return {
    charged: reply[0] === CHARGED,
    nowMs: numberAt(reply, 1),
    rates: rates.map((_, index) => readRate(reply, rateStart + index * 4)),
    quotas: quotas.map((_, index) => readQuota(reply, quotaStart + index * 4)),
    leases: (leases?.meters ?? []).map((_, index) => readLease(reply, leaseStart + index * 3)),
  };
}

function readRate(reply: readonly number[], at: number): RateReading {
  const retryAfterMs = numberAt(reply, at + 2);
  return {
    admits: numberAt(reply, at) === 1,
    remaining: numberAt(reply, at + 1),
    retryAfterMs: retryAfterMs < 0 ? null : retryAfterMs,
    resetMs: numberAt(reply, at + 3),
  };
}

function readQuota(reply: readonly number[], at: number): QuotaReading {
  const state = QUOTA_STATES[numberAt(reply, at)];
  if (state === undefined) throw new TypeError(`place ${at} of the reply is not a quota's state`);
  const used = BigInt(numberAt(reply, at + 1)) * BILLION + BigInt(numberAt(reply, at + 2));
  return { state, used, atMs: numberAt(reply, at + 3) };
}

function readLease(reply: readonly number[], at: number): LeaseReading {
  return {
    admits: numberAt(reply, at) === 1,
    live: numberAt(reply, at + 1),
    retryAfterMs: numberAt(reply, at + 2),
  };
}

function numberAt(reply: readonly number[], at: number): number {
  const number = reply[at];
  if (number === undefined) throw new TypeError(`the reply ends before place ${at}`);
  return number;
}

/** Whole part and billionths, each exact as a Lua number. */
function parts(amount: Billionths): [string, string] {
  return [(amount / BILLION).toString(), (amount % BILLION).toString()];
}

function text(whole: number): string {
  return whole.toString();
}
