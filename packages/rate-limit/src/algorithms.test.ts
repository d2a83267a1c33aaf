/**
 * Both algorithms, in both stores, against what they promise, told from nothing but the list of what was
 * admitted:
 *
 * - token bucket: whatever is admitted between two instants is at most burst + limit × time / period, and
 *   nothing is refused that would keep within that. Exactly, in whole numbers.
 * - sliding window: no window of a period holds more than the limit, and nothing is refused that would keep
 *   within it in a window longer by at most 1/20 (and the rounding of a slot to whole milliseconds)
 * - a call over several scopes charges all of them or none
 * - a clock that is set back gains nothing
 * - the wait that is told is the shortest that helps, and what is told to remain is what can be taken
 */
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { NO_REDIS, redisForTests } from './redis-server.testing.ts';
import { WINDOW_SLOTS, type Allowance } from './rule.ts';
import type { StoreCall, StoreReply } from './store.ts';
import { clockedMemoryStore, clockedRedisStore, type ClockedStore } from './stores.testing.ts';

const redis = await redisForTests();
afterAll(() => redis?.stop());

/** A slow rule with a huge burst says to wait for longer than there are dates. */
const LONGEST_WAIT_MS = 10 ** 12;

interface Admitted {
  readonly atMs: number;
  readonly cost: number;
}

class Reference {
  readonly allowance: Allowance;
  readonly admitted: Admitted[] = [];

  constructor(allowance: Allowance) {
    this.allowance = allowance;
  }

  /** May this cost be admitted: `yes`, `no`, or within the window's tolerance. */
  expects(nowMs: number, cost: number): 'yes' | 'no' | 'either' {
    const atMs = this.notBefore(nowMs);
    if (this.allowance.algorithm === 'token_bucket') return this.#fitsBucket(atMs, cost) ? 'yes' : 'no';
    const { limit, periodMs } = this.allowance;
    if (this.#usedSince(atMs - periodMs) + cost > limit) return 'no';
    const longestMs = (WINDOW_SLOTS + 1) * Math.ceil(periodMs / WINDOW_SLOTS);
    return this.#usedSince(atMs - longestMs) + cost <= limit ? 'yes' : 'either';
  }

  /** A clock that was set back stands still until it has caught up. */
  notBefore(nowMs: number): number {
    return Math.max(nowMs, this.admitted.at(-1)?.atMs ?? nowMs);
  }

  #fitsBucket(atMs: number, cost: number): boolean {
    const { limit, periodMs, capacity } = this.allowance;
    const full = BigInt(capacity) * BigInt(periodMs);
    let sum = BigInt(cost);
    if (sum * BigInt(periodMs) > full) return false;
    return this.admitted.toReversed().every((charge) => {
      sum += BigInt(charge.cost);
      return sum * BigInt(periodMs) <= full + BigInt(limit) * BigInt(atMs - charge.atMs);
    });
  }

  #usedSince(atMs: number): number {
    return this.admitted.reduce((sum, charge) => (charge.atMs > atMs ? sum + charge.cost : sum), 0);
  }
}

const allowances: fc.Arbitrary<Allowance> = fc
  .record({
    algorithm: fc.constantFrom('token_bucket' as const, 'sliding_window' as const),
    limit: fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 1_000_000_000 })),
    // Long enough that nothing expires by the real clock while a chosen one is used.
    periodMs: fc.oneof(fc.constant(60_000), fc.integer({ min: 60_000, max: 4_000_000 })),
    burst: fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 1_000_000_000 })),
  })
  .map(({ burst, ...rest }) => ({
    ...rest,
    capacity: rest.algorithm === 'token_bucket' ? burst : rest.limit,
  }));

/** Fractions of the period and of the capacity, so that limits are met however large they are. */
const steps = fc.array(
  fc.record({
    elapsed: fc.oneof(
      fc.constant({ of: 'nothing' as const }),
      fc.record({ of: fc.constant('period' as const), perMille: fc.integer({ min: 0, max: 1_300 }) }),
      fc.record({ of: fc.constant('ms' as const), ms: fc.integer({ min: -10, max: 40 }) }),
      fc.record({ of: fc.constant('period' as const), perMille: fc.integer({ min: -300, max: 0 }) }),
    ),
    charges: fc.uniqueArray(
      fc.record({
        scope: fc.nat(2),
        cost: fc.oneof(fc.constant('one' as const), fc.integer({ min: 1, max: 1_100 })),
      }),
      { minLength: 1, maxLength: 3, selector: ({ scope }) => scope },
    ),
    waitAsTold: fc.boolean(),
  }),
  { maxLength: 40, size: 'max' },
);

