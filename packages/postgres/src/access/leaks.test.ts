/**
 * Guarantees, on a real Postgres, for every table with rows of tenants:
 *  - I9: in the scope of a tenant, meterhouse_api sees the rows of it and of all below it, and none of an
 *    ancestor, a sibling or another tree; without a scope it sees nothing
 *  - I9: it changes and adds nothing outside of its scope, even if it were granted everything
 *  - each of these holds by that table's policy: with the policy opened, the same look finds a leak
 *  - a scope ends with its transaction, and is never wider than a tenant
 *  - capacity is reserved for a tenant within the scope only, and as if others did not exist
 *  - within a scope, even an owner that is no superuser sees no more; without one, its functions work
 */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { freshDatabase, sharedStack } from '@meterhouse/dev-stack/testing';
import { afterAll, describe, expect, test } from 'vitest';
import { reserve, release } from '../capacity/index.ts';
import { migratePostgres } from '../migrations.ts';
import type { PoolClient } from '../pool.ts';
import { withTenantScope } from './index.ts';
import { accessBed, failureOf, FORBIDDEN, OTHERS, OWN, SECURED, undone } from './testing.ts';

const bed = await accessBed(afterAll);
const { owner, api } = bed;

async function tenantsSeen(client: PoolClient, table: string, tenant: string): Promise<string[]> {
  const result = await client.query<{ tenant: string | null }>(
    `SELECT DISTINCT ${tenant} AS tenant FROM meterhouse.${table} ORDER BY 1`,
  );
  return result.rows.map((row) => String(row.tenant));
}

describe.each(Object.entries(SECURED))('I9: %s', (table, { tenant, column, insert, readOnly = false }) => {
  const everythingGranted = [
    `GRANT SELECT, INSERT, UPDATE, DELETE ON meterhouse.${table} TO meterhouse_api`,
    `ALTER TABLE meterhouse.${table} DISABLE TRIGGER USER`,
  ];
  const opened = `ALTER POLICY tenant ON meterhouse.${table} USING (true) ${readOnly ? '' : 'WITH CHECK (true)'}`;
  // Append needs its trigger: without it there is no number.
  const forInsert = everythingGranted.slice(0, 1);

  test('a scope shows its subtree and nothing else', async () => {
    expect(
      await undone(owner, 'a', everythingGranted, (client) => tenantsSeen(client, table, tenant)),
    ).toEqual(OWN);
    expect(
      await undone(owner, 'a1', everythingGranted, (client) => tenantsSeen(client, table, tenant)),
    ).toEqual(['a1']);
    for (const scope of [null, '', 'nobody', '%', 'A'])
      expect(
        await undone(owner, scope, everythingGranted, (client) => tenantsSeen(client, table, tenant)),
      ).toEqual([]);
  });

  test('an update or a delete reaches nothing outside of the scope', async () => {
    const [all, own] = await Promise.all([
      owner.query(`SELECT FROM meterhouse.${table}`),
      undone(owner, 'a', everythingGranted, (client) => client.query(`SELECT FROM meterhouse.${table}`)),
    ]);
    const update = `UPDATE meterhouse.${table} SET ${column} = ${column}`;
    const reached = await undone(owner, 'a', everythingGranted, (client) => client.query(update));
    expect(reached.rowCount).toBe(readOnly ? 0 : own.rowCount);
    expect(own.rowCount).toBeLessThan(all.rowCount ?? 0);
    expect(await undone(owner, null, everythingGranted, (client) => client.query(update))).toMatchObject({
      rowCount: 0,
    });
    expect(
      await undone(owner, null, everythingGranted, (client) =>
        client.query(`DELETE FROM meterhouse.${table}`),
      ),
    ).toMatchObject({ rowCount: 0 });
  });

  test('a row of another tenant cannot be added', async () => {
    const adding = (of: string, scope: string | null, prepared: readonly string[]) =>
      failureOf(() => undone(owner, scope, prepared, (client) => client.query(insert, [of, bed.unique()])));
    for (const other of OTHERS)
      expect([other, await adding(other, 'a', forInsert)]).toEqual([other, FORBIDDEN]);
    for (const one of OWN)
      expect([one, await adding(one, 'a', forInsert)]).toEqual([one, readOnly ? FORBIDDEN : undefined]);
    expect(await adding('a', null, forInsert)).toBe(FORBIDDEN);
  });

  test('it is the policy that holds: opened, the same looks find leaks', async () => {
    const prepared = [...everythingGranted, opened];
    const seen = await undone(
      owner,
      'a',
      prepared,
      async (client) => (await client.query(`SELECT FROM meterhouse.${table}`)).rowCount,
    );
    const own = await undone(
      owner,
      'a',
      everythingGranted,
      async (client) => (await client.query(`SELECT FROM meterhouse.${table}`)).rowCount,
    );
    expect(seen).toBeGreaterThan(own ?? 0);
    expect(
      await failureOf(() =>
        undone(owner, 'a', [...forInsert, opened], (client) =>
          client.query(insert, ['foreign', bed.unique()]),
        ),
      ),
    ).toBe(readOnly ? FORBIDDEN : undefined);
  });
});

