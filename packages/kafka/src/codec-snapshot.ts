/** The messages of usage_snapshots. */
import type { Period, Refusal, TurningPeriod } from '@meterhouse/usage';
import { Periods, UTC_CALENDAR } from '@meterhouse/usage/calendar';

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
  /** Epoch ms: usage counts from here … */
  readonly periodStart: number;
  /** … up to here, not included; null for a total, which never ends. */
  readonly periodEnd: number | null;
  /** Decimal: the metric's aggregation over the tenant and all below it. */
  readonly used: string;
}

/** Says only that all usage through `asOf` is published. */
export interface Heartbeat extends SnapshotStamp {
  readonly kind: 'heartbeat';
}

/** A document of the registry, such as a plan, as it stands since a version. */
interface PublishedDocument extends SnapshotStamp {
  readonly kind: 'document';
  readonly documentKind: string;
  readonly id: string;
  readonly version: bigint;
  /** Null: it was removed. */
  readonly body: unknown;
}

/** Says that every document up to the version is published. */
interface RegistryComplete extends SnapshotStamp {
  readonly kind: 'registry';
  readonly version: bigint;
}

/** A message of the snapshot topic. */
export type UsageSnapshot = PeriodUsage | Heartbeat | PublishedDocument | RegistryComplete;

/** What the Avro record holds: the fields of both kinds. */
export type SnapshotRecord = SnapshotStamp & {
  readonly kind: UsageSnapshot['kind'];
  readonly tenantId: string;
  readonly metric: string;
  /** Null: a total. Not a symbol of its own, which would make every message unreadable to an older reader. */
  readonly period: TurningPeriod | null;
  readonly periodStart: number;
  readonly periodEnd: number | null;
  readonly used: string;
  readonly documentKind: string;
  readonly documentId: string;
  readonly registryVersion: number;
  /** JSON. */
  readonly body: string;
};

export function checkSnapshot(record: SnapshotRecord): UsageSnapshot | Refusal {
  const { epoch, sequence, asOf, publishedAt } = record;
  if (record.kind === 'heartbeat') return { kind: 'heartbeat', epoch, sequence, asOf, publishedAt };
  if (record.kind === 'registry')
    return {
      kind: 'registry',
      epoch,
      sequence,
      asOf,
      publishedAt,
      version: BigInt(record.registryVersion),
    };
  if (record.kind === 'document') return checkDocument(record);
  const { tenantId, metric, periodStart, used } = record;
  if (tenantId === '') return missing('tenantId');
  if (metric === '') return missing('metric');
  const period = record.period ?? 'total';
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
    periodEnd: record.periodEnd ?? (record.period === null ? null : endInUtc(record.period, periodStart)),
    used,
  };
}

const UTC = new Periods(UTC_CALENDAR);

/** For a message of an older publisher, which did not say it and knew no other calendar. */
function endInUtc(period: TurningPeriod, start: number): number {
  return UTC.of(period, start).end;
}

/** What the record says; of which kinds there are documents, and what is in them, the reader checks. */
function checkDocument(record: SnapshotRecord): PublishedDocument | Refusal {
  const { epoch, sequence, asOf, publishedAt, documentKind, documentId: id, registryVersion } = record;
  if (documentKind === '') return missing('documentKind');
  if (id === '') return missing('documentId');
  let body: unknown;
  try {
    body = JSON.parse(record.body);
  } catch {
    return { reason: 'undecodable', field: 'body', detail: `the document ${documentKind} ${id} is not JSON` };
  }
  const version = BigInt(registryVersion);
  return { kind: 'document', epoch, sequence, asOf, publishedAt, documentKind, id, version, body };
}

/** As the Avro record holds it. */
export function toSnapshotRecord(snapshot: UsageSnapshot): object {
  if (snapshot.kind === 'registry') return { ...snapshot, registryVersion: Number(snapshot.version) };
  if (snapshot.kind === 'usage')
    return { ...snapshot, period: snapshot.period === 'total' ? null : snapshot.period };
  if (snapshot.kind !== 'document') return snapshot;
  const { id: documentId, version, body, ...rest } = snapshot;
  return { ...rest, documentId, registryVersion: Number(version), body: JSON.stringify(body) };
}

function missing(field: string): Refusal {
  return { reason: 'undecodable', field, detail: `a usage snapshot without ${field}` };
}
