/**
 * Strict quotas, in both stores. Whatever the order and age of the snapshots, whatever was used without
 * being charged, and when all counters are lost in between:
 *
 * - what was charged, and what a snapshot has told of, never passes the ceiling: a charge whose event is
 *   still on its way is never forgotten by a rebase
 * - drift heals: a snapshot that is newer than the last charge by the time to settle makes the counter exact
 * - a charge that is given back is given back once, to the counter that has it, and to all of its scopes
 * - decimals are exact up to the bound; the day is the store's
 */
import { DAY_MS, parseDecimal } from '@meterhouse/usage';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { NO_REDIS, redisForTests } from './redis-server.testing.ts';
import type { StoreReply } from './store.ts';
import { QUOTA_SLOT_MS } from './strict-quota.ts';
import {
  clockedMemoryStore,
  clockedRedisStore,
  type ClockedStore,
  type ClockedStoreOptions,
} from './stores.testing.ts';

const redis = await redisForTests();
afterAll(() => redis?.stop());

const DAY = Date.UTC(2026, 2, 14);
const MAX = 10n ** 24n - 1n;

interface Used {
  readonly amount: bigint;
  readonly reachesBrokerAtMs: number;
}

class Day {
  readonly #clocked: ClockedStore;
  readonly key: string;
  readonly ceiling: bigint;
  readonly settleMs: number;
  readonly #used: Used[] = [];
  readonly #snapshots: { asOf: number; used: bigint }[] = [];
  #charged = 0n;
  #told = { asOf: 0, uncharged: 0n };
  readonly #uncharged: Used[] = [];
  /** Charged for work that was not done, and may be given back, more than once by mistake. */
  readonly #refundable: { readonly key: string; readonly delta: bigint; readonly atMs: number }[] = [];
  nowMs = DAY;

  constructor(clocked: ClockedStore, name: string, ceiling: bigint, settleMs: number) {
    this.#clocked = clocked;
    this.key = `${clocked.prefix}q:${name}`;
    this.ceiling = ceiling;
    this.settleMs = settleMs;
  }

  async charge(amount: bigint, travelsMs: number, workFails: boolean): Promise<StoreReply> {
    await this.#clocked.setNow(this.nowMs);
    const quotas = [{ key: this.key, delta: amount, ceiling: this.ceiling }];
    const reply = await this.#clocked.store.charge({ rates: [], quotas });
    if (reply.charged && !workFails) {
      this.#charged += amount;
      this.#used.push({ amount, reachesBrokerAtMs: this.nowMs + travelsMs });
      if (amount > 0n) expect(this.#charged + this.#told.uncharged).toBeLessThanOrEqual(this.ceiling);
    }
    const atMs = reply.quotas[0]?.atMs;
    if (reply.charged && workFails && atMs !== undefined)
      this.#refundable.push({ key: `${this.key}:20260314`, delta: amount, atMs });
    return reply;
  }

  async refund(which: number): Promise<void> {
    const at = which % Math.max(1, this.#refundable.length);
    const charged = this.#refundable[at];
    if (charged === undefined) return;
    await this.#clocked.setNow(this.nowMs);
    const { settleMs } = this;
    await this.#clocked.store.refund({ key: `${this.key}:refund:${at}`, charged: [charged], settleMs });
  }

  useWithoutCharging(amount: bigint): void {
    const used = { amount, reachesBrokerAtMs: this.nowMs };
    this.#used.push(used);
    this.#uncharged.push(used);
  }

  takeSnapshot(): void {
    this.#snapshots.push({ asOf: this.nowMs, used: reachedBefore(this.#used, this.nowMs) });
  }

  /** @param which the last one unless given */
  async deliverSnapshot(which?: number): Promise<void> {
    const snapshot =
      which === undefined
        ? this.#snapshots.at(-1)
        : this.#snapshots[which % Math.max(1, this.#snapshots.length)];
    if (snapshot === undefined) return;
    await this.#clocked.setNow(this.nowMs);
    const { key, settleMs } = this;
    const outcome = await this.#clocked.store.rebase({ key, dayStart: DAY, settleMs, ...snapshot });
    expect(['applied', 'settling', 'older']).toContain(outcome);
    if (outcome === 'older') expect(snapshot.asOf).toBeLessThan(this.#told.asOf);
    else this.#told = { asOf: snapshot.asOf, uncharged: reachedBefore(this.#uncharged, snapshot.asOf) };
  }

  async forget(): Promise<void> {
    await this.#clocked.forget();
    this.#told = { asOf: 0, uncharged: 0n };
  }

  /** What the counter says after everything has arrived and a snapshot has told so. */
  async settled(): Promise<bigint | undefined> {
    this.nowMs += this.settleMs;
    this.takeSnapshot();
    await this.deliverSnapshot();
    this.nowMs += this.settleMs + QUOTA_SLOT_MS;
    this.takeSnapshot();
    await this.deliverSnapshot();
    return (await this.charge(0n, 0, true)).quotas[0]?.used;
  }

  get trulyUsed(): bigint {
    return reachedBefore(this.#used, Infinity);
  }
}

function reachedBefore(list: readonly Used[], asOf: number): bigint {
  return list.reduce(
    (sum, { amount, reachesBrokerAtMs }) => (reachesBrokerAtMs < asOf ? sum + amount : sum),
    0n,
  );
}

const perMille = fc.integer({ min: 0, max: 1000 });
const steps = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant('charge' as const),
        part: perMille,
        travels: perMille,
        fails: fc.boolean(),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant('use' as const), part: fc.integer({ min: 0, max: 100 }) }),
    },
    {
      weight: 4,
      arbitrary: fc.record({ do: fc.constant('wait' as const), part: fc.integer({ min: 0, max: 1500 }) }),
    },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('snapshot' as const) }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('deliver' as const), which: fc.nat(20) }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('deliverLast' as const) }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('refund' as const), which: fc.nat(20) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('lose' as const) }) },
  ),
  { maxLength: 60, size: 'max' },
);

