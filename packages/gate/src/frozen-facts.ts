/**
 * Facts that stay as they were when they were first looked at. A decision that has to wait for the rate
 * limiter is completed with what it began with: what was held for it since must not count against it.
 */
import type { Facts } from '@meterhouse/quota';

export function frozen(facts: Facts): Facts {
  const { usage, pending, now } = facts;
  const readings = new Map<string, ReturnType<Facts['usage']['read']>>();
  const amounts = new Map<string, bigint>();
  let heard: ReturnType<Facts['usage']['freshness']> | null = null;
  return {
    ...facts,
    usage: {
      freshness: () => (heard ??= usage.freshness(now)),
      read: (key, period) => remembered(readings, key.text, () => usage.read(key, period, now)),
    },
    pending: {
      pending: (scope, metric, sinceMs) =>
        remembered(amounts, `${scope}|${metric}|${sinceMs}`, () => pending.pending(scope, metric, sinceMs)),
    },
  };
}

function remembered<T>(known: Map<string, T>, key: string, find: () => T): T {
  const before = known.get(key);
  if (before !== undefined) return before;
  const found = find();
  known.set(key, found);
  return found;
}
