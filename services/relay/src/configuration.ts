/** What the relay can be told, and what it does when it is not. */
import { kafkaVariables, processVariables, storeVariables, wholeNumber } from '@meterhouse/runtime';
import { DAY_MS, type Window } from '@meterhouse/usage';
import { z } from 'zod';
import type { LaneBounds } from './lane-worker.ts';

const KIB = 1024;

export const PURPOSE =
  'takes events from the outbox in Postgres to Kafka, or counts them where there is none.';

const DEFAULT_BOUNDS: LaneBounds = { maxRows: 500, maxBytes: 512 * KIB, pollMs: 1_000 };

/** Every variable that the relay reads. */
export const variables = {
  DATABASE_URL: storeVariables.DATABASE_URL,
  RELAY_TO: z
    .enum(['kafka', 'direct'])
    .default('kafka')
    .describe('Where events go; `direct`: into the hour buckets, without Kafka.'),
  ...kafkaVariables,
  KAFKA_BROKERS: kafkaVariables.KAFKA_BROKERS.optional().describe(
    '`host:port` of some brokers; needed for `kafka`.',
  ),
  SCHEMA_REGISTRY_URL: storeVariables.SCHEMA_REGISTRY_URL.optional().meta({
    description: 'A schema registry that speaks Confluent’s API; needed for `kafka`.',
    secret: true,
  }),
  USAGE_EVENTS_TOPIC: storeVariables.USAGE_EVENTS_TOPIC,
  RELAY_BATCH_EVENTS: wholeNumber(1, 10_000)
    .default(DEFAULT_BOUNDS.maxRows)
    .describe('Events of one lane that are relayed together.'),
  RELAY_LEASE_MS: wholeNumber(1_000, 300_000)
    .default(10_000)
    .describe('How long a relay that has died or hangs is waited for before another takes its lanes.'),
  RELAY_POLL_MS: wholeNumber(50, 60_000)
    .default(DEFAULT_BOUNDS.pollMs)
    .describe('How often a lane is looked at when nothing notifies.'),
  WINDOW_BACK_DAYS: wholeNumber(1, 400)
    .default(35)
    .describe('With `direct`: how late an event may be, by the time at which it was recorded.'),
  WINDOW_AHEAD_MINUTES: wholeNumber(0, 1440)
    .default(60)
    .describe('With `direct`: how far an event may be ahead of the time at which it was recorded.'),
  POSTGRES_TIMEOUT_MS: wholeNumber(1_000, 3_600_000)
    .default(300_000)
    .describe('With `direct`: how long counting may wait for Postgres before the process ends.'),
  MAX_CHANGE_LOG_ROWS: wholeNumber(1000, 100_000_000)
    .default(1_000_000)
    .describe('With `direct`: how many flushes may wait for a mirror that is away.'),
  POSTGRES_CONNECTIONS: wholeNumber(2, 100).default(8).describe('Connections; three more for watching.'),
  ...processVariables,
};

export type Configuration = z.infer<z.ZodObject<typeof variables>>;

export function boundsOf(config: Configuration): LaneBounds {
  return { ...DEFAULT_BOUNDS, maxRows: config.RELAY_BATCH_EVENTS, pollMs: config.RELAY_POLL_MS };
}

export function windowOf(config: Configuration): Window {
  return { backMs: config.WINDOW_BACK_DAYS * DAY_MS, aheadMs: config.WINDOW_AHEAD_MINUTES * 60_000 };
}