async function holds(clocked: ClockedStore, numRuns: number): Promise<void> {
  let trials = 0;
  let admitted = 0;
  const property = fc.asyncProperty(
    fc.oneof(fc.bigInt({ min: 1n, max: 50n }), fc.bigInt({ min: 1n, max: MAX })),
    fc.integer({ min: 0, max: 400_000 }),
    fc.boolean(),
    steps,
    async (ceiling, settleMs, toldTheDayBefore, list) => {
      const day = new Day(clocked, String(trials++), ceiling, settleMs);
      if (toldTheDayBefore) {
        day.nowMs = DAY - 1000;
        day.takeSnapshot();
        await day.deliverSnapshot(0);
        day.nowMs = DAY;
      }
      for (const step of list) {
        if (step.do === 'charge') {
          const amount = (ceiling * BigInt(step.part)) / 5000n + 1n;
          const travelsMs = Math.floor((settleMs * step.travels) / 1001);
          if ((await day.charge(amount, travelsMs, step.fails)).charged) admitted++;
        } else if (step.do === 'use') day.useWithoutCharging((ceiling * BigInt(step.part)) / 1000n);
        else if (step.do === 'refund') await day.refund(step.which);
        else if (step.do === 'wait') day.nowMs += Math.floor(((settleMs + QUOTA_SLOT_MS) * step.part) / 1000);
        else if (step.do === 'snapshot') day.takeSnapshot();
        else if (step.do === 'deliver') await day.deliverSnapshot(step.which);
        else if (step.do === 'deliverLast') {
          day.takeSnapshot();
          await day.deliverSnapshot();
        } else await day.forget();
      }
      expect(await day.settled()).toBe(day.trulyUsed);
    },
  );
  await fc.assert(property, { numRuns });
  expect(admitted).toBeGreaterThan(numRuns);
}

const stores = [
  { name: 'in memory', open: clockedMemoryStore, runs: 1_000, skipped: false },
  {
    name: `in Redis ${redis === null ? NO_REDIS : ''}`,
    open: (options?: ClockedStoreOptions) => clockedRedisStore(redis?.url ?? '', options),
    runs: 150,
    skipped: redis === null,
  },
];

