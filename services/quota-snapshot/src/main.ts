#!/usr/bin/env node
import {
  configuredKafka,
  createKafka,
  createRegistry,
  createSnapshotEncoder,
  ensureTopics,
  isRefusedForGood,
  registerSchemas,
  requireKafka,
} from '@meterhouse/kafka';
import { createClient, createPool, requireCurrentSchema, schemaMayCome } from '@meterhouse/postgres';
import { Releases, type RunningService } from '@meterhouse/runtime';
import { serviceMain, type ServiceTools } from '@meterhouse/runtime/service';
import { PURPOSE, variables, type Configuration } from './configuration.ts';
import { observeSnapshots, snapshotInstruments } from './observe/observe-snapshots.ts';
import { startQuotaSnapshot } from './quota-snapshot.ts';

/** A call that fails is tried again by the publisher, visibly; kafkajs itself only bridges a hiccup. */
const KAFKA_RETRY = { retries: 3, initialRetryTime: 100, maxRetryTime: 1_000 };

await serviceMain({ name: 'quota-snapshot', purpose: PURPOSE, variables, start });

async function start(config: Configuration, tools: ServiceTools): Promise<RunningService> {
  const { logger, metrics, health, startUp, beginSpan } = tools;
  const eventsTopic = config.USAGE_EVENTS_TOPIC;
  const snapshotsTopic = config.USAGE_SNAPSHOTS_TOPIC;
  const connection = { ...configuredKafka(config), clientId: 'meterhouse-quota-snapshot', logger };
  const kafka = createKafka({ ...connection, retry: KAFKA_RETRY, requestTimeoutMs: 10_000 });
  const schemas = createRegistry(config.SCHEMA_REGISTRY_URL);
  await startUp.waitFor(
    'Postgres with the current schema',
    () => requireCurrentSchema(config.DATABASE_URL),
    (error) => !schemaMayCome(error),
  );
  await startUp.waitFor('Kafka', async () => {
    await requireKafka(connection);
    await ensureTopics(kafka, {
      usageEvents: { topic: eventsTopic },
      usageSnapshots: { topic: snapshotsTopic },
    });
  });
  const ids = await startUp.waitFor(
    'the schema registry',
    () => registerSchemas(schemas, { usageEvents: eventsTopic, usageSnapshots: snapshotsTopic }),
    isRefusedForGood,
  );

  const login = { url: config.DATABASE_URL, role: 'meterhouse_snapshot' } as const;
  const pool = createPool({ ...login, applicationName: 'meterhouse-quota-snapshot', max: 4 });
  const releases = new Releases();
  releases.add('Postgres', () => pool.end());
  const maxBuckets = config.SNAPSHOT_MAX_BUCKETS;
  const service = startQuotaSnapshot({
    pool,
    lockSession: () => createClient({ ...login, applicationName: 'meterhouse-quota-snapshot-lock' }),
    ...{ kafka, eventsTopic, snapshotsTopic, logger, beginSpan },
    encode: createSnapshotEncoder(ids.usageSnapshots),
    now: Date.now,
    random: Math.random,
    times: { leaseMs: config.SNAPSHOT_LEASE_MS },
    bounds: { maxBuckets },
    observer: snapshotInstruments(metrics),
  });
  releases.add('publishing', (drain) => service.stop(drain));
  const stuckAfterMs = config.STUCK_AFTER_MS;
  observeSnapshots({ service, maxBuckets, stuckAfterMs, metrics, health, now: Date.now });
  return {
    failed: service.failed,
    stop: (drain) => releases.releaseAll(drain),
  };
}