test('a scope ends with its transaction', async () => {
  const count = 'SELECT FROM meterhouse.usage_hourly';
  const single = new pg.Pool({ connectionString: bed.url, max: 1, options: '-c role=meterhouse_api' });
  expect((await withTenantScope(single, 'a', (client) => client.query(count))).rowCount).toBe(OWN.length);
  expect((await single.query(count)).rowCount).toBe(0);
  await expect(withTenantScope(single, 'a', () => Promise.reject(new Error('stop')))).rejects.toThrow('stop');
  expect((await single.query(count)).rowCount).toBe(0);
  await single.end();
  for (const scope of ['', 'a\0', ' ', '*'])
    await expect(withTenantScope(api, scope, () => Promise.resolve())).rejects.toThrow(RangeError);
});

test('I9: the daily view shows no more than the hours do', async () => {
  const days = await withTenantScope(api, 'a', (client) => tenantsSeen(client, 'usage_daily', 'tenant_id'));
  expect(days).toEqual(OWN);
  expect((await api.query('SELECT FROM meterhouse.usage_daily')).rowCount).toBe(0);
});

test('I9: a registry document that moved is its new tenant’s, and what it was before is nobody’s to read', async () => {
  await owner.query(
    `INSERT INTO meterhouse.registry_changes (kind, id, version, before, after, by, why) VALUES
       ('override', 'moved', 8, NULL, '{"tenant": "b"}', 't', 't'),
       ('override', 'moved', 9, '{"tenant": "b"}', '{"tenant": "a"}', 't', 't')`,
  );
  const seenIn = (tenant: string) =>
    withTenantScope(api, tenant, (client) =>
      client.query<{ version: string; stands: boolean }>(
        `SELECT version, meterhouse.registry_stands(kind, id, version) AS stands
         FROM meterhouse.registry_changes WHERE id = 'moved'`,
      ),
    );
  expect((await seenIn('a')).rows).toEqual([{ version: '9', stands: true }]);
  expect((await seenIn('b')).rows).toEqual([{ version: '8', stands: false }]);
  expect(
    await failureOf(() =>
      withTenantScope(api, 'a', (client) => client.query('SELECT before FROM meterhouse.registry_changes')),
    ),
  ).toBe(FORBIDDEN);
});

test('I9: a registry document that names another tenant too, or is the platform’s, is not shown', async () => {
  const ids = ['delegated', 'plan', 'pool', 'rule'];
  await owner.query(
    `INSERT INTO meterhouse.registry_changes (kind, id, version, before, after, by, why) VALUES
       ('delegation', 'delegated', 9, NULL, '{"tenant": "a", "to": "b"}', 't', 't'),
       ('plan', 'plan', 9, NULL, '{"tenant": "a"}', 't', 't'),
       ('pool', 'pool', 9, NULL, '{"tenant": "a"}', 't', 't'),
       ('access_rule', 'rule', 9, NULL, '{"tenant": "a"}', 't', 't')`,
  );
  const seen = await withTenantScope(api, 'a', (client) =>
    client.query('SELECT FROM meterhouse.registry_changes WHERE id = ANY ($1)', [ids]),
  );
  expect(seen.rowCount).toBe(0);
});

