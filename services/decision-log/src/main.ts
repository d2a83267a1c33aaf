#!/usr/bin/env node
import {
  configuredKafka,
  createKafka,
  createRegistry,
  ensureTopics,
  isRefusedForGood,
  registerDecisionSchema,
  requireKafka,
} from '@meterhouse/kafka';
import { createPool, requireCurrentSchema, schemaMayCome } from '@meterhouse/postgres';
import { Releases, type RunningService } from '@meterhouse/runtime';
import { serviceMain, type ServiceTools } from '@meterhouse/runtime/service';
import { DAY_MS } from '@meterhouse/usage';
import { PURPOSE, variables, type Configuration } from './configuration.ts';
import { startDecisionLog } from './decision-log.ts';
import { DecisionLogInstruments } from './observe/instruments.ts';

const MIB = 1024 * 1024;

await serviceMain({ name: 'decision-log', purpose: PURPOSE, variables, start });

async function start(config: Configuration, tools: ServiceTools): Promise<RunningService> {
  const { logger, metrics, health, startUp } = tools;
  const topic = config.QUOTA_DECISIONS_TOPIC;
  const connection = { ...configuredKafka(config), clientId: 'meterhouse-decision-log', logger };
  const kafka = createKafka(connection);
  const schemas = createRegistry(config.SCHEMA_REGISTRY_URL);
  await startUp.waitFor(
    'Postgres with the current schema',
    () => requireCurrentSchema(config.DATABASE_URL),
    (error) => !schemaMayCome(error),
  );
  await startUp.waitFor('Kafka', async () => {
    await requireKafka(connection);
    await ensureTopics(kafka, { quotaDecisions: { topic } });
  });
  // Enforcement points without the right to register find it there.
  await startUp.waitFor(
    'the schema registry',
    () => registerDecisionSchema(schemas, topic, AbortSignal.timeout(config.START_TIMEOUT_MS)),
    isRefusedForGood,
  );
  const releases = new Releases();
  const pool = createPool({
    url: config.DATABASE_URL,
    role: 'meterhouse_decisions',
    applicationName: 'meterhouse-decision-log',
    max: 4,
  });
  releases.add('Postgres', () => pool.end());
  const instruments = new DecisionLogInstruments(metrics);
  const service = await startDecisionLog({
    ...{ pool, kafka, schemas, topic, logger },
    groupId: config.DECISION_LOG_GROUP,
    keepMs: config.DECISION_LOG_KEEP_DAYS * DAY_MS,
    keepReservationsMs: config.RESERVATIONS_KEEP_DAYS * DAY_MS,
    random: Math.random,
    times: { sessionTimeoutMs: config.SESSION_TIMEOUT_MS },
    bounds: { maxRows: config.DECISION_LOG_MAX_ROWS, maxBytes: config.DECISION_LOG_MAX_MIB * MIB },
    observer: instruments,
  });
  releases.add('keeping decisions', (drain) => service.stop(drain));
  instruments.watch(service, { metrics, health, stuckAfterMs: config.STUCK_AFTER_MS });
  logger.info({ topic }, 'keeping decisions');
  return {
    failed: service.failed,
    stop: (drain) => releases.releaseAll(drain),
  };
}
