/** What the aggregator can be told, and what it does when it is not. */
import { kafkaVariables, processVariables, storeVariables, wholeNumber } from '@meterhouse/runtime';
import { DAY_MS, type Window } from '@meterhouse/usage';
import { z } from 'zod';
import type { AggregatorBounds, AggregatorTimes } from './aggregator.ts';

const MIB = 1024 * 1024;

/**
 * Measured: twice as much makes counting no faster and the process a hundred megabytes larger.
 * `npm run bench` shows the memory during a backlog.
 */
export const DEFAULT_BOUNDS: AggregatorBounds = {
  flush: { maxEvents: 5_000, maxBytes: 16 * MIB, lingerMs: 20 },
  fetch: { maxBytes: 8 * MIB, maxBytesPerPartition: 2 * MIB, maxWaitMs: 250 },
  maxBufferedBytes: 16 * MIB,
  maxChangeLogRows: 1_000_000,
};

export const DEFAULT_TIMES: AggregatorTimes = {
  sessionTimeoutMs: 15_000,
  watermarkEveryMs: 250,
  housekeepingEveryMs: 30_000,
  replayEveryMs: 500,
  schemaTimeoutMs: 10_000,
  postgresTimeoutMs: 300_000,
  stallTimeoutMs: 60_000,
};

export const PURPOSE =
  'counts usage events from Kafka in Postgres, exactly once, and mirrors the hour buckets to ClickHouse.';

/** Every variable that the aggregator reads. */
export const variables = {
  ...kafkaVariables,
  SCHEMA_REGISTRY_URL: storeVariables.SCHEMA_REGISTRY_URL,
  DATABASE_URL: storeVariables.DATABASE_URL,
  CLICKHOUSE_URL: storeVariables.CLICKHOUSE_URL,
  CLICKHOUSE_DATABASE: storeVariables.CLICKHOUSE_DATABASE,
  CLICKHOUSE_CLUSTER: storeVariables.CLICKHOUSE_CLUSTER,
  USAGE_EVENTS_TOPIC: storeVariables.USAGE_EVENTS_TOPIC,
  USAGE_SNAPSHOTS_TOPIC: storeVariables.USAGE_SNAPSHOTS_TOPIC,
  CONSUMER_GROUP: z.string().min(1).default('meterhouse-aggregator').describe('Kafka consumer group.'),
  MIGRATE_AT_START: z
    .stringbool()
    .default(false)
    .describe('Bring the Postgres schema up to date at start; without it, an older schema is waited for.'),
  WINDOW_BACK_DAYS: wholeNumber(1, 400)
    .default(35)
    .describe('How late an event may come, by the broker’s clock; what is later goes to quarantine.'),
  WINDOW_AHEAD_MINUTES: wholeNumber(0, 1440)
    .default(60)
    .describe('How far an event may be ahead of the broker’s clock.'),
  FLUSH_MAX_EVENTS: wholeNumber(1, 100_000)
    .default(DEFAULT_BOUNDS.flush.maxEvents)
    .describe('Events in one transaction.'),
  FLUSH_LINGER_MS: wholeNumber(0, 10_000)
    .default(DEFAULT_BOUNDS.flush.lingerMs)
    .describe('How long a flush that is not full waits for more.'),
  MAX_BUFFERED_MIB: wholeNumber(1, 4096)
    .default(DEFAULT_BOUNDS.maxBufferedBytes / MIB)
    .describe('What may be fetched and not counted yet; above it nothing more is fetched.'),
  MAX_CHANGE_LOG_ROWS: wholeNumber(1000, 100_000_000)
    .default(DEFAULT_BOUNDS.maxChangeLogRows)
    .describe('How many flushes may wait for a mirror that is away before it starts again from the buckets.'),
  SESSION_TIMEOUT_MS: wholeNumber(1000, 300_000)
    .default(DEFAULT_TIMES.sessionTimeoutMs)
    .describe('How long Kafka waits for a silent worker before others take its partitions.'),
  POSTGRES_TIMEOUT_MS: wholeNumber(1000, 3_600_000)
    .default(DEFAULT_TIMES.postgresTimeoutMs)
    .describe('How long Postgres may be away, or silent, before the process ends.'),
  STALL_TIMEOUT_MS: wholeNumber(1000, 3_600_000)
    .default(DEFAULT_TIMES.stallTimeoutMs)
    .describe(
      'How long records may lie in Kafka without one being fetched, though there is room for them, before the process ends.',
    ),
  MIRROR_COMPARISON_SECONDS: wholeNumber(5, 86_400)
    .default(600)
    .describe('How often the last two days of buckets in ClickHouse are compared with Postgres.'),
  POSTGRES_CONNECTIONS: wholeNumber(2, 100)
    .default(8)
    .describe('Connections for counting; the mirror and the metrics take four more.'),
  ...processVariables,
};

export type Configuration = z.infer<z.ZodObject<typeof variables>>;

export function boundsOf(config: Configuration): AggregatorBounds {
  const { flush } = DEFAULT_BOUNDS;
  return {
    ...DEFAULT_BOUNDS,
    flush: { ...flush, maxEvents: config.FLUSH_MAX_EVENTS, lingerMs: config.FLUSH_LINGER_MS },
    maxBufferedBytes: config.MAX_BUFFERED_MIB * MIB,
    maxChangeLogRows: config.MAX_CHANGE_LOG_ROWS,
  };
}

export function timesOf(config: Configuration): AggregatorTimes {
  return {
    ...DEFAULT_TIMES,
    sessionTimeoutMs: config.SESSION_TIMEOUT_MS,
    postgresTimeoutMs: config.POSTGRES_TIMEOUT_MS,
    stallTimeoutMs: config.STALL_TIMEOUT_MS,
  };
}

export function windowOf(config: Configuration): Window {
  return { backMs: config.WINDOW_BACK_DAYS * DAY_MS, aheadMs: config.WINDOW_AHEAD_MINUTES * 60_000 };
}