test('I9: capacity is reserved and released within the scope, as if there were nobody else', async () => {
  const request = { pool: 'free', units: 1n, key: 'k', ttlMs: 60_000, by: 'test' };
  const inScope = withTenantScope(api, 'a', (client) =>
    reserve(client, { ...request, tenantId: 'a1' }, 'tenant'),
  );
  expect(await inScope).toMatchObject({ kind: 'reserved' });
  for (const other of OTHERS)
    expect(
      await withTenantScope(api, 'a', (client) => reserve(client, { ...request, tenantId: other }, 'tenant')),
    ).toEqual({ kind: 'unknown_tenant' });
  const theirs = await reserve(bed.poolAs('meterhouse_gate'), { ...request, tenantId: 'b' });
  if (theirs.kind !== 'reserved') throw new Error('b could not reserve');
  const { reservationId, fencingToken } = theirs;
  const holding = { tenantId: 'b', reservationId, fencingToken, by: 'test' };
  expect(await withTenantScope(api, 'a', (client) => release(client, holding, 'tenant'))).toEqual({
    kind: 'unknown_reservation',
  });
  expect(await failureOf(() => reserve(api, { ...request, tenantId: 'a' }))).toBe(FORBIDDEN);
  expect(await reserve(api, { ...request, tenantId: 'a' }, 'tenant')).toEqual({ kind: 'unknown_tenant' });
});

test('within a scope even an owner that is no superuser sees no more', async () => {
  const stack = await sharedStack();
  const url = new URL(await freshDatabase(stack));
  const name = `owner_${randomBytes(6).toString('hex')}`;
  const superuser = new pg.Client({ connectionString: url.href });
  await superuser.connect();
  // Roles of ours are there already, so making them again takes no more than the right to try.
  await superuser.query(`CREATE ROLE ${name} LOGIN CREATEROLE PASSWORD '${name}'`);
  await superuser.query(`ALTER DATABASE ${url.pathname.slice(1)} OWNER TO ${name}`);
  url.username = name;
  url.password = name;
  const client = new pg.Client({ connectionString: url.href });
  try {
    await migratePostgres(url.href);
    await client.connect();
    await client.query('SELECT meterhouse.ensure_seen_periods(0, 1)');
    await client.query(`INSERT INTO meterhouse.tenants (id, name) VALUES ('a', 'a'), ('b', 'b')`);
    await client.query(`INSERT INTO meterhouse.capacity_pools (id, unit, size) VALUES ('p', 'gpu', 2)`);
    const reserving = `SELECT (meterhouse.capacity_reserve('p', $1, 1, 'k', 60000, 'test', '')).outcome`;
    for (const tenant of ['a', 'b'])
      expect((await client.query(reserving, [tenant])).rows).toEqual([{ outcome: 'reserved' }]);
    const seen = 'SELECT tenant_id FROM meterhouse.capacity_reservations ORDER BY 1';
    expect((await client.query(seen)).rowCount).toBe(2);
    await client.query('BEGIN');
    await client.query(`SET LOCAL meterhouse.tenant_scope = 'a'`);
    expect((await client.query(seen)).rows).toEqual([{ tenant_id: 'a' }]);
    expect(
      (await client.query(`SELECT (meterhouse.tenant_capacity_release(2, 'b', 2, 'test', '')).outcome`)).rows,
    ).toEqual([{ outcome: 'unknown_reservation' }]);
    await client.query('COMMIT');
    await client.query(
      `INSERT INTO meterhouse.audit_log (actor_type, actor_id, action, outcome) VALUES ('person', 't', 't', 'done')`,
    );
    await client.query('INSERT INTO meterhouse.seen_events VALUES (gen_random_uuid(), 1, 1, 1, 1)');
    expect((await client.query('SELECT FROM meterhouse.seen_events')).rowCount).toBe(1);
    expect((await client.query('SELECT FROM meterhouse.seen_events_p1')).rowCount).toBe(0);
  } finally {
    await client.end();
    await superuser.query(`ALTER DATABASE ${url.pathname.slice(1)} OWNER TO CURRENT_USER`);
    await superuser.query(`REASSIGN OWNED BY ${name} TO CURRENT_USER`);
    await superuser.query(`DROP OWNED BY ${name}`);
    await superuser.query(`DROP ROLE ${name}`);
    await superuser.end();
  }
});
