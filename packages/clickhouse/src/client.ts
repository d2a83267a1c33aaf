import {
  ClickHouseError,
  ClickHouseLogLevel,
  createClient,
  type ClickHouseClient,
  type ClickHouseSettings,
} from '@clickhouse/client';
import { topologyOf, type Topology } from './cluster.ts';

/** A database on a ClickHouse server, or on the replicas of a cluster. */
export interface ClickHouse {
  readonly client: ClickHouseClient;
  readonly database: string;
  readonly topology: Topology;
  /** Runs work on a client of the same server that names no database: for making this one. */
  withoutDatabase<T>(work: (client: ClickHouseClient) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** How a call can be cut short: a server that is frozen neither answers nor refuses. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

const SETTINGS: ClickHouseSettings = {
  // A number that becomes a JSON number has been a float (I8).
  output_format_json_quote_decimals: 1,
  output_format_json_quote_64bit_integers: 1,
  // An answer means done, also where a server's profile says otherwise.
  async_insert: 0,
  wait_end_of_query: 1,
};

const REQUEST_TIMEOUT_MS = 30_000;

/**
 * @param url with user and password where the server wants them
 * @param database letters, digits and underscores; it need not exist yet, see migrateClickHouse
 * @param options.cluster a name in the servers' `remote_servers`; null or empty for one server
 * @param options.requestTimeoutMs after which a silent server counts as away
 * @throws Error where one of the names is none
 */
export function createClickHouse(
  url: string,
  database: string,
  options: { cluster?: string | null; requestTimeoutMs?: number } = {},
): ClickHouse {
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(database))
    throw new Error(`not the name of a ClickHouse database: ${database}`);
  // A Replicated database is listed among the clusters under its own name.
  if (options.cluster === database)
    throw new Error(`CLICKHOUSE_CLUSTER and CLICKHOUSE_DATABASE have to differ; both are ${database}`);
  const requestTimeoutMs = options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS;
  const topology = topologyOf(options.cluster ?? null, requestTimeoutMs);
  const open = (name: string | undefined): ClickHouseClient =>
    createClient({
      url,
      ...(name === undefined ? {} : { database: name }),
      application: 'meterhouse',
      request_timeout: requestTimeoutMs,
      clickhouse_settings: SETTINGS,
      // Errors are thrown to us; the library's own log would print them a second time.
      log: { level: ClickHouseLogLevel.OFF },
    });
  const client = open(database);
  return {
    client,
    database,
    topology,
    withoutDatabase: async (work) => {
      const other = open(undefined);
      try {
        return await work(other);
      } finally {
        await other.close();
      }
    },
    close: () => client.close(),
  };
}

/** ClickHouse's number for an error, such as 60 for a table that does not exist; null when it is not the server's. */
export function clickHouseErrorCode(error: unknown): number | null {
  return error instanceof ClickHouseError ? Number(error.code) : null;
}

export const UNKNOWN_DATABASE = 81;
export const UNKNOWN_TABLE = 60;

/** The signal as the client's options want it. The client looks at it only while it waits for an answer. */
export function abortable(options: CallOptions): { abort_signal?: AbortSignal } {
  options.signal?.throwIfAborted();
  return options.signal === undefined ? {} : { abort_signal: options.signal };
}
