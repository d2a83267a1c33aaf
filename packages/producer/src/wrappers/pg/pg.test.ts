/**
 * On a real Postgres:
 *  - rows and bytes by tenant in every form of query: promise, callback, configuration, prepared, several
 *    statements, arrays, cursor, stream, pg's own Query; of the pool and of its clients; none twice
 *  - the tenant is that of the caller, also where a pool with one client hands it on
 *  - results and errors are pg's own; transactions, release and events work as before
 */
import Cursor from 'pg-cursor';
import QueryStream from 'pg-query-stream';
import { Pool, Query, type PoolClient } from 'pg';
import { sharedStack } from '@meterhouse/dev-stack/testing';
import { waitFor } from '@meterhouse/runtime';
import { expect, onTestFinished, test } from 'vitest';
import type { UsageEventInput } from '../../event-input.ts';
import { collect } from '../collect.testing.ts';
import { withTenant } from '../../tenant-context.ts';
import { meterPool } from './index.ts';

async function metered(max = 3) {
  const events: UsageEventInput[] = [];
  const { postgres } = await sharedStack();
  const plain = new Pool({ connectionString: postgres, max });
  onTestFinished(() => plain.end());
  const pool = meterPool(plain, {
    meter: { add: (event) => events.push(event) > 0 },
    onProblem: () => undefined,
  });
  /** What was told since the last time: `tenant command rows/bytes`. */
  const told = (): string[] => {
    const lines = events.map(
      (e) => `${e.tenantId} ${e.attrs?.['command']} ${e.metric.slice(3)} ${String(e.value)}`,
    );
    events.length = 0;
    return lines;
  };
  return { pool, plain, told };
}

const as = <T>(tenantId: string, work: () => T): T => withTenant({ tenantId }, work);
const THREE = 'SELECT n, repeat(chr(233), n) AS text FROM generate_series(1, 3) AS n';
/** 1 + 1 + 1 digits, and 2 + 4 + 6 bytes of é. */
const OF_THREE = ['a SELECT rows 3', 'a SELECT bytes 15'];

test('every form of query of the pool', async () => {
  const { pool, told } = await metered();
  const result = await as('a', () => pool.query<{ n: number }>(THREE));
  expect(result.rows.map((row) => row.n)).toEqual([1, 2, 3]);
  expect(told()).toEqual(OF_THREE);
  await as('a', () => pool.query({ name: 'three', text: `${THREE} WHERE n > $1`, values: [0] }));
  expect(told()).toEqual(OF_THREE);
  await as('a', () => pool.query({ text: THREE, rowMode: 'array' }));
  expect(told()).toEqual(OF_THREE);
  const called = await new Promise((resolve) =>
    as('a', () => pool.query(THREE, (_error, of) => resolve(of.rowCount))),
  );
  expect([called, told()]).toEqual([3, OF_THREE]);
  await as('a', () =>
    pool.query(`CREATE TEMP TABLE t (n int); INSERT INTO t VALUES (1), (2); SELECT 'ab' AS x`),
  );
  expect(told()).toEqual(['a INSERT rows 2', 'a SELECT rows 1', 'a SELECT bytes 2']);
  await as('a', () => pool.query(`SELECT '\\x0102'::bytea AS b, NULL AS n, '{"a":1}'::json AS j`));
  expect(told()).toEqual(['a SELECT rows 1', 'a SELECT bytes 9']);
});

test('clients of the pool: promise and callback, transactions, cursors, streams', async () => {
  const { pool, told } = await metered();
  const client = await pool.connect();
  await as('a', async () => {
    await client.query('BEGIN');
    await client.query(THREE);
    await client.query('COMMIT');
  });
  expect(told()).toEqual(OF_THREE);
  const cursor = as('a', () => client.query(new Cursor(THREE)));
  expect((await cursor.read(2)).length).toBe(2);
  const rest = await new Promise((resolve) => cursor.read(10, (_error, rows) => resolve(rows.length)));
  await cursor.close();
  expect([rest, told()]).toEqual([
    1,
    ['a SELECT rows 2', 'a SELECT bytes 8', 'a SELECT rows 1', 'a SELECT bytes 7'],
  ]);
  const stream = as('a', () => client.query(new QueryStream(THREE)));
  expect((await collect(stream)).length).toBe(3);
  expect(told()).toEqual(OF_THREE);
  const left = as('a', () => client.query(new QueryStream(THREE, [], { highWaterMark: 1 })));
  for await (const _row of left) break;
  await waitFor('the cursor to be closed', () => (left.closed ? true : undefined), { deadlineMs: 10_000 });
  expect(told()).toEqual(['a SELECT rows 1', 'a SELECT bytes 3']);
  const own = as('a', () => client.query(new Query(THREE)));
  await new Promise((resolve) => own.on('end', resolve));
  expect(told()[0]).toBe(OF_THREE[0]);
  client.release();
  const byCallback = await new Promise<PoolClient>((resolve, reject) =>
    pool.connect((error, of) => (of === undefined ? reject(error ?? new Error('no client')) : resolve(of))),
  );
  await as('a', () => byCallback.query(THREE));
  byCallback.release();
  expect(told()).toEqual(OF_THREE);
  expect(pool.idleCount).toBe(1);
});

test('the tenant is that of the caller, where one client serves them all', async () => {
  const { pool, told } = await metered(1);
  // Callbacks of a pool run in the context of whoever gave the client back.
  await Promise.all(
    Array.from(
      { length: 20 },
      (_, index) =>
        new Promise((resolve) =>
          as(`t${index % 4}`, () =>
            pool.query(`SELECT repeat('x', 2) FROM generate_series(0, ${index % 4})`, resolve),
          ),
        ),
    ),
  );
  const rows = told().filter((line) => line.includes(' rows '));
  expect(rows.sort()).toEqual(
    [0, 1, 2, 3].flatMap((n) => Array<string>(5).fill(`t${n} SELECT rows ${n + 1}`)),
  );
});

test('errors are those of pg and are no usage; queries of nobody are told', async () => {
  const { pool, told } = await metered();
  await expect(pool.query('SELECT 1/0')).rejects.toMatchObject({ code: '22012' });
  const code = await new Promise((resolve) =>
    pool.query('SELECT nothing', (error) => resolve((error as { code?: string }).code)),
  );
  expect([code, told()]).toEqual(['42703', []]);
  await pool.query('SELECT 1 AS one');
  expect([told(), pool.problems().no_tenant]).toEqual([[], 1]);
});