function costOf(cost: 'one' | number, { capacity }: Allowance): number {
  return cost === 'one' ? 1 : Math.max(1, Math.floor((capacity * cost) / 1000));
}

class Trial {
  readonly #references: readonly Reference[];
  readonly #clocked: ClockedStore;
  readonly #name: string;
  nowMs: number;

  constructor(clocked: ClockedStore, name: string, allowed: readonly Allowance[], nowMs: number) {
    this.#clocked = clocked;
    this.#name = name;
    this.#references = allowed.map((allowance) => new Reference(allowance));
    this.nowMs = nowMs;
  }

  call(charges: readonly { scope: number; cost: 'one' | number }[]): StoreCall {
    const rates = charges.map(({ scope, cost }) => {
      const { allowance } = this.#reference(scope);
      return { key: this.#key(scope), allowance, cost: costOf(cost, allowance) };
    });
    return { rates, quotas: [] };
  }

  async charge(call: StoreCall): Promise<StoreReply> {
    await this.#clocked.setNow(this.nowMs);
    const expected = call.rates.map(({ key, cost }) => this.#byKey(key).expects(this.nowMs, cost));
    const reply = await this.#clocked.store.charge(call);
    reply.rates.forEach(({ admits }, index) => {
      if (expected[index] !== 'either') expect(admits).toBe(expected[index] === 'yes');
    });
    expect(reply.charged).toBe(reply.rates.every(({ admits }) => admits));
    if (reply.charged)
      for (const { key, cost } of call.rates) {
        const reference = this.#byKey(key);
        reference.admitted.push({ atMs: reference.notBefore(this.nowMs), cost });
      }
    call.rates.forEach(({ key }, index) => {
      const remaining = reply.rates[index]?.remaining ?? -1;
      const reference = this.#byKey(key);
      if (remaining > 0) expect(reference.expects(this.nowMs, remaining)).not.toBe('no');
      expect(reference.expects(this.nowMs, remaining + 1)).not.toBe('yes');
    });
    return reply;
  }

  #reference(scope: number): Reference {
    const reference = this.#references[scope];
    if (reference === undefined) throw new RangeError(`no scope ${scope}`);
    return reference;
  }

  #byKey(key: string): Reference {
    return this.#reference(Number(key.at(-1)));
  }

  #key(scope: number): string {
    return `${this.#clocked.prefix}${this.#name}:${scope}`;
  }
}

/** The store in memory goes by a clock that cannot be set. */
async function holds(clocked: ClockedStore, numRuns: number, clockIsSetBack: boolean): Promise<void> {
  let trials = 0;
  const property = fc.asyncProperty(
    fc.tuple(allowances, allowances, allowances),
    fc.integer({ min: 1_700_000_000_000, max: 1_900_000_000_000 }),
    steps,
    async (allowed, startMs, list) => {
      const trial = new Trial(clocked, String(trials++), allowed, startMs);
      for (const { elapsed, charges, waitAsTold } of list) {
        const longestMs = Math.max(...charges.map(({ scope }) => allowed[scope]?.periodMs ?? 0));
        const forwardMs =
          elapsed.of === 'nothing'
            ? 0
            : elapsed.of === 'ms'
              ? elapsed.ms
              : Math.floor((longestMs * elapsed.perMille) / 1000);
        trial.nowMs += clockIsSetBack ? forwardMs : Math.abs(forwardMs);
        const call = trial.call(charges);
        const { charged, rates } = await trial.charge(call);
        const waits = rates.map(({ retryAfterMs }) => retryAfterMs ?? Infinity);
        const waitMs = Math.max(...waits);
        expect(waitMs === 0).toBe(charged);
        if (charged || !waitAsTold || waitMs > LONGEST_WAIT_MS) continue;
        trial.nowMs += waitMs - 1;
        expect((await trial.charge(call)).charged).toBe(false);
        trial.nowMs += 1;
        expect((await trial.charge(call)).charged).toBe(true);
      }
    },
  );
  await fc.assert(property, { numRuns });
}

test('in memory', async () => {
  await holds(await clockedMemoryStore(), 1_000, false);
});

describe.skipIf(redis === null)(`in Redis ${redis === null ? NO_REDIS : ''}`, () => {
  test('the same, by its scripts', async () => {
    const clocked = await clockedRedisStore(redis?.url ?? '');
    await holds(clocked, 100, true);
    await clocked.close();
  });
});
