/**
 * No cluster can be had here. So a client that believes in one talks to the real engine through a
 * stand-in that takes "replicated" out of what makes a table and answers what only a cluster knows.
 * Guarantees:
 * - Every statement that is sent in clustered form is one that the real parser takes, as it was sent.
 * - I5, I6: each read of a table shows what was written before (sequential consistency), each insert
 *   is held by most replicas before it counts, and what defines tables waits for all; nothing else
 *   carries those settings, and on one server nothing does.
 * - Migrating, mirroring, forgetting, rebuilding and comparing end on a cluster as they do on one server.
 * - A table is made again with the storage that the migrations gave it.
 * - Tables of the other kind, a cluster that is not known, one of several shards, and replicas that do not
 *   find each other are refused with words that say what to do, and nothing is changed before that.
 */
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { sharedStack } from '@meterhouse/dev-stack/testing';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createClickHouse, type ClickHouse } from './client.ts';
import { topologyOf } from './cluster.ts';
import { compareMirror } from './compare-mirror.ts';
import { migrateClickHouse, readClickHouseSchema } from './migrations.ts';
import {
  forgetMirrorProgress,
  insertMirrorProgress,
  readMirrorProgress,
  type MirrorPosition,
} from './mirror-progress.ts';
import { MisplacedError, UnsuitableDatabaseError } from './placement.ts';
import { createRebuildTable, dropRebuildTables } from './rebuild-tables.ts';
import { rebuildClickHouse, type RebuildSource } from './rebuild.ts';
import { bucket, select, START } from './testing.ts';
import { insertBuckets, mirrorBucketsByKey, mirrorPages } from './usage-hourly.ts';
import type { MirroredBucket } from './usage-hourly-row.ts';

/** What a cluster would say of itself. */
interface Cluster {
  replicas: number;
  shards: number;
  /** Replicas of the database; null: as many as there are. */
  databaseReplicas: number | null;
  tableReplicas: number;
  databaseEngine: string;
  replicatedTables: boolean;
}

const HOUSE: Cluster = {
  replicas: 3,
  shards: 1,
  databaseReplicas: null,
  tableReplicas: 3,
  databaseEngine: 'Replicated',
  replicatedTables: true,
};

interface Sent {
  readonly query: string;
  readonly settings: Readonly<Record<string, string>>;
}

const WATCHED = /^(insert_quorum|select_sequential_consistency|distributed_ddl)/;

interface Bed {
  readonly clickhouse: ClickHouse;
  readonly sent: Sent[];
  readonly cluster: Cluster;
}

