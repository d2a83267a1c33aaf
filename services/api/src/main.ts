#!/usr/bin/env node
import { randomBytes, randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { configuredKafka, requireKafka, type KafkaConnection } from '@meterhouse/kafka';
import { requireCurrentSchema, schemaMayCome } from '@meterhouse/postgres';
import { ConfigError, Releases, type RunningService } from '@meterhouse/runtime';
import { serviceMain, type ServiceTools } from '@meterhouse/runtime/service';
import { createAuthenticator } from './access/authenticator.ts';
import { KeyRing } from './access/keys.ts';
import { TenantTree } from './access/tenant-tree.ts';
import { createApi } from './api.ts';
import { configuredIssuer, configuredTls, PURPOSE, variables, type Configuration } from './configuration.ts';
import { openDeciding } from './deciding.ts';
import { createEventIntake } from './events/intake.ts';
import { closeServer } from './http/close-server.ts';
import { openKeyLimits } from './key-limits.ts';
import { openBrokerAsker } from './observe/broker-asker.ts';
import { intakeRefusals, watchIntake } from './observe/intake-instruments.ts';
import { watchParts } from './observe/parts.ts';
import { configuredWebhooks } from './routes/webhooks/configured.ts';
import { openStores } from './stores.ts';
import { openUsageSource } from './usage-source.ts';

await serviceMain({ name: 'api', purpose: PURPOSE, variables, start });

async function start(config: Configuration, tools: ServiceTools): Promise<RunningService> {
  const releases = new Releases();
  try {
    await serve(config, tools, releases);
  } catch (error) {
    await releases.releaseAll();
    throw error;
  }
  return {
    // What it needs may be away: it says so with each answer, and goes on when it is back.
    failed: new Promise<never>(() => undefined),
    stop: (drain) => releases.releaseAll(drain),
  };
}

async function serve(config: Configuration, tools: ServiceTools, releases: Releases): Promise<void> {
  const { logger, metrics, health, startUp, beginSpan } = tools;
  const tls = await configuredTls(config, (path) => readFile(path));
  const issuer = configuredIssuer(config);
  const access = configuredKafka(config);
  const connection = { ...access, clientId: 'meterhouse-api', logger };
  await startUp.waitFor(
    'Postgres with the current schema',
    () => requireCurrentSchema(config.DATABASE_URL),
    (error) => !schemaMayCome(error),
  );
  await requireUsableKafka(connection);
  const stores = openStores(config.DATABASE_URL, releases);
  const { askRedis, ...keyLimits } = openKeyLimits(config, { logger, metrics, releases });
  const kafka = openBrokerAsker(connection);
  releases.add('the asker of Kafka', () => kafka.close());
  const watch = watchParts(
    {
      Postgres: { ask: stores.ping, required: true },
      Kafka: { ask: kafka.ask, required: false },
      ...(askRedis === null ? {} : { Redis: { ask: askRedis, required: false } }),
    },
    { metrics, health, logger },
  );
  releases.add('the watch over the parts', () => watch.stop());
  const intake = createEventIntake(
    {
      ...access,
      schemaRegistryUrl: config.SCHEMA_REGISTRY_URL,
      topic: config.USAGE_EVENTS_TOPIC,
    },
    logger,
    undefined,
    intakeRefusals(metrics),
  );
  watchIntake(intake, health, config.STUCK_AFTER_MS);
  const { snapshots, closeDecisions, ...deciding } = await openDeciding(config, {
    ...{ connection, logger, metrics, health, startUp, releases },
  });
  const keys = new KeyRing({ store: stores.keys, logger, now: Date.now });
  const app = await createApi({
    logger,
    metrics,
    health,
    beginSpan,
    tls,
    newId: randomUUID,
    now: Date.now,
    randomBytes,
    stores,
    tree: new TenantTree(stores.lineage),
    authenticate: createAuthenticator(keys, issuer, Date.now),
    keyLimits,
    intake,
    usageSource: openUsageSource(config.USAGE_EVENTS_TOPIC, {
      stores,
      policy: snapshots.policy,
      connection,
      releases,
    }),
    ...deciding,
    webhooks: configuredWebhooks(config, stores),
  });
  // Released first, while there is time: what was taken and has to arrive.
  releases.add('decisions on their way to Kafka', closeDecisions);
  releases.add('the way to the broker', ({ leftMs }) => intake.close(leftMs));
  releases.add('the HTTP server', ({ leftMs }) =>
    // Requests that wait for a broker that is away are told so while there is somebody to tell them.
    closeServer(app, leftMs, () => void intake.close(0)),
  );
  const url = await app.listen({ host: config.API_HOST, port: config.API_PORT });
  logger.info({ at: url }, 'serving');
}

/** Kafka may be away, and reading usage goes on without it. What waiting does not mend ends the start. */
async function requireUsableKafka(connection: KafkaConnection): Promise<void> {
  try {
    await requireKafka(connection);
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    connection.logger.warn({ err: error }, 'Kafka does not answer yet');
  }
}
