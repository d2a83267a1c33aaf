#!/usr/bin/env node
import {
  createKafka,
  createRegistry,
  createSnapshotEncoder,
  ensureTopics,
  registerSchemas,
} from '@meterhouse/kafka';
import { createClient, createPool, requireCurrentSchema } from '@meterhouse/postgres';
import { createLogger, parseConfig, runService, waitFor, type RunningService } from '@meterhouse/runtime';
import { variables } from './configuration.ts';
import { startQuotaSnapshot } from './quota-snapshot.ts';

const START_TIMEOUT_MS = 60_000;
/** A call that fails is tried again by the publisher, visibly; kafkajs itself only bridges a hiccup. */
const KAFKA_RETRY = { retries: 3, initialRetryTime: 100, maxRetryTime: 1_000 };

const logger = createLogger('quota-snapshot', process.env['LOG_LEVEL'] ?? 'info');

await runService(logger, async (): Promise<RunningService> => {
  const config = parseConfig(variables, process.env);
  logger.level = config.LOG_LEVEL;
  const starting = { deadlineMs: START_TIMEOUT_MS, everyMs: 250, retryErrors: true };
  const done = <T>(work: Promise<T>): Promise<T | true> => work.then((result) => result ?? true);

  const eventsTopic = config.USAGE_EVENTS_TOPIC;
  const snapshotsTopic = config.USAGE_SNAPSHOTS_TOPIC;
  const kafka = createKafka({
    brokers: config.KAFKA_BROKERS,
    clientId: 'meterhouse-quota-snapshot',
    retry: KAFKA_RETRY,
    requestTimeoutMs: 10_000,
    logger,
  });
  const schemas = createRegistry(config.SCHEMA_REGISTRY_URL);
  await waitFor(
    'Postgres with the current schema',
    () => done(requireCurrentSchema(config.DATABASE_URL)),
    starting,
  );
  await waitFor(
    'Kafka',
    () =>
      done(
        ensureTopics(kafka, {
          usageEvents: { topic: eventsTopic },
          usageSnapshots: { topic: snapshotsTopic },
        }),
      ),
    starting,
  );
  const ids = await waitFor(
    'the schema registry',
    () => registerSchemas(schemas, { usageEvents: eventsTopic, usageSnapshots: snapshotsTopic }),
    starting,
  );

  const connection = { url: config.DATABASE_URL, role: 'meterhouse_snapshot' } as const;
  const pool = createPool({ ...connection, applicationName: 'meterhouse-quota-snapshot', max: 4 });
  const service = startQuotaSnapshot({
    pool,
    lockSession: () => createClient({ ...connection, applicationName: 'meterhouse-quota-snapshot-lock' }),
    kafka,
    eventsTopic,
    snapshotsTopic,
    encode: createSnapshotEncoder(ids.usageSnapshots),
    logger,
    now: Date.now,
    random: Math.random,
    times: { leaseMs: config.SNAPSHOT_LEASE_MS },
    bounds: { maxBuckets: config.SNAPSHOT_MAX_BUCKETS },
  });
  return {
    failed: service.failed,
    stop: async () => {
      await service.stop();
      await pool.end();
    },
  };
});