/** @param cluster its name; null for a client of one server */
async function bed(cluster: string | null = 'house', says: Partial<Cluster> = {}): Promise<Bed> {
  const target = (await sharedStack()).clickhouse;
  const sent: Sent[] = [];
  const stand = { ...HOUSE, ...says };
  const server = createServer((request, response) => {
    void (async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const body = Buffer.concat(chunks);
      const url = new URL(request.url ?? '/', target);
      const inUrl = url.searchParams.get('query');
      const query = inUrl ?? body.toString();
      const settings = [...url.searchParams].filter(([name]) => WATCHED.test(name));
      sent.push({ query, settings: Object.fromEntries(settings) });
      const answer = cluster === null ? null : canned(query, stand);
      if (inUrl !== null) url.searchParams.set('query', onOneServer(inUrl));
      const real = await fetch(url, {
        method: 'POST',
        body: answer ?? (inUrl === null ? onOneServer(query) : body),
        headers: {
          ...(request.headers.authorization ? { authorization: request.headers.authorization } : {}),
        },
      });
      const kept = [...real.headers].filter(
        ([name]) => name.startsWith('x-clickhouse') || name === 'content-type',
      );
      response.writeHead(real.status, Object.fromEntries(kept));
      response.end(Buffer.from(await real.arrayBuffer()));
    })().catch((error: unknown) => response.destroy(error as Error));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const database = `cluster_${randomUUID().replaceAll('-', '')}`;
  const clickhouse = createClickHouse(`http://127.0.0.1:${port}`, database, { cluster });
  onTestFinished(async () => {
    await clickhouse.withoutDatabase((client) =>
      client.command({ query: `DROP DATABASE IF EXISTS ${database} SYNC` }),
    );
    await clickhouse.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { clickhouse, sent, cluster: stand };
}

/** What only a cluster knows, asked of the real engine as constants. */
function canned(query: string, stand: Cluster): string | null {
  const row = (columns: string): string => `SELECT ${columns} FORMAT JSONEachRow`;
  if (query.includes('uniqExact(shard_num)'))
    return row(`toUInt64(${stand.replicas}) AS replicas, toUInt64(${stand.shards}) AS shards`);
  if (query.includes('FROM system.clusters'))
    return row(`toUInt64(${stand.databaseReplicas ?? stand.replicas}) AS replicas`);
  if (query.includes('FROM system.replicas'))
    return `SELECT 'mirror_progress' AS table, ${stand.tableReplicas} AS total_replicas WHERE total_replicas < ${stand.replicas} FORMAT JSONEachRow`;
  if (query.includes('FROM system.databases'))
    return query.replace('SELECT engine', `SELECT '${stand.databaseEngine}' AS engine`);
  if (query.includes("startsWith(engine, 'Replicated')") && stand.replicatedTables)
    return query.replace("startsWith(engine, 'Replicated')", '1');
  return null;
}

function onOneServer(query: string): string {
  return query
    .replace(/ ON CLUSTER `\w+` ENGINE = Replicated\(.*\)/, '')
    .replace(/ENGINE = Replicated(\w*MergeTree)/, 'ENGINE = $1');
}

const at = (nextOffset: bigint): MirrorPosition => ({
  source: 'events',
  partition: 0,
  nextOffset,
  completeThrough: START,
});

/** Postgres, with these buckets and standing at this offset. */
function source(buckets: readonly MirroredBucket[], position: MirrorPosition): RebuildSource {
  return {
    migrating: (work) => work(),
    exclusively: (work) =>
      work({
        buckets: async function* () {
          yield await Promise.resolve(buckets);
        },
        nextChanges: () => Promise.resolve({ changes: [], positions: [position], more: false }),
        swap: async ({ exchange }) => exchange([position]),
      }),
  };
}

async function everything(clickhouse: ClickHouse, pageRows?: number): Promise<MirroredBucket[]> {
  const all: MirroredBucket[] = [];
  for await (const page of mirrorPages(clickhouse, {}, pageRows)) all.push(...page);
  return all;
}

/** All that the mirror, the rebuild and the command ask of ClickHouse. */
async function everythingOnce(clickhouse: ClickHouse): Promise<void> {
  await migrateClickHouse(clickhouse);
  await readClickHouseSchema(clickhouse);
  await insertBuckets(clickhouse, [bucket(), bucket({ hour: START + 3_600_000 })]);
  await insertMirrorProgress(clickhouse, [{ ...at(10n), fromOffset: null }], START);
  await insertMirrorProgress(clickhouse, [{ ...at(12n), fromOffset: 10n }], START);
  expect(await readMirrorProgress(clickhouse)).toEqual([at(12n)]);
  expect(await everything(clickhouse, 1)).toHaveLength(2);
  expect(await mirrorBucketsByKey(clickhouse, [bucket()])).toEqual([bucket()]);
  const left = await createRebuildTable(clickhouse, randomUUID(), {});
  const rebuilt = [bucket({ sum: 7n, revision: 9n })];
  const call = { clickhouse, now: () => START };
  // It said more than Postgres has: so it is forgotten first.
  await rebuildClickHouse({ ...call, source: source(rebuilt, at(5n)), unique: randomUUID() });
  expect(await everything(clickhouse)).toEqual(rebuilt);
  expect(await readMirrorProgress(clickhouse)).toEqual([at(5n)]);
  expect(await dropRebuildTables(clickhouse), `${left} and the old tables are gone`).toEqual([]);
  await forgetMirrorProgress(clickhouse, randomUUID());
  expect(await readMirrorProgress(clickhouse)).toEqual([]);
  const compared = await compareMirror({
    clickhouse,
    source: {
      pages: async function* () {
        yield await Promise.resolve([bucket({ revision: 10n })]);
      },
      byKey: () => Promise.resolve(rebuilt),
      mirrorCaughtUp: () => Promise.resolve(true),
    },
  });
  expect(compared).toMatchObject({ different: 0, clickhouseBuckets: 1 });
}

describe('all that is sent', () => {
  const { definition, insert, read } = topologyOf('house', 30_000);

  function expectedSettings(query: string): object {
    if (/^\s*(CREATE|DROP|EXCHANGE) /.test(query)) return definition;
    if (/^\s*INSERT INTO mirror_progress/.test(query)) return { ...insert, ...read };
    if (/^\s*INSERT /.test(query)) return insert;
    if (/FROM (mirror_progress|schema_migrations)\b/.test(query)) return read;
    // The views carry it, for finance as for us; what a server says of itself needs none.
    expect(query).toMatch(/FROM (usage_hourly|system\.\w+)\b/);
    return {};
  }

  const asText = (settings: object): object =>
    Object.fromEntries(Object.entries(settings).map(([name, value]) => [name, String(value)]));

  test('on a cluster: taken by the parser, and consistent where it must be and only there', async () => {
    const { clickhouse, sent } = await bed();
    await everythingOnce(clickhouse);
    const all = sent.splice(0);
    const kinds = new Set(all.map(({ query }) => /^\s*(\w+ \w+)/.exec(query)?.[1]));
    for (const kind of [
      'CREATE DATABASE',
      'CREATE TABLE',
      'CREATE VIEW',
      'EXCHANGE TABLES',
      'DROP TABLE',
      'INSERT INTO',
    ])
      expect(kinds).toContain(kind);
    expect(kinds).not.toContain('TRUNCATE TABLE');
    for (const { query, settings } of all) expect(settings, query).toEqual(asText(expectedSettings(query)));
    const real = (await sharedStack()).clickhouse;
    for (const query of new Set(all.map((one) => one.query))) {
      const parsed = await fetch(real, {
        method: 'POST',
        body: `SELECT formatQuery(unhex('${Buffer.from(query).toString('hex')}'))`,
      });
      expect(parsed.status, `${query}\n${await parsed.text()}`).toBe(200);
    }
    const replicated = all.filter(({ query }) => /^\s*CREATE TABLE/.test(query));
    for (const { query } of replicated) expect(query).toMatch(/ENGINE = Replicated\w*MergeTree/);
  });

  test('on one server: none of it', async () => {
    const { clickhouse, sent } = await bed(null);
    await everythingOnce(clickhouse);
    expect(sent.filter(({ settings }) => Object.keys(settings).length > 0)).toEqual([]);
    const text = sent.map(({ query }) => query.replace("startsWith(engine, 'Replicated')", '')).join('\n');
    expect(text).not.toMatch(/CLUSTER|cluster:|Replicated|sequential/);
    expect(text).toMatch(/CREATE TABLE usage_hourly_rebuild_\w+ AS usage_hourly_revisions$/m);
    expect(text).toContain('TRUNCATE TABLE mirror_progress');
  });

  test('a table is made again with the storage that the migrations gave it', async () => {
    const { clickhouse } = await bed();
    await migrateClickHouse(clickhouse);
    for (const like of ['usage_hourly_revisions', 'mirror_progress'] as const)
      await clickhouse.client.command({ query: clickhouse.topology.createTableLike(`again_${like}`, like) });
    const storage = await select<{ name: string; as: string }>(
      clickhouse,
      `SELECT name, engine_full AS as FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree'`,
    );
    const of = (name: string): string | undefined => storage.find((table) => table.name === name)?.as;
    for (const like of ['usage_hourly_revisions', 'mirror_progress'])
      expect(of(`again_${like}`)).toBe(of(like));
  });
});

describe('what does not fit is refused, and left alone', () => {
  const changes = (sent: readonly Sent[]): string[] =>
    sent.map(({ query }) => query).filter((query) => !/^\s*SELECT/.test(query));
  let made: Bed;

  async function refused(says: Partial<Cluster>, cluster: string | null, exists: boolean): Promise<Error> {
    made = await bed(cluster, says);
    if (exists) {
      const plain = createClickHouse((await sharedStack()).clickhouse, made.clickhouse.database);
      await migrateClickHouse(plain);
      await plain.close();
    }
    const error: unknown = await migrateClickHouse(made.clickhouse).then(
      () => null,
      (thrown: unknown) => thrown,
    );
    if (!(error instanceof Error)) throw new Error('it was not refused');
    return error;
  }

  test('a database of one server', async () => {
    const error = await refused({ databaseEngine: 'Atomic' }, 'house', true);
    expect(error).toBeInstanceOf(UnsuitableDatabaseError);
    expect(error.message).toMatch(/engine Atomic.*needs Replicated: name a database that does not exist yet/);
    expect(changes(made.sent)).toEqual([]);
  });

  test('tables of one server in a database of a cluster', async () => {
    const error = await refused({ replicatedTables: false }, 'house', true);
    expect(error).toBeInstanceOf(MisplacedError);
    expect(error.message).toMatch(
      /mirror_progress, schema_migrations, usage_hourly_revisions .* not replicated: name a database/,
    );
    expect(changes(made.sent)).toEqual([]);
  });

  test('an unknown cluster', async () => {
    const error = await refused({ replicas: 0, shards: 0 }, 'house', false);
    expect(error.message).toMatch(
      /CLICKHOUSE_CLUSTER is house.*knows no such cluster: name one of its remote_servers/,
    );
    expect(changes(made.sent)).toEqual([]);
  });

  test('rows that would be divided over shards', async () => {
    const error = await refused({ shards: 2 }, 'house', false);
    expect(error.message).toMatch(/has 2 shards: .*one shard/);
    expect(changes(made.sent)).toEqual([]);
  });

  test('replicas that do not find each other', async () => {
    const error = await refused({ tableReplicas: 1 }, 'house', false);
    expect(error.message).toMatch(
      /mirror_progress .* on 1 of the 3 replicas of house: give each server the macros/,
    );
  });

  test('a replica that came later gets the database', async () => {
    const { clickhouse, sent, cluster } = await bed();
    await migrateClickHouse(clickhouse);
    sent.splice(0);
    await migrateClickHouse(clickhouse);
    const made = (): string[] => changes(sent).filter((query) => query.includes('DATABASE'));
    expect(made(), 'nothing was missing').toEqual([]);
    cluster.databaseReplicas = 2;
    await migrateClickHouse(clickhouse);
    expect(made()).toEqual([
      `CREATE DATABASE IF NOT EXISTS \`${clickhouse.database}\` ON CLUSTER \`house\` ENGINE = Replicated('/meterhouse/house/${clickhouse.database}', '{shard}', '{replica}')`,
    ]);
  });
});
