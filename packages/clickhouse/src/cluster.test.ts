/**
 * Guarantees:
 * - Without a cluster every statement of the migrations is what stands in the files, less the marks:
 *   known words, byte for byte.
 * - On a cluster every table is replicated, every view carries its consistent read, and nothing else changes;
 *   reads of tables are sent with it.
 * - Waits on other replicas end before the client gives up.
 * - What is no name of a cluster is refused before it reaches a statement.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { createClickHouse } from './client.ts';
import { topologyOf } from './cluster.ts';
import { splitStatements } from './statements.ts';

const FOLDER = new URL('../../../schemas/clickhouse/', import.meta.url);
const ONE = topologyOf(null, 30_000);
const CLUSTER = topologyOf('house', 30_000);

async function statements(): Promise<string[]> {
  const files = (await readdir(FOLDER)).sort();
  const texts = await Promise.all(files.map((file) => readFile(new URL(file, FOLDER), 'utf8')));
  return texts.flatMap(splitStatements);
}

const sent = async (): Promise<[one: string, cluster: string][]> =>
  (await statements()).map((statement) => [ONE.migration(statement), CLUSTER.migration(statement)]);

test('one server: the first migration is sent as it was before there were clusters', async () => {
  const first = splitStatements(await readFile(new URL('0001_usage.sql', FOLDER), 'utf8'));
  const digest = createHash('sha256')
    .update(first.map((statement) => ONE.migration(statement)).join('\n;\n'))
    .digest('hex');
  expect(digest).toBe('a321fbd5d1a0ef683f5ce6785076de4ebe14428432a6da10d4ce8aa66d780cef');
});

test('one server: no statement knows of a cluster', async () => {
  const all = (await sent()).map(([one]) => one);
  expect(all.join('\n')).not.toMatch(/cluster|Replicated|sequential|\/\*/);
  expect(topologyOf('', 30_000)).toBe(ONE);
  expect([ONE.definition, ONE.insert, ONE.read]).toEqual([{}, {}, {}]);
});

test('a cluster: tables are replicated, views read consistently, the rest stays', async () => {
  const pairs = await sent();
  const kinds = pairs.map(([one, cluster]) => {
    const plain = cluster
      .replaceAll(/\bReplicated(?=\w+MergeTree)/g, '')
      .replace(/ SETTINGS select_sequential_consistency = 1$/, '');
    expect(plain).toBe(one);
    if (cluster.startsWith('CREATE TABLE'))
      return /ENGINE = Replicated\w*MergeTree/.test(cluster) ? 'table' : cluster;
    if (cluster.startsWith('CREATE VIEW')) return plain === cluster ? cluster : 'view';
    return cluster;
  });
  expect(kinds).toEqual(['table', 'table', 'view', 'view', 'view']);
});

test('a cluster: reads of tables show every insert that was done', () => {
  expect(CLUSTER.read).toEqual({ select_sequential_consistency: '1' });
});

test('waits end before the client gives up', () => {
  expect(CLUSTER.definition).toEqual({
    distributed_ddl_output_mode: 'throw',
    distributed_ddl_task_timeout: '24',
  });
  expect(CLUSTER.insert).toEqual({
    insert_quorum: 'auto',
    insert_quorum_parallel: 0,
    insert_quorum_timeout: 24_000,
  });
  expect(topologyOf('house', 1).definition.distributed_ddl_task_timeout).toBe('1');
});

test.each(['a b', '`a', "a'", 'a\\', '1a', '-a', 'a.b', `a${'b'.repeat(64)}`, 'ä'])(
  'no name of a cluster: %s',
  (name) => {
    expect(() => topologyOf(name, 30_000)).toThrow('not the name of a ClickHouse cluster');
  },
);

test('a cluster with the name of the database is refused', () => {
  const open = (): unknown => createClickHouse('http://127.0.0.1:9', 'meterhouse', { cluster: 'meterhouse' });
  expect(open).toThrow('have to differ');
});
