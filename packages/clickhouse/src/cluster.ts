/**
 * One server, or the replicas of one cluster: all that differs between the two in engines, clauses
 * and settings is here. docs/adr/0031 says why it is so.
 */
import type { ClickHouseSettings } from '@clickhouse/client';

/** Where a database stands, and how what is sent to it differs there. */
export interface Topology {
  /** Its name in the servers' `remote_servers`; null: one server. */
  readonly cluster: string | null;
  /** Engines that a database may have here. */
  readonly databaseEngines: readonly string[];
  /** With statements that make, exchange or drop: they are done when every replica has done them. */
  readonly definition: ClickHouseSettings;
  /** With inserts: they are done when most replicas hold the rows. */
  readonly insert: ClickHouseSettings;
  /** With reads of tables: they show every insert that was done. Views carry it themselves. */
  readonly read: ClickHouseSettings;
  createDatabase(database: string): string;
  /** A statement of a migration, with what its marks stand for here. */
  migration(statement: string): string;
  /** Makes an empty table with the columns and the storage of another. */
  createTableLike(table: string, like: StoredTable): string;
}

/** The tables that are made a second time, to be exchanged. */
export type StoredTable = 'usage_hourly_revisions' | 'mirror_progress';

/** As the migrations leave it: a replicated table's own words for it hold its path, which must not be copied. */
const STORAGE: Readonly<Record<StoredTable, string>> = {
  usage_hourly_revisions:
    'ReplacingMergeTree(revision) PARTITION BY toYYYYMM(hour) ORDER BY (tenant_id, metric, hour, attrs_key)',
  mirror_progress: 'AggregatingMergeTree ORDER BY (source, partition)',
};

/** Migrations are SQL for one server; what a cluster needs besides stands in these comments. */
const MARK = /\/\*cluster:(.*?)\*\//gs;

const CLUSTER_NAME = /^[A-Za-z_][A-Za-z0-9_-]{0,63}$/;

const ONE_SERVER: Topology = {
  cluster: null,
  databaseEngines: ['Atomic', 'Replicated', 'Shared'],
  definition: {},
  insert: {},
  read: {},
  createDatabase: (database) => `CREATE DATABASE IF NOT EXISTS ${quotedName(database)}`,
  migration: (statement) => statement.replaceAll(MARK, ''),
  createTableLike: (table, like) => `CREATE TABLE ${table} AS ${like}`,
};

/**
 * @param cluster null or empty for one server
 * @param requestTimeoutMs after which the client gives up: the server gives up before, and says on whom it waited
 * @throws Error where it is no name of a cluster
 */
export function topologyOf(cluster: string | null, requestTimeoutMs: number): Topology {
  if (cluster === null || cluster === '') return ONE_SERVER;
  if (!CLUSTER_NAME.test(cluster)) throw new Error(`not the name of a ClickHouse cluster: ${cluster}`);
  const waitMs = Math.max(1_000, Math.floor(requestTimeoutMs * 0.8));
  return {
    cluster,
    databaseEngines: ['Replicated'],
    definition: {
      // A replica that still knows a table by its old name would take rows that the exchange then throws away.
      distributed_ddl_output_mode: 'throw',
      distributed_ddl_task_timeout: String(Math.floor(waitMs / 1_000)),
    },
    insert: {
      insert_quorum: 'auto',
      // Only inserts in a row leave one last part, by which a replica knows whether it has all of them.
      insert_quorum_parallel: 0,
      insert_quorum_timeout: waitMs,
    },
    read: { select_sequential_consistency: '1' },
    createDatabase: (database) =>
      `CREATE DATABASE IF NOT EXISTS ${quotedName(database)} ON CLUSTER ${quotedName(cluster)} ` +
      `ENGINE = Replicated('/meterhouse/${cluster}/${database}', '{shard}', '{replica}')`,
    migration: (statement) => statement.replaceAll(MARK, (_, words: string) => words),
    createTableLike: (table, like) => `CREATE TABLE ${table} AS ${like} ENGINE = Replicated${STORAGE[like]}`,
  };
}

/** Names have been checked to hold neither quotes nor backslashes. */
function quotedName(name: string): string {
  return `\`${name}\``;
}
