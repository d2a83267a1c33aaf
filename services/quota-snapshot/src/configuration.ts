/** Every variable that the snapshot publisher reads. */
import { storeVariables, wholeNumber } from '@meterhouse/runtime';

const {
  KAFKA_BROKERS,
  SCHEMA_REGISTRY_URL,
  DATABASE_URL,
  USAGE_EVENTS_TOPIC,
  USAGE_SNAPSHOTS_TOPIC,
  LOG_LEVEL,
} = storeVariables;

export const variables = {
  KAFKA_BROKERS,
  SCHEMA_REGISTRY_URL,
  DATABASE_URL,
  USAGE_EVENTS_TOPIC,
  USAGE_SNAPSHOTS_TOPIC,
  LOG_LEVEL,
  /** How long a publisher may be silent before another instance takes over. */
  SNAPSHOT_LEASE_MS: wholeNumber(1_000, 300_000).default(10_000),
  /** Hour buckets of the current month held in memory, about 250 bytes each. */
  SNAPSHOT_MAX_BUCKETS: wholeNumber(1_000, 100_000_000).default(2_000_000),
};
