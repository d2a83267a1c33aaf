/**
 * Guarantees:
 * - an amount let through counts while its work runs, and until a snapshot is surely of a later moment:
 *   never less than what a plain list of amounts and instants says, and no more than one slot longer
 * - work that was not done leaves nothing behind
 * - at the bound on keys nothing is forgotten: new ones share a counter, visibly
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PendingUsage } from './pending-usage.ts';

const SETTLE_MS = 1_000;
const make = (maxKeys = 10): PendingUsage => new PendingUsage({ maxKeys, settleMs: SETTLE_MS });

test('counts while it is held, and as long as the snapshot may not have it', () => {
  const usage = make();
  const held = usage.hold(['team', 'org'], 'tokens', 5n, 0);
  expect(usage.pending('org', 'tokens', 1e9)).toBe(5n);
  held.settle(10_000);
  expect(usage.pending('org', 'tokens', 10_000 + SETTLE_MS)).toBe(5n);
  expect(usage.pending('org', 'tokens', 10_001 + SETTLE_MS)).toBe(0n);
  expect(usage.pending('other', 'tokens', 0)).toBe(0n);
});

test('what was not done leaves nothing behind, and ends only once', () => {
  const usage = make();
  const held = usage.hold(['org'], 'tokens', 5n, 0);
  held.release();
  held.settle(0);
  expect(usage.pending('org', 'tokens', -1e9)).toBe(0n);
});

test('never less than a plain list says, and little longer', () => {
  const step = fc.record({
    afterMs: fc.integer({ min: 0, max: 9_000 }),
    amount: fc.bigInt({ min: 1n, max: 9n }),
    lookBackMs: fc.integer({ min: 0, max: 240_000 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const usage = make();
      const settled: { atMs: number; amount: bigint }[] = [];
      let now = 0;
      for (const { afterMs, amount, lookBackMs } of steps) {
        now += afterMs;
        usage.hold(['org'], 'tokens', amount, now).settle(now);
        settled.push({ atMs: now, amount });
        const sinceMs = now - lookBackMs;
        const sum = (slackMs: number): bigint =>
          settled.reduce(
            (all, each) => (each.atMs >= sinceMs - SETTLE_MS - slackMs ? all + each.amount : all),
            0n,
          );
        const pending = usage.pending('org', 'tokens', sinceMs);
        expect(pending >= sum(0)).toBe(true);
        expect(pending <= sum(lookBackMs + SETTLE_MS < 6_300 ? 100 : 6_400)).toBe(true);
      }
    }),
  );
});

test('beyond the bound new keys share a counter, and keep what is in it', () => {
  const usage = make(1);
  usage.hold(['a'], 'tokens', 1n, 0).settle(0);
  usage.hold(['b'], 'tokens', 2n, 0).settle(0);
  expect(usage.overflowing).toBe(true);
  expect([
    usage.pending('a', 'tokens', 0),
    usage.pending('b', 'tokens', 0),
    usage.pending('c', 'tokens', 0),
  ]).toEqual([1n, 2n, 2n]);
  // An hour later a's counter is of the past and makes room.
  usage.hold(['b'], 'tokens', 3n, 3_700_000).settle(3_700_000);
  expect(usage.overflowing).toBe(false);
  expect(usage.pending('b', 'tokens', 0)).toBe(5n);
});
