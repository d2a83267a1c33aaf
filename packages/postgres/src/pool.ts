import pg from 'pg';

export type Db = pg.Pool | pg.PoolClient | pg.Client;
export type { Pool, PoolClient } from 'pg';

/** The rights that a part of the system works with; none of them owns a table. */
export type Role =
  | 'meterhouse_aggregator'
  | 'meterhouse_snapshot'
  | 'meterhouse_operator'
  | 'meterhouse_reader'
  | 'meterhouse_gate'
  | 'meterhouse_decisions'
  | 'meterhouse_webhooks'
  | 'meterhouse_api'
  | 'meterhouse_producer'
  | 'meterhouse_recorder'
  | 'meterhouse_relay';

export interface PoolOptions {
  url: string;
  /** Taken with SET ROLE at connection time. Without it the login role's own rights are used (migrations). */
  role?: Role;
  applicationName: string;
  max?: number;
  /** For a connection to be there; default 5,000. */
  connectTimeoutMs?: number;
}

/**
 * A session that stops in the middle of a transaction (a frozen process, a cut cable) is ended by
 * the server, so that the locks it holds do not stop the partition's next owner.
 */
const SESSION_SETTINGS = [
  'idle_in_transaction_session_timeout=10000',
  'lock_timeout=15000',
  'statement_timeout=60000',
  'timezone=UTC',
];

export function createPool(options: PoolOptions): pg.Pool {
  const pool = new pg.Pool(connectionSettings(options));
  // An idle connection that breaks is taken out of the pool by pg; the next query opens another and
  // meets the error itself if the server is still away.
  pool.on('error', () => undefined);
  return pool;
}

/** One connection of its own, for LISTEN and for locks that live as long as a session. */
export function createClient(options: PoolOptions): pg.Client {
  return new pg.Client(connectionSettings(options));
}

function connectionSettings(options: PoolOptions): pg.PoolConfig {
  const settings =
    options.role === undefined ? SESSION_SETTINGS : [...SESSION_SETTINGS, `role=${options.role}`];
  return {
    connectionString: options.url,
    application_name: options.applicationName,
    max: options.max ?? 4,
    connectionTimeoutMillis: options.connectTimeoutMs ?? 5_000,
    keepAlive: true,
    options: settings.map((setting) => `-c ${setting}`).join(' '),
  };
}
