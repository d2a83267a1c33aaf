/** The messages of usage_snapshots. */
import type { Period, Refusal } from '@meterhouse/usage';

/** Which publisher, and which of its messages; of two, the lower (epoch, sequence) loses. */
export interface SnapshotStamp {
  readonly epoch: number;
  readonly sequence: number;
  /** Epoch ms: every event that the broker had before this instant is in. */
  readonly asOf: number;
  /** Epoch ms. */
  readonly publishedAt: number;
}

/** A tenant's usage of a metric in a period. */
export interface PeriodUsage extends SnapshotStamp {
  readonly kind: 'usage';
  readonly tenantId: string;
  readonly metric: string;
  readonly period: Period;
  /** Epoch ms. */
  readonly periodStart: number;
  /** Decimal: the metric's aggregation over the tenant and all below it. */
  readonly used: string;
  /** Decimal, or null where none is set. */
  readonly limit: string | null;
  readonly mode: 'hard' | 'soft' | null;
}

/** Says only that all usage through `asOf` is published. */
export interface Heartbeat extends SnapshotStamp {
  readonly kind: 'heartbeat';
}

export type UsageSnapshot = PeriodUsage | Heartbeat;

/** What the Avro record holds: the fields of both kinds. */
export type SnapshotRecord = SnapshotStamp & {
  readonly kind: 'usage' | 'heartbeat';
  readonly tenantId: string;
  readonly metric: string;
  readonly period: Period | null;
  readonly periodStart: number;
  readonly used: string;
  readonly limit: string | null;
  readonly mode: 'hard' | 'soft' | null;
};

export function checkSnapshot(record: SnapshotRecord): UsageSnapshot | Refusal {
  const { epoch, sequence, asOf, publishedAt } = record;
  if (record.kind === 'heartbeat') return { kind: 'heartbeat', epoch, sequence, asOf, publishedAt };
  const { tenantId, metric, period, periodStart, used, limit, mode } = record;
  if (period === null) return missing('period');
  if (tenantId === '') return missing('tenantId');
  if (metric === '') return missing('metric');
  return {
    kind: 'usage',
    epoch,
    sequence,
    asOf,
    publishedAt,
    tenantId,
    metric,
    period,
    periodStart,
    used,
    limit,
    mode,
  };
}

function missing(field: string): Refusal {
  return { reason: 'undecodable', field, detail: `a usage snapshot without ${field}` };
}
