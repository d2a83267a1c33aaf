/** Every variable that the snapshot publisher reads. */
import { kafkaVariables, processVariables, storeVariables, wholeNumber } from '@meterhouse/runtime';
import type { z } from 'zod';

const { SCHEMA_REGISTRY_URL, DATABASE_URL, USAGE_EVENTS_TOPIC, USAGE_SNAPSHOTS_TOPIC } = storeVariables;

export const PURPOSE = 'publishes current usage to Kafka, for decisions without asking a store.';

export const variables = {
  ...kafkaVariables,
  SCHEMA_REGISTRY_URL,
  DATABASE_URL,
  USAGE_EVENTS_TOPIC,
  USAGE_SNAPSHOTS_TOPIC,
  SNAPSHOT_LEASE_MS: wholeNumber(1_000, 300_000)
    .default(10_000)
    .describe('How long a publisher may be silent before another instance takes over.'),
  SNAPSHOT_MAX_BUCKETS: wholeNumber(1_000, 100_000_000)
    .default(2_000_000)
    .describe('Hour buckets of the current month held in memory, about 250 bytes each.'),
  ...processVariables,
};

export type Configuration = z.infer<z.ZodObject<typeof variables>>;
