/**
 * I9 twice: one tenant's key reads nothing of another's usage while the API's own check is taken out
 * (row-level security holds), and while row-level security is (the API's check holds). With both in
 * place its own is there.
 */
import { freshDatabase, sharedStack } from '@meterhouse/dev-stack/testing';
import { createPool, inTransaction, migratePostgres } from '@meterhouse/postgres';
import { PolicySet } from '@meterhouse/quota';
import { Releases } from '@meterhouse/runtime';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { z } from 'zod';
import { openStores, type Stores } from '../stores.ts';
import { known, startTestApi, type TestApi } from '../testing.ts';
import type { Principal } from './roles.ts';
import { TenantTree } from './tenant-tree.ts';

const PARENTS = { top: null, own: 'top', below: 'own', sibling: 'top', foreign: null } as const;
const TENANTS = Object.keys(PARENTS);
const OWN = ['own', 'below'];
const HOUR = Date.UTC(2026, 5, 1, 10);
const READER: Principal = { type: 'api_key', id: 'reader', role: 'tenant_reader', tenantId: 'own' };

const releases = new Releases();
let stores: Stores;
/** Sees everything: what row-level security is against. */
let unguarded: Stores['scoped'];

beforeAll(async () => {
  const url = await freshDatabase(await sharedStack());
  await migratePostgres(url);
  stores = openStores(url, releases);
  const pool = createPool({ url, applicationName: 'two-checks' });
  releases.add('the pool', () => pool.end());
  unguarded = (_scope, work, isolation) => inTransaction(pool, work, isolation);
  await pool.query(
    `INSERT INTO meterhouse.metrics (name, unit, aggregation, scale, family) VALUES ('calls', 'call', 'count', 0, 'token_request')`,
  );
  for (const [id, parent] of Object.entries(PARENTS)) {
    await pool.query('INSERT INTO meterhouse.tenants (id, name, parent) VALUES ($1, $1, $2)', [id, parent]);
    await pool.query(
      `INSERT INTO meterhouse.usage_hourly
         (tenant_id, metric, hour, sum, count, min, max, latest, latest_ts, latest_id, revision)
       VALUES ($1, 'calls', $2, 1, 1, 1, 1, 1, $2, 'e', 1)`,
      [id, new Date(HOUR)],
    );
  }
});
afterAll(() => releases.releaseAll());

async function apiWith(tree: TenantTree, scoped: Stores['scoped']): Promise<TestApi> {
  const api = await startTestApi({
    stores: { ...stores, scoped },
    tree,
    authenticate: known({ reader: READER }),
    usageSource: {
      scoped,
      topic: 'usage_events',
      logEnds: () => Promise.resolve(null),
      policy: new PolicySet(),
      now: () => HOUR + 7_200_000,
    },
  });
  releases.add('an API', () => api.close());
  return api;
}

/** Whose rows are in the answers to all that can be asked about a tenant. */
async function seenBy(api: TestApi, tenantId: string): Promise<{ status: number; tenants: string[] }> {
  const span = 'from=2026-06-01T00:00:00Z&to=2026-06-02T00:00:00Z';
  const answers = await Promise.all(
    [
      `/v1/usage?tenantId=${tenantId}&descendants=true&${span}`,
      `/v1/usage?tenantId=${tenantId}&descendants=true&together=true&${span}`,
      `/api/admin/tenants/${tenantId}/usage?${span}`,
    ].map(async (path) => {
      const response = await api.call('reader', path);
      const body = z
        .object({ rows: z.array(z.object({ tenantId: z.string() })).default([]) })
        .parse(await response.json());
      return { status: response.status, tenants: body.rows.map((row) => row.tenantId) };
    }),
  );
  return { status: answers[0]?.status ?? 0, tenants: [...new Set(answers.flatMap((one) => one.tenants))] };
}

const everywhere = new TenantTree(() => Promise.resolve(TENANTS));

it('I9: reads its own, and is refused the rest, with both checks in place', async () => {
  const api = await apiWith(new TenantTree(stores.lineage), stores.scoped);
  expect((await seenBy(api, 'own')).tenants.sort()).toEqual(['below', 'own']);
  for (const other of TENANTS.filter((id) => !OWN.includes(id)))
    expect(await seenBy(api, other)).toEqual({ status: 404, tenants: [] });
});

it('I9: reads nothing of others while the API lets every tenant through', async () => {
  const api = await apiWith(everywhere, stores.scoped);
  expect((await seenBy(api, 'own')).tenants.sort()).toEqual(['below', 'own']);
  for (const other of TENANTS.filter((id) => !OWN.includes(id)))
    expect(await seenBy(api, other)).toEqual({ status: 200, tenants: [] });
});

it('I9: reads nothing of others while the database shows everything', async () => {
  const api = await apiWith(new TenantTree(stores.lineage), unguarded);
  expect((await seenBy(api, 'below')).tenants).toEqual(['below']);
  for (const other of TENANTS.filter((id) => !OWN.includes(id)))
    expect(await seenBy(api, other)).toEqual({ status: 404, tenants: [] });
});

it('with both taken out, the rest is read: the test would see it', async () => {
  const api = await apiWith(everywhere, unguarded);
  expect((await seenBy(api, 'foreign')).tenants).toEqual(['foreign']);
});
