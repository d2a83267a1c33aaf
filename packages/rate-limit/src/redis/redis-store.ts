/** The store that several processes share. One call is one script, so one step of the server. */
import { periodStart, type Billionths } from '@meterhouse/usage';
import { z } from 'zod';
import { systemClock } from '../clock.ts';
import type {
  QuotaReading,
  RateReading,
  RateStore,
  RebaseCall,
  RebaseOutcome,
  StoreCall,
  StoreReply,
  WhenUnbased,
} from '../store.ts';
import { dayName } from '../strict-quota.ts';
import { CHARGE_SCRIPT, REBASE_SCRIPT, runScript, type RedisConnection, type Script } from './scripts.ts';

export interface RedisStoreOptions {
  readonly connection: RedisConnection;
  readonly whenUnbased?: WhenUnbased;
  /** Only to guess the day of the quota keys; the server has the last word. Epoch ms. */
  readonly wallMs?: () => number;
  /** Called by close. A connection that was handed over stays its owner's. */
  readonly release?: () => Promise<void> | void;
  readonly scripts?: { readonly charge: Script; readonly rebase: Script };
}

const chargeReply = z.array(z.int());
const rebaseReply = z.enum(['applied', 'settling', 'older', 'ahead_of_clock', 'other_day']);
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
  readonly #scripts: { readonly charge: Script; readonly rebase: Script };

  constructor(options: RedisStoreOptions) {
    this.#connection = options.connection;
    this.#whenUnbased = options.whenUnbased ?? 'deny';
    this.#wallMs = options.wallMs ?? systemClock.wallMs;
    this.#release = options.release ?? (() => undefined);
    this.#scripts = options.scripts ?? { charge: CHARGE_SCRIPT, rebase: REBASE_SCRIPT };
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

  async close(): Promise<void> {
    await this.#release();
  }

  async #charge(call: StoreCall, nowMs: number): Promise<readonly number[]> {
    const day = dayName(nowMs);
    const reply = await runScript(this.#connection, this.#scripts.charge, {
      keys: [...call.rates.map(({ key }) => key), ...call.quotas.map(({ key }) => `${key}:${day}`)],
      arguments: [
        text(call.rates.length),
        this.#whenUnbased,
        text(periodStart('day', nowMs)),
        ...call.rates.flatMap(({ cost, allowance: { algorithm, limit, periodMs, capacity } }) => [
          algorithm,
          text(cost),
          text(limit),
          text(periodMs),
          text(capacity),
        ]),
        ...call.quotas.flatMap(({ delta, ceiling }) => [...parts(delta), ...parts(ceiling)]),
      ],
    });
    return chargeReply.parse(reply);
  }
}

function readReply({ rates, quotas }: StoreCall, reply: readonly number[]): StoreReply {
  const rateStart = 2;
  const quotaStart = rateStart + rates.length * 4;
  return {
    charged: reply[0] === CHARGED,
    nowMs: numberAt(reply, 1),
    rates: rates.map((_, index) => readRate(reply, rateStart + index * 4)),
    quotas: quotas.map((_, index) => readQuota(reply, quotaStart + index * 3)),
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
  return { state, used: BigInt(numberAt(reply, at + 1)) * BILLION + BigInt(numberAt(reply, at + 2)) };
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
