/** Every variable that the aggregator reads. */
import { storeVariables, wholeNumber } from '@meterhouse/runtime';
import { z } from 'zod';

const MIB = 1024 * 1024;

export const variables = {
  ...storeVariables,
  CONSUMER_GROUP: z.string().min(1).default('meterhouse-aggregator'),
  /** Bring the Postgres schema up to date at start; without it, an older schema is refused. */
  MIGRATE_AT_START: z.stringbool().default(false),
  /** How late an event may come, by the broker's clock, and how far ahead of it. */
  WINDOW_BACK_DAYS: wholeNumber(1, 400).default(35),
  WINDOW_AHEAD_MINUTES: wholeNumber(0, 1440).default(60),
  FLUSH_MAX_EVENTS: wholeNumber(1, 100_000).default(10_000),
  FLUSH_LINGER_MS: wholeNumber(0, 10_000).default(20),
  MAX_BUFFERED_MIB: wholeNumber(1, 4096).default(32),
  MAX_CHANGE_LOG_ROWS: wholeNumber(1000, 100_000_000).default(1_000_000),
  SESSION_TIMEOUT_MS: wholeNumber(1000, 300_000).default(15_000),
  POSTGRES_TIMEOUT_MS: wholeNumber(1000, 3_600_000).default(300_000),
  STALL_TIMEOUT_MS: wholeNumber(1000, 3_600_000).default(60_000),
  POSTGRES_CONNECTIONS: wholeNumber(2, 100).default(8),
};

export const FETCH_BOUNDS = { maxBytes: 16 * MIB, maxBytesPerPartition: 4 * MIB, maxWaitMs: 250 };
export const FLUSH_MAX_BYTES = 16 * MIB;
