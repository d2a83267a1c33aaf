/** A row of usage_hourly, as it is read everywhere. */
import { totalsFromStore, type StoredTotals } from '@meterhouse/usage';
import { attrsKeyOf, type ChangedBucket } from './change-log-reading-row.ts';

export interface BucketRow extends StoredTotals {
  tenant_id: string;
  metric: string;
  hour_ms: string;
  attrs: string;
  revision: string;
}

/** Of a BucketRow. */
export const BUCKET_COLUMNS = `tenant_id, metric, (extract(epoch FROM hour) * 1000)::bigint AS hour_ms, attrs::text AS attrs,
  sum, count, min, max, latest, (extract(epoch FROM latest_ts) * 1000)::bigint AS latest_ts_ms, latest_id, revision`;

export function toBucket(row: BucketRow): ChangedBucket {
  return {
    tenantId: row.tenant_id,
    metric: row.metric,
    hour: Number(row.hour_ms),
    attrsKey: attrsKeyOf(JSON.parse(row.attrs) as Record<string, string>),
    ...totalsFromStore(row),
    revision: BigInt(row.revision),
  };
}

/** StoredTotals of several rows added up. */
export const ADDED_UP = `sum(sum) AS sum, sum(count)::bigint AS count, min(min) AS min, max(max) AS max,
  (array_agg(latest ORDER BY latest_ts DESC, latest_id DESC))[1] AS latest,
  (extract(epoch FROM max(latest_ts)) * 1000)::bigint AS latest_ts_ms,
  (array_agg(latest_id ORDER BY latest_ts DESC, latest_id DESC))[1] AS latest_id`;
