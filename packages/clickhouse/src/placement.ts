/** Whether a database and its tables stand where they are said to: on one server, or on a whole cluster. */
import {
  abortable,
  clickHouseErrorCode,
  UNKNOWN_DATABASE,
  type CallOptions,
  type ClickHouse,
} from './client.ts';
import type { StoredTable } from './cluster.ts';

/** The mirror can not be kept, or not rebuilt safely, in a database of this engine. */
export class UnsuitableDatabaseError extends Error {
  constructor({ database, topology }: ClickHouse, engine: string) {
    const needed = topology.databaseEngines.join(', ').replace(/, (\w+)$/, ' or $1');
    super(
      `the ClickHouse database ${database} has the engine ${engine}; ` +
        (topology.cluster === null
          ? `it needs ${needed}`
          : `on a cluster (CLICKHOUSE_CLUSTER) it needs ${needed}: name a database that does not exist yet with CLICKHOUSE_DATABASE, and the mirror fills it from Postgres`),
    );
    this.name = 'UnsuitableDatabaseError';
  }
}

/** What CLICKHOUSE_CLUSTER says is not how the tables stand, or is no place where they could. */
export class MisplacedError extends Error {
  constructor(what: string, whatToDo: string) {
    super(`${what}: ${whatToDo}`);
    this.name = 'MisplacedError';
  }
}

const STORED = [
  'usage_hourly_revisions',
  'mirror_progress',
  'schema_migrations',
] as const satisfies readonly (StoredTable | 'schema_migrations')[];

/**
 * Makes the database where it is missing: on a cluster also on replicas that came later.
 * Asks for it first: a user who may not create one can still be given one.
 * @throws UnsuitableDatabaseError, MisplacedError
 */
export async function prepareDatabase(clickhouse: ClickHouse, options: CallOptions): Promise<void> {
  const { topology } = clickhouse;
  let found = await databaseEngine(clickhouse, options);
  if (found !== null) requireEngine(clickhouse, found);
  if (found === null || (topology.cluster !== null && (await lacksReplicas(clickhouse, options)))) {
    if (topology.cluster !== null) await clusterReplicas(clickhouse, options);
    await clickhouse.withoutDatabase((other) =>
      other.command({
        query: topology.createDatabase(clickhouse.database),
        clickhouse_settings: topology.definition,
        ...abortable(options),
      }),
    );
    found = await databaseEngine(clickhouse, options);
    requireEngine(clickhouse, found ?? 'unknown');
  }
}

function requireEngine(clickhouse: ClickHouse, engine: string): void {
  if (!clickhouse.topology.databaseEngines.includes(engine))
    throw new UnsuitableDatabaseError(clickhouse, engine);
}

async function databaseEngine({ client }: ClickHouse, options: CallOptions): Promise<string | null> {
  try {
    const result = await client.query({
      query: 'SELECT engine FROM system.databases WHERE name = currentDatabase()',
      format: 'JSONEachRow',
      ...abortable(options),
    });
    return (await result.json<{ engine: string }>())[0]?.engine ?? 'unknown';
  } catch (error) {
    if (clickHouseErrorCode(error) !== UNKNOWN_DATABASE) throw error;
    return null;
  }
}

/** A database of the engine Replicated is itself listed as a cluster, of the replicas that have it. */
async function lacksReplicas(clickhouse: ClickHouse, options: CallOptions): Promise<boolean> {
  const { client, database } = clickhouse;
  const result = await client.query({
    query: 'SELECT count() AS replicas FROM system.clusters WHERE cluster = {database:String}',
    query_params: { database },
    format: 'JSONEachRow',
    ...abortable(options),
  });
  const has = Number((await result.json<{ replicas: string }>())[0]?.replicas ?? 0);
  return has < (await clusterReplicas(clickhouse, options));
}

/** @throws MisplacedError where the server knows no such cluster, or its rows would be divided over shards */
async function clusterReplicas(clickhouse: ClickHouse, options: CallOptions): Promise<number> {
  const { topology } = clickhouse;
  const counts = await clickhouse.withoutDatabase(async (other) => {
    const result = await other.query({
      query:
        'SELECT count() AS replicas, uniqExact(shard_num) AS shards FROM system.clusters WHERE cluster = {cluster:String}',
      query_params: { cluster: topology.cluster },
      format: 'JSONEachRow',
      ...abortable(options),
    });
    return (await result.json<{ replicas: string; shards: string }>())[0];
  });
  const [replicas, shards] = [Number(counts?.replicas ?? 0), Number(counts?.shards ?? 0)];
  if (replicas === 0)
    throw new MisplacedError(
      `CLICKHOUSE_CLUSTER is ${topology.cluster}, and the ClickHouse server knows no such cluster`,
      'name one of its remote_servers, or leave the variable empty for one server',
    );
  if (shards > 1)
    throw new MisplacedError(
      `the ClickHouse cluster ${topology.cluster} has ${shards} shards`,
      'the mirror wants every row on every replica; name a cluster of one shard in remote_servers',
    );
  return replicas;
}

/** @throws MisplacedError where the tables are of the other kind */
export async function refuseOtherTables(clickhouse: ClickHouse, options: CallOptions): Promise<void> {
  const { client, database, topology } = clickhouse;
  const result = await client.query({
    query: `SELECT name, startsWith(engine, 'Replicated') AS replicated FROM system.tables
            WHERE database = currentDatabase() AND name IN {names:Array(String)} ORDER BY name`,
    query_params: { names: [...STORED] },
    format: 'JSONEachRow',
    ...abortable(options),
  });
  const tables = await result.json<{ name: string; replicated: number }>();
  const wrong = tables
    .filter((table) => (table.replicated === 1) !== (topology.cluster !== null))
    .map((table) => table.name);
  if (wrong.length === 0) return;
  throw topology.cluster === null
    ? new MisplacedError(
        `${wrong.join(', ')} in the ClickHouse database ${database} are replicated, and CLICKHOUSE_CLUSTER is not set`,
        'set it to the name of the cluster, or name another database with CLICKHOUSE_DATABASE for a mirror on one server',
      )
    : new MisplacedError(
        `CLICKHOUSE_CLUSTER is set, and ${wrong.join(', ')} in the ClickHouse database ${database} are not replicated`,
        'name a database that does not exist yet with CLICKHOUSE_DATABASE, and the mirror fills it from Postgres; or leave CLICKHOUSE_CLUSTER empty',
      );
}

/**
 * Replicas find each other by the macros `shard` and `replica` of their servers. Where those are wrong,
 * each keeps rows of its own, and a majority of one is no majority.
 * @throws MisplacedError
 */
export async function refuseTornTables(clickhouse: ClickHouse, options: CallOptions): Promise<void> {
  const { client, database, topology } = clickhouse;
  if (topology.cluster === null) return;
  const expected = await clusterReplicas(clickhouse, options);
  const result = await client.query({
    query: `SELECT table, total_replicas FROM system.replicas
            WHERE database = currentDatabase() AND table IN {names:Array(String)} AND total_replicas < {expected:UInt32}
            ORDER BY table`,
    query_params: { names: [...STORED], expected },
    format: 'JSONEachRow',
    ...abortable(options),
  });
  const torn = await result.json<{ table: string; total_replicas: number }>();
  const [first] = torn;
  if (first === undefined) return;
  throw new MisplacedError(
    `${torn.map(({ table }) => table).join(', ')} in the ClickHouse database ${database} are on ${first.total_replicas} of the ${expected} replicas of ${topology.cluster}`,
    'give each server the macros shard (the same on all) and replica (its own), or take servers that are gone out of remote_servers',
  );
}
