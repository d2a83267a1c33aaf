#!/usr/bin/env node
import { randomUUID } from 'node:crypto';
import { createClickHouse } from '@meterhouse/clickhouse';
import { createKafka, createRegistry, ensureTopics, registerEventSchema } from '@meterhouse/kafka';
import { createPool, migratePostgres, requireCurrentSchema } from '@meterhouse/postgres';
import { createLogger, parseConfig, runService, waitFor, type RunningService } from '@meterhouse/runtime';
import { DAY_MS } from '@meterhouse/usage';
import { startAggregator } from './aggregator.ts';
import { DEFAULT_BOUNDS, DEFAULT_TIMES, variables } from './configuration.ts';
import { startMirror } from './mirror/mirror.ts';

const START_TIMEOUT_MS = 60_000;
const MIB = 1024 * 1024;

const logger = createLogger('aggregator', process.env.LOG_LEVEL ?? 'info');

await runService(logger, async (): Promise<RunningService> => {
  const config = parseConfig(variables, process.env);
  logger.level = config.LOG_LEVEL;
  const starting = { deadlineMs: START_TIMEOUT_MS, everyMs: 250, retryErrors: true };

  const kafka = createKafka({ brokers: config.KAFKA_BROKERS, clientId: 'meterhouse-aggregator', logger });
  const schemas = createRegistry(config.SCHEMA_REGISTRY_URL);
  if (config.MIGRATE_AT_START) {
    const ran = await migratePostgres(config.DATABASE_URL);
    if (ran.length > 0) logger.info({ migrations: ran }, 'Postgres schema brought up to date');
  } else await requireCurrentSchema(config.DATABASE_URL);
  await waitFor(
    'Kafka',
    async () => {
      await ensureTopics(kafka, {
        usageEvents: { topic: config.USAGE_EVENTS_TOPIC },
        usageSnapshots: { topic: config.USAGE_SNAPSHOTS_TOPIC },
      });
      return true;
    },
    starting,
  );
  await waitFor(
    'the schema registry',
    () => registerEventSchema(schemas, config.USAGE_EVENTS_TOPIC, AbortSignal.timeout(START_TIMEOUT_MS)),
    starting,
  );

  const pool = createPool({
    url: config.DATABASE_URL,
    role: 'meterhouse_aggregator',
    applicationName: 'meterhouse-aggregator',
    max: config.POSTGRES_CONNECTIONS,
  });
  const aggregator = await startAggregator({
    pool,
    kafka,
    schemas,
    topic: config.USAGE_EVENTS_TOPIC,
    groupId: config.CONSUMER_GROUP,
    window: { backMs: config.WINDOW_BACK_DAYS * DAY_MS, aheadMs: config.WINDOW_AHEAD_MINUTES * 60_000 },
    bounds: {
      ...DEFAULT_BOUNDS,
      flush: {
        ...DEFAULT_BOUNDS.flush,
        maxEvents: config.FLUSH_MAX_EVENTS,
        lingerMs: config.FLUSH_LINGER_MS,
      },
      maxBufferedBytes: config.MAX_BUFFERED_MIB * MIB,
      maxChangeLogRows: config.MAX_CHANGE_LOG_ROWS,
    },
    times: {
      ...DEFAULT_TIMES,
      sessionTimeoutMs: config.SESSION_TIMEOUT_MS,
      postgresTimeoutMs: config.POSTGRES_TIMEOUT_MS,
      stallTimeoutMs: config.STALL_TIMEOUT_MS,
    },
    logger,
    now: () => new Date(),
    random: Math.random,
  });
  const clickhouse = createClickHouse(config.CLICKHOUSE_URL, config.CLICKHOUSE_DATABASE);
  const mirror = startMirror({
    pool,
    clickhouse,
    logger: logger.child({ part: 'mirror' }),
    now: Date.now,
    random: Math.random,
    unique: randomUUID,
  });
  logger.info({ topic: config.USAGE_EVENTS_TOPIC }, 'counting');
  return {
    failed: aggregator.failed,
    stop: async () => {
      await Promise.all([aggregator.stop(), mirror.stop()]);
      await clickhouse.close();
      await pool.end();
    },
  };
});
