/** Everything of Postgres that a reconciliation compares, as it stood at one instant. */
import type { Pool, PoolClient } from 'pg';
import type { Registry } from '@meterhouse/usage';
import { attrsKeyOf, type ChangedBucket } from './change-log-reading-row.ts';
import {
  readCountingProgress,
  readResumptions,
  type CountingProgress,
  type ResumedRange,
} from './lag-queries.ts';
import { readProducerReports, type ProducerTotals } from './producer-reports.ts';
import type { QuarantineStatus } from './quarantine-desk.ts';
import { loadRegistry } from './registry.ts';
import { bucketPages, type BucketKey } from './tailer-buckets.ts';
import { inTransaction } from './transaction.ts';

/** A quarantine row as far as it takes part in the sums. */
export interface QuarantinedDelivery {
  readonly id: bigint;
  readonly partition: number;
  /** Of its first delivery. */
  readonly offset: bigint;
  readonly tenantId: string | null;
  readonly eventId: string | null;
  readonly content: bigint | null;
  /** Deliveries that ended in this row. */
  readonly occurrences: bigint;
  readonly status: QuarantineStatus;
  readonly reason: string;
}

export interface ReconciliationPoint {
  /** Partitions of this source. */
  readonly progress: readonly CountingProgress[];
  readonly registry: Registry;
  readonly reports: ReadonlyMap<string, ProducerTotals>;
  readonly resumptions: readonly ResumedRange[];
}

/** Takes pages while the point is held open: what it does with them is to be quick. */
/** A bucket of which Kafka never had a part. */
interface PartlyDirect extends BucketKey {
  /** Of its events, how many were counted directly. */
  readonly direct: bigint;
}

export interface PointVisitor {
  readonly partlyDirect: (bucket: PartlyDirect) => void;
  readonly buckets: (page: readonly ChangedBucket[]) => void;
  readonly quarantined: (page: readonly QuarantinedDelivery[]) => void;
}

export async function visitReconciliationPoint(
  pool: Pool,
  source: string,
  visitor: PointVisitor,
): Promise<ReconciliationPoint> {
  return inTransaction(
    pool,
    async (client) => {
      const progress = (await readCountingProgress(client)).filter((one) => one.source === source);
      const registry = await loadRegistry(client);
      const reports = await readProducerReports(client);
      const resumptions = await readResumptions(client, source);
      for await (const page of bucketPages(client)) visitor.buckets(page);
      for (const bucket of await readPartlyDirect(client)) visitor.partlyDirect(bucket);
      for await (const page of quarantinePages(client, source)) visitor.quarantined(page);
      return { progress, registry, reports, resumptions };
    },
    'repeatable read',
  );
}

async function readPartlyDirect(client: PoolClient): Promise<readonly PartlyDirect[]> {
  const result = await client.query<{
    tenant_id: string;
    metric: string;
    hour_ms: string;
    attrs: string;
    direct: string;
  }>(
    `SELECT tenant_id, metric, (extract(epoch FROM hour) * 1000)::bigint AS hour_ms, attrs::text AS attrs, direct
     FROM meterhouse.usage_hourly WHERE direct > 0`,
  );
  return result.rows.map((row) => ({
    tenantId: row.tenant_id,
    metric: row.metric,
    hour: Number(row.hour_ms),
    attrsKey: attrsKeyOf(JSON.parse(row.attrs) as Record<string, string>),
    direct: BigInt(row.direct),
  }));
}

const PAGE_ROWS = 10_000;

async function* quarantinePages(
  client: PoolClient,
  source: string,
): AsyncGenerator<readonly QuarantinedDelivery[]> {
  let after = 0n;
  for (;;) {
    const result = await client.query<{
      id: string;
      partition: number;
      offset: string;
      tenant_id: string | null;
      event_id: string | null;
      content: string | null;
      occurrences: string;
      status: QuarantineStatus;
      reason: string;
    }>(
      `SELECT id, partition, "offset", tenant_id, event_id, content, occurrences, status, reason
       FROM meterhouse.quarantine WHERE source = $1 AND id > $2 ORDER BY id LIMIT $3`,
      [source, after.toString(), PAGE_ROWS],
    );
    const page = result.rows.map((row) => ({
      id: BigInt(row.id),
      partition: row.partition,
      offset: BigInt(row.offset),
      tenantId: row.tenant_id,
      eventId: row.event_id,
      content: row.content === null ? null : BigInt(row.content),
      occurrences: BigInt(row.occurrences),
      status: row.status,
      reason: row.reason,
    }));
    if (page.length > 0) yield page;
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE_ROWS) return;
    after = last.id;
  }
}
