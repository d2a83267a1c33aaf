/** What the aggregator can be told, and what it does when it is not. */
import { storeVariables, wholeNumber } from '@meterhouse/runtime';
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

/** Every variable that the aggregator reads. */
export const variables = {
  ...storeVariables,
  CONSUMER_GROUP: z.string().min(1).default('meterhouse-aggregator'),
  /** Bring the Postgres schema up to date at start; without it, an older schema is refused. */
  MIGRATE_AT_START: z.stringbool().default(false),
  /** How late an event may come, by the broker's clock, and how far ahead of it. */
  WINDOW_BACK_DAYS: wholeNumber(1, 400).default(35),
  WINDOW_AHEAD_MINUTES: wholeNumber(0, 1440).default(60),
  FLUSH_MAX_EVENTS: wholeNumber(1, 100_000).default(DEFAULT_BOUNDS.flush.maxEvents),
  FLUSH_LINGER_MS: wholeNumber(0, 10_000).default(DEFAULT_BOUNDS.flush.lingerMs),
  MAX_BUFFERED_MIB: wholeNumber(1, 4096).default(DEFAULT_BOUNDS.maxBufferedBytes / MIB),
  MAX_CHANGE_LOG_ROWS: wholeNumber(1000, 100_000_000).default(DEFAULT_BOUNDS.maxChangeLogRows),
  SESSION_TIMEOUT_MS: wholeNumber(1000, 300_000).default(DEFAULT_TIMES.sessionTimeoutMs),
  POSTGRES_TIMEOUT_MS: wholeNumber(1000, 3_600_000).default(DEFAULT_TIMES.postgresTimeoutMs),
  STALL_TIMEOUT_MS: wholeNumber(1000, 3_600_000).default(DEFAULT_TIMES.stallTimeoutMs),
  POSTGRES_CONNECTIONS: wholeNumber(2, 100).default(8),
};
