#!/usr/bin/env node
import { createKafka, createRegistry, ensureTopics, registerDecisionSchema } from '@meterhouse/kafka';
import { createPool, requireCurrentSchema } from '@meterhouse/postgres';
import { createLogger, parseConfig, runService, waitFor, type RunningService } from '@meterhouse/runtime';
import { DAY_MS } from '@meterhouse/usage';
import { variables } from './configuration.ts';
import { startDecisionLog } from './decision-log.ts';

const START_TIMEOUT_MS = 60_000;
const MIB = 1024 * 1024;

const logger = createLogger('decision-log', process.env['LOG_LEVEL'] ?? 'info');

await runService(logger, async (): Promise<RunningService> => {
  const config = parseConfig(variables, process.env);
  logger.level = config.LOG_LEVEL;
  const starting = { deadlineMs: START_TIMEOUT_MS, everyMs: 250, retryErrors: true };
  const done = <T>(work: Promise<T>): Promise<T | true> => work.then((result) => result ?? true);

  const topic = config.QUOTA_DECISIONS_TOPIC;
  const kafka = createKafka({ brokers: config.KAFKA_BROKERS, clientId: 'meterhouse-decision-log', logger });
  const schemas = createRegistry(config.SCHEMA_REGISTRY_URL);
  await waitFor(
    'Postgres with the current schema',
    () => done(requireCurrentSchema(config.DATABASE_URL)),
    starting,
  );
  await waitFor('Kafka', () => done(ensureTopics(kafka, { quotaDecisions: { topic } })), starting);
  // Enforcement points without the right to register find it there.
  await waitFor(
    'the schema registry',
    () => registerDecisionSchema(schemas, topic, AbortSignal.timeout(START_TIMEOUT_MS)),
    starting,
  );
  const pool = createPool({
    url: config.DATABASE_URL,
    role: 'meterhouse_decisions',
    applicationName: 'meterhouse-decision-log',
    max: 4,
  });
  const service = await startDecisionLog({
    pool,
    kafka,
    schemas,
    topic,
    groupId: config.DECISION_LOG_GROUP,
    keepMs: config.DECISION_LOG_KEEP_DAYS * DAY_MS,
    keepReservationsMs: config.RESERVATIONS_KEEP_DAYS * DAY_MS,
    logger,
    random: Math.random,
    times: { sessionTimeoutMs: config.SESSION_TIMEOUT_MS },
    bounds: { maxRows: config.DECISION_LOG_MAX_ROWS, maxBytes: config.DECISION_LOG_MAX_MIB * MIB },
  });
  logger.info({ topic }, 'keeping decisions');
  return {
    failed: service.failed,
    stop: async () => {
      await service.stop();
      await pool.end();
    },
  };
});
