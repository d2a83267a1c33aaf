#!/usr/bin/env node
import { randomBytes, randomUUID } from 'node:crypto';
import { createKafka, createRegistry, ensureTopics, registerDecisionSchema } from '@meterhouse/kafka';
import { createPool, requireCurrentSchema } from '@meterhouse/postgres';
import { readSnapshots } from '@meterhouse/quota/reader';
import { createLogger, parseConfig, runService, waitFor, type RunningService } from '@meterhouse/runtime';
import { SecretBox, systemResolve } from '@meterhouse/webhooks';
import { BOUNDS } from './bounds.ts';
import { variables } from './configuration.ts';
import { startWebhooks } from './webhooks.ts';

const START_TIMEOUT_MS = 60_000;
const RESOLVE_TIMEOUT_MS = 3_000;
const HOUR_MS = 3_600_000;

const logger = createLogger('webhooks', process.env['LOG_LEVEL'] ?? 'info');

await runService(logger, async (): Promise<RunningService> => {
  const config = parseConfig(variables, process.env);
  logger.level = config.LOG_LEVEL;
  const starting = { deadlineMs: START_TIMEOUT_MS, everyMs: 250, retryErrors: true };
  const done = <T>(work: Promise<T>): Promise<T | true> => work.then((result) => result ?? true);

  const decisionsTopic = config.QUOTA_DECISIONS_TOPIC;
  const snapshotsTopic = config.USAGE_SNAPSHOTS_TOPIC;
  const kafka = createKafka({ brokers: config.KAFKA_BROKERS, clientId: 'meterhouse-webhooks', logger });
  const schemas = createRegistry(config.SCHEMA_REGISTRY_URL);
  await waitFor(
    'Postgres with the current schema',
    () => done(requireCurrentSchema(config.DATABASE_URL)),
    starting,
  );
  const topics = { quotaDecisions: { topic: decisionsTopic }, usageSnapshots: { topic: snapshotsTopic } };
  await waitFor('Kafka', () => done(ensureTopics(kafka, topics)), starting);
  await waitFor(
    'the schema registry',
    () => registerDecisionSchema(schemas, decisionsTopic, AbortSignal.timeout(START_TIMEOUT_MS)),
    starting,
  );
  const pool = createPool({
    url: config.DATABASE_URL,
    role: 'meterhouse_webhooks',
    applicationName: 'meterhouse-webhooks',
    max: 10,
  });
  const reader = readSnapshots({ kafka, registry: schemas, topic: snapshotsTopic, logger });
  const service = await startWebhooks({
    ...{ pool, kafka, schemas, decisionsTopic, reader, logger },
    groupId: config.WEBHOOK_GROUP,
    sessionTimeoutMs: config.SESSION_TIMEOUT_MS,
    secrets: new SecretBox(config.WEBHOOK_SECRET_KEY, randomBytes),
    target: {
      resolve: systemResolve,
      resolveTimeoutMs: RESOLVE_TIMEOUT_MS,
      allowedNetworks: config.WEBHOOK_ALLOWED_NETWORKS,
    },
    now: Date.now,
    random: Math.random,
    newId: randomUUID,
    bounds: {
      send: { ...BOUNDS.send, timeoutMs: config.WEBHOOK_TIMEOUT_MS },
      retryCeilingsMs: config.WEBHOOK_RETRY_SECONDS.map((seconds) => seconds * 1_000),
      maxInFlight: config.WEBHOOK_MAX_IN_FLIGHT,
      maxPerSubscription: config.WEBHOOK_MAX_PER_ENDPOINT,
      circuit: { ...BOUNDS.circuit, disableAfterMs: config.WEBHOOK_DISABLE_AFTER_HOURS * HOUR_MS },
      maxWaiting: config.WEBHOOK_MAX_WAITING,
      keepMs: config.WEBHOOK_KEEP_DAYS * 24 * HOUR_MS,
    },
  });
  logger.info({ decisionsTopic, snapshotsTopic }, 'telling webhooks');
  return {
    failed: service.failed,
    stop: async () => {
      await service.stop();
      await reader.close();
      await pool.end();
    },
  };
});
