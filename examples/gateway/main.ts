/**
 * A small gateway in front of a product: three routes, each guarded by a gate. Start the system with
 * `npm start`, then `node examples/gateway/main.ts`, and ask it:
 *
 *   curl -i -X POST localhost:8400/v1/chat -H 'x-tenant: acme-support' -H 'x-role: member'
 *
 * A real gateway takes tenant and roles from a verified token, never from headers.
 */
import { createPool } from '@meterhouse/postgres';
import { createGate, postgresCapacity, recordUsage } from '@meterhouse/gate';
import { createKafka, createRegistry, TOPICS } from '@meterhouse/kafka';
import { createMeter } from '@meterhouse/producer';
import { readSnapshots } from '@meterhouse/quota/reader';
import { createLogger } from '@meterhouse/runtime';
import { endpointsFrom } from './endpoints.ts';
import { createGateway } from './gateway.ts';

const logger = createLogger('gateway', process.env['LOG_LEVEL'] ?? 'info');
const endpoints = endpointsFrom(process.env);
const brokers = endpoints.kafka.split(',');
const snapshots = readSnapshots({
  kafka: createKafka({ brokers, clientId: 'gateway', logger }),
  registry: createRegistry(endpoints.schemaRegistry),
  topic: process.env['USAGE_SNAPSHOTS_TOPIC'] ?? TOPICS.usageSnapshots,
  logger,
});
await snapshots.ready();
const pool = createPool({
  url: endpoints.postgres,
  role: 'meterhouse_gate',
  applicationName: 'gateway',
  max: 4,
});
const meter = createMeter(
  {
    source: 'gateway',
    adapter: 'kafka',
    kafka: {
      brokers,
      schemaRegistryUrl: endpoints.schemaRegistry,
      topic: process.env['USAGE_EVENTS_TOPIC'] ?? TOPICS.usageEvents,
    },
  },
  { logger },
);
const gate = createGate({ snapshots, capacity: postgresCapacity({ pool, ttlMs: 60_000, logger }) });
const server = createGateway(gate, (question) => recordUsage(meter, question), logger).listen(
  Number(process.env['PORT'] ?? 8400),
  '127.0.0.1',
  () => {
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : '';
    logger.info(`listening on http://127.0.0.1:${port}`);
  },
);

const stop = (): void => {
  server.close();
  server.closeAllConnections();
  Promise.all([snapshots.close(), meter.close(), pool.end()]).then(
    () => process.exit(0),
    (error: unknown) => {
      logger.error({ err: error }, 'could not stop cleanly');
      process.exit(1);
    },
  );
};
process.once('SIGTERM', stop);
process.once('SIGINT', stop);
