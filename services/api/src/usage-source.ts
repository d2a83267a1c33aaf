/** What reading usage stands on: Postgres, how far the topic goes, and the limits as decisions know them. */
import { createKafka, createRegistry } from '@meterhouse/kafka';
import { readSnapshots } from '@meterhouse/quota/reader';
import type { Logger, Releases } from '@meterhouse/runtime';
import type { Configuration } from './configuration.ts';
import { createLogEndsReader } from './routes/usage/log-ends.ts';
import type { UsageSource } from './routes/usage/index.ts';
import type { Stores } from './stores.ts';

/** Nothing is waited for: while Kafka is away, usage is answered without what only Kafka knows. */
export function openUsageSource(
  config: Configuration,
  { scoped }: Stores,
  logger: Logger,
  releases: Releases,
): UsageSource {
  const connection = { brokers: config.KAFKA_BROKERS, clientId: 'meterhouse-api', logger };
  const topic = config.USAGE_EVENTS_TOPIC;
  const ends = createLogEndsReader(connection, topic);
  releases.add('the reader of log ends', () => ends.close());
  const snapshots = readSnapshots({
    kafka: createKafka(connection),
    registry: createRegistry(config.SCHEMA_REGISTRY_URL),
    topic: config.USAGE_SNAPSHOTS_TOPIC,
    logger,
  });
  releases.add('the reader of snapshots', () => snapshots.close());
  return { scoped, topic, logEnds: () => ends.read(), policy: snapshots.policy, now: Date.now };
}