for (const { name, open, runs, skipped } of stores) {
  describe.skipIf(skipped)(name, () => {
    test('never above the ceiling, and drift heals', async () => {
      const clocked = await open();
      await holds(clocked, runs);
      await clocked.close();
    });

    test('decimals are exact to the last billionth', async () => {
      const clocked = await open({ whenUnbased: 'zero' });
      const key = `${clocked.prefix}q:exact`;
      await clocked.setNow(DAY);
      const amount = (text: string): bigint => {
        const units = parseDecimal(text);
        if (typeof units !== 'bigint') throw new Error(`${text}: ${units}`);
        return units;
      };
      const charge = async (delta: string): Promise<StoreReply> =>
        clocked.store.charge({ rates: [], quotas: [{ key, delta: amount(delta), ceiling: MAX }] });
      await charge('999999999999997.999999999');
      expect(await charge('1.000000001')).toMatchObject({ quotas: [{ used: MAX - 999_999_999n }] });
      expect((await charge('0.999999999')).charged).toBe(true);
      const last = await charge('0.000000001');
      expect(last).toMatchObject({ charged: false, quotas: [{ state: 'exhausted', used: MAX }] });
      await clocked.close();
    });

    test('a counter of which nothing is known does not admit until what was under way has settled', async () => {
      const clocked = await open();
      const key = `${clocked.prefix}q:unknown`;
      const charge = (): Promise<StoreReply> =>
        clocked.store.charge({ rates: [], quotas: [{ key, delta: 1n, ceiling: 10n }] });
      const rebase = (asOf: number): Promise<string> =>
        clocked.store.rebase({ key, dayStart: DAY, used: 3n, asOf, settleMs: 1000 });
      await clocked.setNow(DAY + 5000);
      expect(await charge()).toMatchObject({ charged: false, quotas: [{ state: 'not_based' }] });
      expect(await rebase(DAY + 5000)).toBe('settling');
      expect(await charge()).toMatchObject({ charged: false, quotas: [{ state: 'not_based' }] });
      await clocked.setNow(DAY + 7000);
      expect(await rebase(DAY + 6000)).toBe('settling');
      expect(await rebase(DAY + 6001)).toBe('applied');
      expect(await charge()).toMatchObject({ charged: true, quotas: [{ used: 4n }] });
      await clocked.close();
    });

    test('what was charged before the as-of and may still be under way survives it', async () => {
      const clocked = await open({ whenUnbased: 'zero' });
      const key = `${clocked.prefix}q:under-way`;
      const charge = (delta: bigint): Promise<StoreReply> =>
        clocked.store.charge({ rates: [], quotas: [{ key, delta, ceiling: 10n }] });
      const rebase = async (asOf: number, used: bigint): Promise<void> => {
        await clocked.setNow(asOf);
        const outcome = await clocked.store.rebase({ key, dayStart: DAY, used, asOf, settleMs: 60_000 });
        expect(outcome).toBe('applied');
      };
      await clocked.setNow(DAY + 1);
      await charge(6n);
      await rebase(DAY + 61_001, 0n);
      expect(await charge(6n)).toMatchObject({ charged: false, quotas: [{ used: 6n }] });
      await rebase(DAY + 60_000 + QUOTA_SLOT_MS - 1, 6n);
      expect((await charge(0n)).quotas[0]?.used).toBe(12n);
      await rebase(DAY + 60_000 + QUOTA_SLOT_MS, 6n);
      expect((await charge(0n)).quotas[0]?.used).toBe(6n);
      await clocked.close();
    });

    test('a snapshot that is ahead of the clock, or of another day, changes nothing', async () => {
      const clocked = await open({ whenUnbased: 'zero' });
      const key = `${clocked.prefix}q:other`;
      await clocked.setNow(DAY + 5000);
      await clocked.store.charge({ rates: [], quotas: [{ key, delta: 7n, ceiling: 10n }] });
      const rebase = (dayStart: number, asOf: number): Promise<string> =>
        clocked.store.rebase({ key, dayStart, used: 0n, asOf, settleMs: 0 });
      expect(await rebase(DAY, DAY + 5001)).toBe('ahead_of_clock');
      expect(await rebase(DAY - DAY_MS, DAY)).toBe('other_day');
      expect(await rebase(DAY + 2 * DAY_MS, DAY)).toBe('other_day');
      expect(await rebase(DAY + DAY_MS, DAY)).toBe('applied');
      const after = await clocked.store.charge({ rates: [], quotas: [{ key, delta: 1n, ceiling: 10n }] });
      expect(after.quotas[0]?.used).toBe(8n);
      await clocked.close();
    });

    test('what is given back is given back once, to all scopes, and only to the counter that has it', async () => {
      const clocked = await open({ whenUnbased: 'zero' });
      const keys = ['a', 'b'].map((name) => `${clocked.prefix}q:{r}:${name}`);
      const charge = (delta: bigint): Promise<StoreReply> =>
        clocked.store.charge({ rates: [], quotas: keys.map((key) => ({ key, delta, ceiling: 10n })) });
      const refund = (name: string, { quotas }: StoreReply, delta: bigint): Promise<string> =>
        clocked.store.refund({
          key: `${clocked.prefix}qr:{r}:${name}`,
          charged: quotas.map(({ atMs }, index) => ({ key: `${keys[index] ?? ''}:20260314`, delta, atMs })),
          settleMs: 60_000,
        });
      const used = async (): Promise<(bigint | undefined)[]> =>
        (await charge(0n)).quotas.map((reading) => reading.used);
      await clocked.setNow(DAY + 20_000);
      const first = await charge(4n);
      const second = await charge(6n);
      expect(await refund('first', first, 4n)).toBe('refunded');
      expect(await refund('first', first, 4n)).toBe('repeated');
      expect(await used()).toEqual([6n, 6n]);
      // As of later than the time to settle the snapshot alone says what was used.
      await clocked.setNow(DAY + 91_000);
      const rebased = { key: keys[0] ?? '', dayStart: DAY, used: 5n, asOf: DAY + 91_000, settleMs: 60_000 };
      expect(await clocked.store.rebase(rebased)).toBe('applied');
      expect(await refund('second', second, 6n)).toBe('too_late');
      await clocked.setNow(DAY + 79_000);
      expect(await refund('second', second, 6n)).toBe('refunded');
      expect(await used()).toEqual([5n, 0n]);
      const lost = await charge(2n);
      await clocked.forget();
      await clocked.setNow(DAY + 79_001);
      await charge(3n);
      expect(await refund('lost', lost, 2n)).toBe('forgotten');
      expect(await used()).toEqual([3n, 3n]);
      await clocked.close();
    });

    test('quotas and rates are charged together or not at all', async () => {
      const clocked = await open({ whenUnbased: 'zero' });
      await clocked.setNow(DAY);
      const allowance = { algorithm: 'token_bucket' as const, limit: 2, periodMs: 60_000, capacity: 2 };
      const call = (delta: bigint, cost: number): Promise<StoreReply> =>
        clocked.store.charge({
          rates: [{ key: `${clocked.prefix}rate:{a}:r`, allowance, cost }],
          quotas: ['a', 'b'].map((name) => ({ key: `${clocked.prefix}q:{a}:${name}`, delta, ceiling: 5n })),
        });
      expect(await call(3n, 1)).toMatchObject({ charged: true });
      expect(await call(3n, 1)).toMatchObject({ charged: false, rates: [{ remaining: 1 }] });
      expect(await call(1n, 2)).toMatchObject({ charged: false, quotas: [{ used: 3n }, { used: 3n }] });
      expect(await call(2n, 1)).toMatchObject({ charged: true, quotas: [{ used: 5n }, { used: 5n }] });
      await clocked.close();
    });
  });
}

test.skipIf(redis === null)(
  `a process whose clock is a day ahead charges the day of the server ${redis === null ? NO_REDIS : ''}`,
  async () => {
    const clocked = await clockedRedisStore(redis?.url ?? '', {
      whenUnbased: 'zero',
      wallMs: () => DAY + DAY_MS,
    });
    await clocked.setNow(DAY + DAY_MS - 1);
    const quotas = [{ key: `${clocked.prefix}q:skewed`, delta: 6n, ceiling: 10n }];
    expect(await clocked.store.charge({ rates: [], quotas })).toMatchObject({ charged: true });
    expect(await clocked.store.charge({ rates: [], quotas })).toMatchObject({ charged: false });
    await clocked.setNow(DAY + DAY_MS);
    expect(await clocked.store.charge({ rates: [], quotas })).toMatchObject({ charged: true });
    await clocked.close();
  },
);
