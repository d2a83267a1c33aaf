/**
 * One of the processes that share a limit in burst.test.ts. It charges as often as its parent tells it
 * to, and says what was answered.
 */
import { waitFor } from '@meterhouse/runtime';
import {
  createRateLimiter,
  openRedisStore,
  type RateAnswer,
  type RateLimiter,
  type RateRule,
} from './index.ts';

export interface BurstSetting {
  readonly url: string;
  readonly keyPrefix: string;
  readonly rule: RateRule;
  readonly deadlineMs: number;
}

export type BurstOrder =
  /** Begin anew, with a connection that is there when it is reported. */
  | { readonly order: 'connect'; readonly setting: BurstSetting }
  | { readonly order: 'charge'; readonly times: number }
  /** Charge until Redis decides. */
  | { readonly order: 'reach_redis' };

export interface BurstReport {
  readonly redisAdmitted: number;
  readonly redisLimited: number;
  readonly localAdmitted: number;
  readonly localLimited: number;
  readonly unavailable: number;
  /** Calls that were given up and may have charged Redis for nothing. */
  readonly gaveUp: number;
  /** For how long this process has decided by itself, at most. */
  readonly localForMs: number;
}

const CONCURRENCY = 32;
const UNTIL_REDIS = { deadlineMs: 30_000, everyMs: 20 };
const place = { rootId: 'acme' };

class Burst {
  readonly #limiter: RateLimiter;
  readonly #rule: RateRule;
  readonly #tally = {
    redisAdmitted: 0,
    redisLimited: 0,
    localAdmitted: 0,
    localLimited: 0,
    unavailable: 0,
    gaveUp: 0,
  };
  #firstLocalMs: number | null = null;
  #lastMs = 0;

  constructor({ url, keyPrefix, rule, deadlineMs }: BurstSetting) {
    const guard = { deadlineMs, failuresToOpen: 3, openMs: 200 };
    this.#limiter = createRateLimiter({ store: openRedisStore({ url }), keyPrefix, guard });
    this.#rule = rule;
  }

  /** On a route of its own, and decided by Redis or refused, so that nothing is used up before the burst. */
  connect(): Promise<RateAnswer> {
    const rule: RateRule = { ...this.#rule, whenUnavailable: 'deny' };
    const charges = [{ tenantId: 'acme', route: '/connect', rule, cost: 1 }];
    const connected = async (): Promise<RateAnswer | undefined> => {
      const answer = await this.#limiter.charge(charges, place);
      return answer.outcome === 'unavailable' ? undefined : answer;
    };
    return waitFor('a connection to Redis', connected, UNTIL_REDIS);
  }

  reachRedis(): Promise<RateAnswer> {
    const reached = async (): Promise<RateAnswer | undefined> => {
      const answer = await this.#charge();
      return answer.decidedBy === 'redis' ? answer : undefined;
    };
    return waitFor('an answer of Redis', reached, UNTIL_REDIS);
  }

  async charge(times: number): Promise<void> {
    let left = times;
    const chargeOn = async (): Promise<void> => {
      while (left-- > 0) await this.#charge();
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, chargeOn));
  }

  get report(): BurstReport {
    const localForMs = this.#firstLocalMs === null ? 0 : Math.ceil(this.#lastMs - this.#firstLocalMs);
    return { ...this.#tally, localForMs };
  }

  close(): Promise<void> {
    return this.#limiter.close();
  }

  async #charge(): Promise<RateAnswer> {
    const startedAtMs = performance.now();
    const charges = [{ tenantId: 'acme', route: '/burst', rule: this.#rule, cost: 1 }];
    const answer = await this.#limiter.charge(charges, place);
    this.#lastMs = performance.now();
    if (answer.decidedBy === 'local_fallback') this.#firstLocalMs ??= startedAtMs;
    if (answer.outcome === 'unavailable') this.#tally.unavailable++;
    else {
      const by = answer.decidedBy === 'redis' ? 'redis' : 'local';
      this.#tally[`${by}${answer.outcome === 'admitted' ? 'Admitted' : 'Limited'}`]++;
      // What came back as failed may have been charged before the connection was lost.
      if (answer.fallbackReason === 'timeout' || answer.fallbackReason === 'failed') this.#tally.gaveUp++;
    }
    return answer;
  }
}

let burst: Burst | null = null;

async function follow(order: BurstOrder): Promise<BurstReport> {
  if (order.order === 'connect') {
    await burst?.close();
    burst = new Burst(order.setting);
    await burst.connect();
    return burst.report;
  }
  if (burst === null) throw new Error('not connected');
  if (order.order === 'charge') await burst.charge(order.times);
  else await burst.reachRedis();
  return burst.report;
}

process.on('message', (order: BurstOrder) => {
  // What goes wrong ends the process, and with it the test.
  void follow(order).then((report) => process.send?.(report));
});
