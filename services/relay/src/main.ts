#!/usr/bin/env node
import { randomUUID } from 'node:crypto';
import {
  configuredKafka,
  createEventEncoder,
  createKafka,
  createRegistry,
  ensureTopics,
  isRefusedForGood,
  registerEventSchema,
  requireKafka,
  type KafkaConnection,
} from '@meterhouse/kafka';
import { createPool, requireCurrentSchema, schemaMayCome } from '@meterhouse/postgres';
import { ConfigError, Releases, type Logger, type RunningService } from '@meterhouse/runtime';
import { serviceMain, type ServiceTools } from '@meterhouse/runtime/service';
import { boundsOf, PURPOSE, variables, windowOf, type Configuration } from './configuration.ts';
import { startDirect } from './direct-counting.ts';
import { kafkaTarget } from './kafka-target.ts';
import { observeRelay, relayInstruments } from './observe.ts';
import { startRelay } from './relay.ts';
import type { Target } from './target.ts';

/** kafkajs' own retries must not hide for long that the broker is away: the lane tries again by itself. */
const KAFKA_RETRY = { retries: 3, initialRetryTime: 100, maxRetryTime: 1_000 };

await serviceMain({ name: 'relay', purpose: PURPOSE, variables, start });

async function start(config: Configuration, tools: ServiceTools): Promise<RunningService> {
  const { logger, metrics, health, startUp } = tools;
  const kafka = config.RELAY_TO === 'kafka' ? kafkaOf(config, logger) : null;
  await startUp.waitFor(
    'Postgres with the current schema',
    () => requireCurrentSchema(config.DATABASE_URL),
    (error) => !schemaMayCome(error),
  );
  const releases = new Releases();
  const connection = {
    url: config.DATABASE_URL,
    // What counts has to do in one transaction what the aggregator does, and what a relay does.
    role: config.RELAY_TO === 'kafka' ? 'meterhouse_relay' : 'meterhouse_aggregator',
  } as const;
  const pool = createPool({
    ...connection,
    applicationName: 'meterhouse-relay',
    max: config.POSTGRES_CONNECTIONS,
  });
  releases.add('Postgres', () => pool.end());
  const watching = createPool({ ...connection, applicationName: 'meterhouse-relay-observe', max: 2 });
  releases.add('Postgres for observing', () => watching.end());

  let target: Target;
  let failedCounting: Promise<never> | null = null;
  if (kafka === null) {
    const direct = await startDirect({ config, window: windowOf(config), pool, logger });
    releases.add('housekeeping', (drain) => direct.stop(drain));
    failedCounting = direct.failed;
    target = direct.target;
  } else target = await openKafka(config, tools, kafka, pool);
  const relay = startRelay({
    ...{ pool, target, logger },
    targetName: config.RELAY_TO,
    id: randomUUID(),
    leaseMs: config.RELAY_LEASE_MS,
    bounds: boundsOf(config),
    random: Math.random,
    observer: relayInstruments(metrics, Date.now),
  });
  const observations = observeRelay({
    ...{ relay, pool: watching, metrics, health, logger },
    stuckAfterMs: config.STUCK_AFTER_MS,
    now: Date.now,
  });
  releases.add('observations', () => observations.stop());
  releases.add('the relay', () => relay.stop());
  logger.info({ to: config.RELAY_TO }, 'relaying the outbox');
  return {
    failed: failedCounting === null ? relay.failed : Promise.race([relay.failed, failedCounting]),
    stop: (drain) => releases.releaseAll(drain),
  };
}

interface KafkaParts {
  readonly connection: KafkaConnection;
  readonly schemaRegistryUrl: string;
}

/** @throws ConfigError naming what is missing, and every file that cannot be used */
function kafkaOf(config: Configuration, logger: Logger): KafkaParts {
  const { KAFKA_BROKERS, SCHEMA_REGISTRY_URL } = config;
  if (KAFKA_BROKERS !== undefined && SCHEMA_REGISTRY_URL !== undefined)
    return {
      connection: {
        ...configuredKafka({ ...config, KAFKA_BROKERS }),
        clientId: 'meterhouse-relay',
        retry: KAFKA_RETRY,
        logger,
      },
      schemaRegistryUrl: SCHEMA_REGISTRY_URL,
    };
  const given = { KAFKA_BROKERS, SCHEMA_REGISTRY_URL };
  throw new ConfigError(
    Object.entries(given).flatMap(([name, value]) =>
      value === undefined ? [`${name}: has to be given with RELAY_TO=kafka`] : [],
    ),
  );
}

async function openKafka(
  config: Configuration,
  { logger, startUp }: ServiceTools,
  { connection, schemaRegistryUrl }: KafkaParts,
  pool: ReturnType<typeof createPool>,
): Promise<Target> {
  const topic = config.USAGE_EVENTS_TOPIC;
  const kafka = createKafka(connection);
  await startUp.waitFor('Kafka', async () => {
    await requireKafka(connection);
    await ensureTopics(kafka, { usageEvents: { topic } });
  });
  const schemas = createRegistry(schemaRegistryUrl);
  const schemaId = await startUp.waitFor(
    'the schema registry',
    () => registerEventSchema(schemas, topic, AbortSignal.timeout(config.START_TIMEOUT_MS)),
    isRefusedForGood,
  );
  return kafkaTarget({
    ...{ pool, kafka, topic, logger },
    encode: createEventEncoder(schemaId),
  });
}
