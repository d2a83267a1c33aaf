/**
 * Leases of concurrency limits, in both stores:
 *
 * - whatever is taken, renewed, given back or left alone, no limit ever has more live leases than it allows
 * - a lease is taken in all of its limits or in none, with the rates of the same call
 * - a refusal says when the first one ends that makes room
 * - a lease ends by itself, and one that was given to somebody else is lost to who held it
 */
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { NO_REDIS, redisForTests } from './redis-server.testing.ts';
import type { LeaseCall, LeaseMeter, StoreReply } from './store.ts';
import { clockedMemoryStore, clockedRedisStore, type ClockedStore } from './stores.testing.ts';

const redis = await redisForTests();
afterAll(() => redis?.stop());

const START = Date.UTC(2026, 2, 14);

const steps = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant('take' as const), id: fc.nat(9), of: fc.nat(2) }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('renew' as const), id: fc.nat(9) }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('release' as const), id: fc.nat(9) }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.nat(4_000) }) },
  ),
  { maxLength: 60, size: 'max' },
);

/** What holders believe, each by when it asked and what it was answered, and nothing else. */
class Holders {
  readonly #clocked: ClockedStore;
  readonly #meters: readonly LeaseMeter[];
  readonly #held = new Map<string, { readonly call: LeaseCall; untilMs: number }>();
  nowMs = START;
  taken = 0;

  constructor(clocked: ClockedStore, meters: readonly LeaseMeter[]) {
    this.#clocked = clocked;
    this.#meters = meters;
  }

  async take(name: number, many: number): Promise<void> {
    const id = `id-${name}`;
    const call = this.#held.get(id)?.call ?? { id, meters: this.#meters.slice(0, many + 1) };
    const reply = await this.#clocked.store.charge({ rates: [], quotas: [], leases: call });
    const live = call.meters.map(({ key }) => this.#liveOf(key, id));
    // Whoever is refused is refused for a limit that is full.
    if (!reply.charged)
      expect(call.meters.some(({ limit }, index) => (live[index] ?? 0) >= limit)).toBe(true);
    else {
      this.taken++;
      this.#hold(call);
    }
  }

  async renew(name: number): Promise<void> {
    const held = this.#held.get(`id-${name}`);
    if (held === undefined) return;
    if (await this.#clocked.store.renewLeases(held.call)) this.#hold(held.call);
    else this.#held.delete(held.call.id);
  }

  async release(name: number): Promise<void> {
    const held = this.#held.get(`id-${name}`);
    if (held === undefined) return;
    await this.#clocked.store.releaseLeases(held.call);
    this.#held.delete(held.call.id);
  }

  async wait(ms: number): Promise<void> {
    this.nowMs += ms;
    await this.#clocked.setNow(this.nowMs);
  }

  check(): void {
    for (const { key, limit } of this.#meters) expect(this.#liveOf(key, null)).toBeLessThanOrEqual(limit);
  }

  #hold(call: LeaseCall): void {
    const untilMs = this.nowMs + Math.min(...call.meters.map(({ leaseMs }) => leaseMs));
    this.#held.set(call.id, { call, untilMs });
  }

  #liveOf(key: string, except: string | null): number {
    return [...this.#held.values()].filter(
      ({ call, untilMs }) =>
        untilMs > this.nowMs && call.id !== except && call.meters.some((meter) => meter.key === key),
    ).length;
  }
}

async function holds(clocked: ClockedStore, numRuns: number): Promise<void> {
  let trials = 0;
  let taken = 0;
  const property = fc.asyncProperty(
    fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 3, maxLength: 3 }),
    steps,
    async (limits, list) => {
      const trial = trials++;
      const meters = limits.map((limit, index) => ({
        key: `${clocked.prefix}cc:{r}:${trial}:${index}`,
        limit,
        leaseMs: 3_000,
      }));
      const holders = new Holders(clocked, meters);
      await holders.wait(0);
      for (const step of list) {
        if (step.do === 'take') await holders.take(step.id, step.of);
        else if (step.do === 'renew') await holders.renew(step.id);
        else if (step.do === 'release') await holders.release(step.id);
        else await holders.wait(step.ms);
        holders.check();
      }
      taken += holders.taken;
    },
  );
  await fc.assert(property, { numRuns });
  expect(taken).toBeGreaterThan(numRuns);
}

const stores = [
  { name: 'in memory', open: clockedMemoryStore, runs: 1_000, skipped: false },
  {
    name: `in Redis ${redis === null ? NO_REDIS : ''}`,
    open: () => clockedRedisStore(redis?.url ?? ''),
    runs: 150,
    skipped: redis === null,
  },
];

for (const { name, open, runs, skipped } of stores) {
  describe.skipIf(skipped)(name, () => {
    test('never more live leases than the limit, and never refused while there is room', async () => {
      const clocked = await open();
      await holds(clocked, runs);
      await clocked.close();
    });

    test('taken in all limits or in none, together with the rates', async () => {
      const clocked = await open();
      await clocked.setNow(START);
      const meter = (of: string, limit: number) => ({
        key: `${clocked.prefix}cc:{r}:${of}`,
        limit,
        leaseMs: 10_000,
      });
      const allowance = { algorithm: 'token_bucket' as const, limit: 3, periodMs: 60_000, capacity: 3 };
      const call = (id: string): Promise<StoreReply> =>
        clocked.store.charge({
          rates: [{ key: `${clocked.prefix}rate:{r}:x`, allowance, cost: 1 }],
          quotas: [],
          leases: { id, meters: [meter('project', 5), meter('org', 1)] },
        });
      expect(await call('a')).toMatchObject({ charged: true, leases: [{ live: 1 }, { live: 1 }] });
      // The same again is the same lease, and a request like any other.
      expect(await call('a')).toMatchObject({ charged: true, leases: [{ live: 1 }, { live: 1 }] });
      await clocked.setNow(START + 4_000);
      expect(await call('b')).toMatchObject({
        charged: false,
        rates: [{ remaining: 1 }],
        leases: [
          { admits: true, live: 1 },
          { admits: false, live: 1, retryAfterMs: 6_000 },
        ],
      });
      await clocked.store.releaseLeases({ id: 'a', meters: [meter('project', 5), meter('org', 1)] });
      expect(await call('b')).toMatchObject({ charged: true, leases: [{ live: 1 }, { live: 1 }] });
      await clocked.close();
    });

    test('a lease that ended and was taken by another is lost; where there is room it is had again', async () => {
      const clocked = await open();
      const lease = (id: string): LeaseCall => ({
        id,
        meters: [{ key: `${clocked.prefix}cc:{r}:one`, limit: 1, leaseMs: 10_000 }],
      });
      const take = async (id: string): Promise<boolean> =>
        (await clocked.store.charge({ rates: [], quotas: [], leases: lease(id) })).charged;
      await clocked.setNow(START);
      expect(await take('a')).toBe(true);
      await clocked.setNow(START + 9_999);
      expect(await take('b')).toBe(false);
      expect(await clocked.store.renewLeases(lease('a'))).toBe(true);
      await clocked.setNow(START + 19_999);
      expect(await clocked.store.renewLeases(lease('a'))).toBe(true);
      await clocked.setNow(START + 29_999);
      expect(await take('b')).toBe(true);
      expect(await clocked.store.renewLeases(lease('a'))).toBe(false);
      expect(await clocked.store.renewLeases(lease('b'))).toBe(true);
      await clocked.close();
    });
  });
}
