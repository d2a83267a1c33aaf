/** Hour buckets as ClickHouse's rows and back. Pure. */
import { formatDecimal, type Bucket, totalsFromStore, type StoredTotals } from '@meterhouse/usage';

/** A bucket's absolute state. A higher revision replaces a lower one. */
export type MirroredBucket = Bucket & { readonly revision: bigint };

/** What makes a bucket that bucket. */
export type MirrorKey = Pick<Bucket, 'tenantId' | 'metric' | 'hour' | 'attrsKey'>;

/** A row of usage_hourly_revisions, in the table's column order; decimals and counts are text. */
export type RevisionRow = [
  tenantId: string,
  metric: string,
  hour: string,
  attrsKey: string,
  attrs: Record<string, string>,
  sum: string,
  count: string,
  min: string,
  max: string,
  latest: string,
  latestTs: string,
  latestId: string,
  revision: string,
];

/** @throws RangeError for an instant that the column would silently bend */
export function toRow(bucket: MirroredBucket): RevisionRow {
  return [
    bucket.tenantId,
    bucket.metric,
    dateTime(bucket.hour),
    bucket.attrsKey,
    JSON.parse(bucket.attrsKey) as Record<string, string>,
    formatDecimal(bucket.sum),
    bucket.count.toString(),
    formatDecimal(bucket.min),
    formatDecimal(bucket.max),
    formatDecimal(bucket.latest),
    dateTime64(bucket.latestTs),
    bucket.latestId,
    bucket.revision.toString(),
  ];
}

/** A bucket as the read queries select it. */
export interface SelectedBucket extends StoredTotals {
  tenant_id: string;
  metric: string;
  hour_s: number;
  attrs_key: string;
  revision: string;
}

export function fromRow(row: SelectedBucket): MirroredBucket {
  return {
    tenantId: row.tenant_id,
    metric: row.metric,
    hour: row.hour_s * 1000,
    attrsKey: row.attrs_key,
    ...totalsFromStore(row),
    revision: BigInt(row.revision),
  };
}

/** Of each bucket the highest revision: what lies below it would only be replaced again. */
export function highestRevisions(changes: readonly MirroredBucket[]): MirroredBucket[] {
  const highest = new Map<string, MirroredBucket>();
  for (const bucket of changes) {
    const key = mirrorKeyText(bucket);
    const known = highest.get(key);
    if (known === undefined || known.revision < bucket.revision) highest.set(key, bucket);
  }
  return [...highest.values()];
}

/** NUL cannot occur in any of the parts. */
export function mirrorKeyText(key: MirrorKey): string {
  return `${key.tenantId}\0${key.metric}\0${key.hour}\0${key.attrsKey}`;
}

/** DateTime holds 1970 to 2106 and takes the nearest end for anything else, without a word. */
const DATE_TIME_END = 2 ** 32 * 1000;
/** DateTime64(3) holds 1900 to 2299. */
const DATE_TIME_64_START = Date.UTC(1900, 0, 1);
const DATE_TIME_64_END = Date.UTC(2300, 0, 1);

function dateTime(ms: number): string {
  if (!(ms >= 0 && ms < DATE_TIME_END)) throw new RangeError(`ClickHouse cannot hold the hour ${ms} ms`);
  return new Date(ms).toISOString().slice(0, 19).replace('T', ' ');
}

function dateTime64(ms: number): string {
  if (!(ms >= DATE_TIME_64_START && ms < DATE_TIME_64_END))
    throw new RangeError(`ClickHouse cannot hold the instant ${ms} ms`);
  return new Date(ms).toISOString().slice(0, 23).replace('T', ' ');
}
