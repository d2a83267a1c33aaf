/** Usage out of Postgres, or out of the mirror. */
import { fetchLogEnds } from '@meterhouse/kafka';
import {
  asOf,
  inTransaction,
  readCountingProgress,
  readMetrics,
  readSubtree,
  readUsage,
  type AsOf,
  type LogEnds,
  type UsageRow,
} from '@meterhouse/postgres';
import type { Stores } from '../../connect/stores.ts';
import { requireTopic } from '../../import/counted-wait.ts';
import type { Output } from '../../output/output.ts';
import { readMirrorUsage } from '../../usage/mirror-usage.ts';
import { unknownTenant } from '../../usage/usage-text.ts';
import { usageLines } from '../../usage/usage-table.ts';
import type { UsageAsked, UsageRead } from '../system.ts';

interface Answered {
  readonly rows: readonly UsageRow[];
  readonly as: AsOf;
}

export async function usageInStores(asked: UsageAsked, stores: Stores, out: Output): Promise<UsageRead> {
  const read = asked.store === 'postgres' ? fromPostgres : fromClickHouse;
  const { rows, as } = await read(asked, stores, out);
  // One more than may be was read, so that the caller can tell.
  return { lines: usageLines(rows, asked.descendants && rows.length <= asked.maxRows), asOf: as };
}

/** Usage and watermark at one point: otherwise the one could promise what the other does not hold. */
async function fromPostgres(asked: UsageAsked, stores: Stores, out: Output): Promise<Answered> {
  const topic = stores.names.usageEventsTopic;
  const pool = await stores.postgres('meterhouse_reader');
  const { rows, progress } = await inTransaction(
    pool,
    async (client) => {
      const tenants = await readSubtree(client, asked.tenantId);
      if (tenants.length === 0) throw unknownTenant(asked.tenantId);
      return {
        progress: await readCountingProgress(client),
        rows: await readUsage(
          client,
          {
            tenantId: asked.tenantId,
            tenants: asked.descendants ? 'each' : 'own',
            metrics: asked.metric === null ? null : [asked.metric],
            ...asked.span,
            by: asked.by,
            maxRows: asked.maxRows,
          },
          await readMetrics(client),
        ),
      };
    },
    'repeatable read',
  );
  return { rows, as: asOf(topic, progress, await logEnds(stores, out)) };
}

async function fromClickHouse(asked: UsageAsked, stores: Stores): Promise<Answered> {
  const topic = stores.names.usageEventsTopic;
  const pool = await stores.postgres('meterhouse_reader');
  const tenants = await readSubtree(pool, asked.tenantId);
  if (tenants.length === 0) throw unknownTenant(asked.tenantId);
  const question = {
    tenantIds: asked.descendants ? tenants.map(({ id }) => id) : [asked.tenantId],
    metric: asked.metric,
    ...asked.span,
    by: asked.by,
    maxRows: asked.maxRows,
  };
  const { rows, completeThrough } = await readMirrorUsage(
    await stores.clickhouse(),
    question,
    await readMetrics(pool),
  );
  const counting = asOf(topic, await readCountingProgress(pool), null);
  return { rows, as: { ...counting, completeThrough } };
}

/** Null when Kafka cannot be asked: usage is worth showing all the same, with its watermark. */
async function logEnds(stores: Stores, out: Output): Promise<LogEnds | null> {
  const topic = stores.names.usageEventsTopic;
  try {
    const admin = await stores.kafkaAdmin();
    await requireTopic(admin, topic);
    return await fetchLogEnds(admin, topic);
  } catch (error) {
    out.note(
      `how many events are behind is not known: ${error instanceof Error ? error.message : String(error)}`,
    );
    return null;
  }
}
