/**
 * Guarantees:
 * - Numbers rise and are never used twice, also after a batch whose fate is unknown.
 * - A key that changed many times while it waited costs one message: waiting is bounded by the keys (I10).
 * - I6: a heartbeat's as-of is of an instant whose changes are all published before it.
 * - A new period of whatever was published starts at 0, published so.
 */
import { expect, test } from 'vitest';
import { HOUR_MS, type Period } from '@meterhouse/usage';
import { PendingSnapshots } from './pending-snapshots.ts';
import type { UsageKey } from './usage-table.ts';

const key = (tenantId: string, period: Period = 'hour'): UsageKey => ({ tenantId, metric: 'm', period });

function usageOf(values: Record<string, string>, starts: Partial<Record<Period, number>> = {}) {
  return {
    used: ({ tenantId }: UsageKey) => values[tenantId] ?? '0',
    span: ({ period }: UsageKey) => ({ start: starts[period] ?? 0, end: (starts[period] ?? 0) + HOUR_MS }),
  };
}

const options = { maxMessages: 100, asOf: 50, now: 60, heartbeat: true };

test('one message a key, with the value of the moment it is taken', () => {
  const pending = new PendingSnapshots(7);
  for (let i = 0; i < 1000; i++) pending.mark([key('a'), key('b')]);
  expect(pending.size).toBe(2);
  const batch = pending.take(usageOf({ a: '3', b: '4' }), options);
  expect(batch.messages.map((message) => (message.kind === 'usage' ? message.used : message.kind))).toEqual([
    '3',
    '4',
    'heartbeat',
  ]);
  expect(batch.messages.every(({ epoch, asOf }) => epoch === 7 && asOf === 50)).toBe(true);
});

test('what readers have already is not published again', () => {
  const pending = new PendingSnapshots(1);
  pending.mark([key('a')]);
  pending.published(pending.take(usageOf({ a: '3' }), options));
  pending.mark([key('a')]);
  expect(pending.take(usageOf({ a: '3' }), { ...options, heartbeat: false })).toMatchObject({
    messages: [],
    entries: [],
    completeThrough: 50,
  });
});

test('after a batch of unknown fate its keys are published again, with higher numbers', () => {
  const pending = new PendingSnapshots(1);
  pending.mark([key('a')]);
  pending.published(pending.take(usageOf({ a: '3' }), options));
  pending.mark([key('a')]);
  const lost = pending.take(usageOf({ a: '4' }), options);
  pending.uncertain(lost);
  // Back at what readers had for certain before: it may have been overwritten.
  const again = pending.take(usageOf({ a: '3' }), options);
  expect(again.messages).toMatchObject([{ used: '3' }, { kind: 'heartbeat' }]);
  const numbers = [lost, again].flatMap((batch) => batch.messages.map(({ sequence }) => sequence));
  expect(numbers).toEqual([3, 4, 5, 6]);
});

test('I6: a heartbeat waits for the end of its round, and says the as-of at which the round began', () => {
  const pending = new PendingSnapshots(1);
  pending.mark(['a', 'b', 'c'].map((tenantId) => key(tenantId)));
  const usage = usageOf({ a: '1', b: '2', c: '3' });
  const first = pending.take(usage, { ...options, maxMessages: 2, asOf: 50 });
  expect(first).toMatchObject({ completeThrough: null, messages: [{ used: '1' }, { used: '2' }] });
  pending.mark([key('d')]);
  const second = pending.take(usage, { ...options, maxMessages: 1, asOf: 90 });
  expect(second.messages).toMatchObject([
    { used: '3', asOf: 90 },
    { kind: 'heartbeat', asOf: 50 },
  ]);
  expect(pending.size).toBe(1);
});

test('I6: a lost batch takes the heartbeat of its round with it', () => {
  const pending = new PendingSnapshots(1);
  pending.mark(['a', 'b'].map((tenantId) => key(tenantId)));
  pending.uncertain(pending.take(usageOf({ a: '1', b: '2' }), { ...options, maxMessages: 1 }));
  const next = pending.take(usageOf({ a: '1', b: '2' }), { ...options, maxMessages: 1 });
  expect(next.completeThrough).toBeNull();
});

test('a period that begins is published at 0 for whatever was published before', () => {
  const pending = new PendingSnapshots(1);
  pending.mark([key('a', 'hour'), key('a', 'day')]);
  pending.published(pending.take(usageOf({ a: '3' }), options));
  const later = usageOf({}, { hour: HOUR_MS });
  pending.markBegun(later);
  const batch = pending.take(later, { ...options, heartbeat: false });
  expect(batch.messages).toMatchObject([
    { period: 'hour', used: '0', periodStart: HOUR_MS, periodEnd: 2 * HOUR_MS },
  ]);
  expect(batch.messages).toHaveLength(1);
});

test('what was published and is no longer there is published at 0', () => {
  const pending = new PendingSnapshots(1);
  pending.mark([key('a'), key('b')]);
  pending.published(pending.take(usageOf({ a: '3', b: '4' }), options));
  pending.markPublished();
  const batch = pending.take(usageOf({ b: '4' }), { ...options, heartbeat: false });
  expect(batch.messages).toMatchObject([{ tenantId: 'a', used: '0' }]);
});
