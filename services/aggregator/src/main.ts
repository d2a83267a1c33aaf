#!/usr/bin/env node
import { randomUUID } from 'node:crypto';
import { createClickHouse } from '@meterhouse/clickhouse';
import {
  configuredKafka,
  createKafka,
  createRegistry,
  ensureTopics,
  isRefusedForGood,
  registerEventSchema,
  requireKafka,
  type SchemaRegistry,
} from '@meterhouse/kafka';
import { createPool, migratePostgres, requireCurrentSchema, schemaMayCome } from '@meterhouse/postgres';
import { Releases, type RunningService } from '@meterhouse/runtime';
import { serviceMain, type ServiceTools } from '@meterhouse/runtime/service';
import type { Kafka } from 'kafkajs';
import { startAggregator } from './aggregator.ts';
import { boundsOf, PURPOSE, timesOf, variables, windowOf, type Configuration } from './configuration.ts';
import { startMirror } from './mirror/mirror.ts';
import { CountingInstruments } from './observe/counting-instruments.ts';
import { observeAggregator } from './observe/observe-aggregator.ts';

await serviceMain({ name: 'aggregator', purpose: PURPOSE, variables, start });

async function start(config: Configuration, tools: ServiceTools): Promise<RunningService> {
  const { logger, metrics, health, beginSpan } = tools;
  const schemas = createRegistry(config.SCHEMA_REGISTRY_URL);
  const kafka = await waitForParts(config, tools, schemas);

  const releases = new Releases();
  const connection = { url: config.DATABASE_URL, role: 'meterhouse_aggregator' } as const;
  const pool = createPool({
    ...connection,
    applicationName: 'meterhouse-aggregator',
    max: config.POSTGRES_CONNECTIONS,
  });
  releases.add('Postgres', () => pool.end());
  const bounds = boundsOf(config);
  const topic = config.USAGE_EVENTS_TOPIC;
  const aggregator = await startAggregator({
    ...{ pool, kafka, schemas, topic, bounds, logger, beginSpan },
    groupId: config.CONSUMER_GROUP,
    window: windowOf(config),
    times: timesOf(config),
    now: () => new Date(),
    random: Math.random,
    observer: new CountingInstruments(metrics),
  });
  const clickhouse = createClickHouse(config.CLICKHOUSE_URL, config.CLICKHOUSE_DATABASE, {
    cluster: config.CLICKHOUSE_CLUSTER,
  });
  releases.add('ClickHouse', () => clickhouse.close());
  const mirror = startMirror({
    ...{ pool, clickhouse, beginSpan },
    logger: logger.child({ part: 'mirror' }),
    now: Date.now,
    random: Math.random,
    unique: randomUUID,
  });
  const watching = createPool({ ...connection, applicationName: 'meterhouse-aggregator-observe', max: 2 });
  releases.add('Postgres for observing', () => watching.end());
  const observations = observeAggregator({
    ...{ aggregator, mirror, clickhouse, topic, bounds, metrics, health, logger },
    pool: watching,
    stuckAfterMs: config.STUCK_AFTER_MS,
    now: Date.now,
    times: { comparisonEveryMs: config.MIRROR_COMPARISON_SECONDS * 1_000 },
  });
  releases.add('observations', () => observations.stop());
  // Released first: nothing may hold up the drain.
  releases.add('counting and the mirror', async (drain) => {
    await Promise.all([
      drain.end('counting', (within) => aggregator.stop(within)),
      drain.end('the mirror', () => mirror.stop()),
    ]);
  });
  logger.info({ topic }, 'counting');
  return { failed: aggregator.failed, stop: (drain) => releases.releaseAll(drain) };
}

async function waitForParts(
  config: Configuration,
  { startUp, logger }: ServiceTools,
  schemas: SchemaRegistry,
): Promise<Kafka> {
  const connection = { ...configuredKafka(config), clientId: 'meterhouse-aggregator', logger };
  const kafka = createKafka(connection);
  await startUp.waitFor(
    'Postgres',
    async () => {
      if (!config.MIGRATE_AT_START) {
        await requireCurrentSchema(config.DATABASE_URL);
        return;
      }
      const ran = await migratePostgres(config.DATABASE_URL);
      if (ran.length > 0) logger.info({ migrations: ran }, 'Postgres schema brought up to date');
    },
    (error) => !schemaMayCome(error),
  );
  await startUp.waitFor('Kafka', async () => {
    await requireKafka(connection);
    await ensureTopics(kafka, {
      usageEvents: { topic: config.USAGE_EVENTS_TOPIC },
      usageSnapshots: { topic: config.USAGE_SNAPSHOTS_TOPIC },
    });
  });
  await startUp.waitFor(
    'the schema registry',
    () =>
      registerEventSchema(schemas, config.USAGE_EVENTS_TOPIC, AbortSignal.timeout(config.START_TIMEOUT_MS)),
    isRefusedForGood,
  );
  return kafka;
}
