#!/usr/bin/env node
import { randomBytes, randomUUID } from 'node:crypto';
import {
  configuredKafka,
  createKafka,
  createRegistry,
  ensureTopics,
  isRefusedForGood,
  readGroupStand,
  registerDecisionSchema,
  requireKafka,
} from '@meterhouse/kafka';
import { createPool, requireCurrentSchema, schemaMayCome } from '@meterhouse/postgres';
import { readSnapshots } from '@meterhouse/quota/reader';
import { Releases, type RunningService } from '@meterhouse/runtime';
import { observe } from '@meterhouse/runtime/metrics';
import { serviceMain, type ServiceTools } from '@meterhouse/runtime/service';
import { RESOLVE_TIMEOUT_MS, SecretBox, systemResolve } from '@meterhouse/webhooks';
import { BOUNDS, type WebhookBounds } from './bounds.ts';
import { PURPOSE, variables, type Configuration } from './configuration.ts';
import { countAttempts, exportState, outboxObservation, progressObservation } from './observe.ts';
import { startWebhooks } from './webhooks.ts';

await serviceMain({ name: 'webhooks', purpose: PURPOSE, variables, start });

async function start(config: Configuration, tools: ServiceTools): Promise<RunningService> {
  const { logger, startUp } = tools;
  const decisionsTopic = config.QUOTA_DECISIONS_TOPIC;
  const snapshotsTopic = config.USAGE_SNAPSHOTS_TOPIC;
  const connection = { ...configuredKafka(config), clientId: 'meterhouse-webhooks', logger };
  const kafka = createKafka(connection);
  const schemas = createRegistry(config.SCHEMA_REGISTRY_URL);
  await startUp.waitFor(
    'Postgres with the current schema',
    () => requireCurrentSchema(config.DATABASE_URL),
    (error) => !schemaMayCome(error),
  );
  const topics = { quotaDecisions: { topic: decisionsTopic }, usageSnapshots: { topic: snapshotsTopic } };
  await startUp.waitFor('Kafka', async () => {
    await requireKafka(connection);
    await ensureTopics(kafka, topics);
  });
  await startUp.waitFor(
    'the schema registry',
    () => registerDecisionSchema(schemas, decisionsTopic, AbortSignal.timeout(config.START_TIMEOUT_MS)),
    isRefusedForGood,
  );
  const releases = new Releases();
  const pool = createPool({
    url: config.DATABASE_URL,
    role: 'meterhouse_webhooks',
    applicationName: 'meterhouse-webhooks',
    max: 10,
  });
  releases.add('Postgres', () => pool.end());
  const reader = readSnapshots({ kafka, registry: schemas, topic: snapshotsTopic, logger });
  releases.add('the usage snapshots', () => reader.close());
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
    bounds: boundsOf(config),
    attempted: countAttempts(tools.metrics),
  });
  exportState(service, reader, tools);
  const watched = {
    service,
    readStands: () => readGroupStand(kafka, decisionsTopic, config.WEBHOOK_GROUP),
    stuckAfterMs: config.STUCK_AFTER_MS,
  };
  const observations = observe([outboxObservation(pool, tools), progressObservation(watched, tools)], tools);
  releases.add('observations', () => observations.stop());
  // Released first: nothing may hold up the drain.
  releases.add('telling webhooks', (drain) => service.stop(drain));
  logger.info({ decisionsTopic, snapshotsTopic }, 'telling webhooks');
  return {
    failed: service.failed,
    stop: (drain) => releases.releaseAll(drain),
  };
}

function boundsOf(config: Configuration): Partial<WebhookBounds> {
  return {
    send: { ...BOUNDS.send, timeoutMs: config.WEBHOOK_TIMEOUT_MS },
    retryCeilingsMs: config.WEBHOOK_RETRY_SECONDS.map((seconds) => seconds * 1_000),
    maxInFlight: config.WEBHOOK_MAX_IN_FLIGHT,
    maxPerSubscription: config.WEBHOOK_MAX_PER_ENDPOINT,
    circuit: { ...BOUNDS.circuit, disableAfterMs: config.WEBHOOK_DISABLE_AFTER_HOURS * 3_600_000 },
    maxWaiting: config.WEBHOOK_MAX_WAITING,
    keepMs: config.WEBHOOK_KEEP_DAYS * 86_400_000,
  };
}
