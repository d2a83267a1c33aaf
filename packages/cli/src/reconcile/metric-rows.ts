/** Every metric's way from its producers to Postgres. Pure. */
import type { Reconciliation } from './reconcile.ts';
import { ZERO, type Total } from './sums.ts';

/** One metric's way from its producers to Postgres. */
export interface MetricRow {
  readonly metric: string;
  readonly producers: Total | null;
  readonly expected: Total | null;
  readonly kafka: Total;
  readonly postgres: Total;
  readonly waiting: Total;
  readonly discarded: Total;
}

export function metricRows(one: Reconciliation, metric: string | null): readonly MetricRow[] {
  const names = new Set([...one.reported.keys(), ...one.kafka.distinct.keys(), ...one.postgres.keys()]);
  return [...names]
    .filter((name) => metric === null || name === metric)
    .sort()
    .map((name) => ({
      metric: name,
      producers: one.reported.get(name) ?? null,
      expected: one.expected?.get(name) ?? null,
      kafka: one.kafka.distinct.get(name) ?? ZERO,
      postgres: one.postgres.get(name) ?? ZERO,
      waiting: one.kafka.waiting.get(name) ?? ZERO,
      discarded: one.kafka.discarded.get(name) ?? ZERO,
    }));
}
