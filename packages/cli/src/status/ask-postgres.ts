import {
  CLICKHOUSE_MIRROR,
  countOpenQuarantine,
  createClient,
  readCountingProgress,
  readDecisionLogPartitions,
  readLeaders,
  readSchemaStand,
  readSessions,
  readTailerLag,
  readWebhooksStand,
} from '@meterhouse/postgres';
import { readAuditHead } from '@meterhouse/postgres/access';
import { ignore } from '@meterhouse/runtime';
import { QUARANTINE_REASONS } from '@meterhouse/usage';
import type { Stores } from '../connect/stores.ts';
import type { PostgresFacts, SystemFacts } from './facts.ts';

/** Rows that are looked at of whatever may grow without end. */
export const MAX_ROWS = 100_000;

/**
 * One connection for each look. With the login role's rights only as long as it takes to see which
 * migrations ran; then as meterhouse_reader, in a transaction that cannot write.
 */
export async function askPostgres(stores: Stores, deadlineMs: number): Promise<PostgresFacts> {
  const client = createClient({
    url: stores.urlOf('postgres'),
    applicationName: 'meterhouse-command',
    connectTimeoutMs: deadlineMs,
  });
  // A connection that breaks says so by an event too; the query rejects anyway.
  client.on('error', ignore);
  // With a query under way this cuts the connection: a server that is frozen would keep us for ever.
  const cut = setTimeout(() => void client.end().catch(ignore), deadlineMs);
  try {
    await client.connect();
    const schema = await readSchemaStand(client);
    if (schema.pending.length > 0 || schema.unknown.length > 0) return { schema, system: null };
    await client.query('SET ROLE meterhouse_reader');
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const system = await readSystem(client, stores.names.usageSnapshotsTopic);
    await client.query('COMMIT');
    return { schema, system };
  } finally {
    clearTimeout(cut);
    await client.end();
  }
}

async function readSystem(
  client: Parameters<typeof readTailerLag>[0],
  snapshotsTopic: string,
): Promise<SystemFacts> {
  return {
    progress: await readCountingProgress(client),
    tailers: await readTailerLag(client),
    quarantine: await countOpenQuarantine(client, QUARANTINE_REASONS, MAX_ROWS),
    decisions: await readDecisionLogPartitions(client),
    webhooks: await readWebhooksStand(client, MAX_ROWS),
    audit: await readAuditHead(client),
    sessions: await readSessions(client),
    leaders: await readLeaders(client, { mirror: CLICKHOUSE_MIRROR, snapshotsTopic }),
  };
}
