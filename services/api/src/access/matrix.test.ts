/**
 * Every route that there is, asked as everybody: the document lists them, so a route that is added
 * tomorrow is asked tomorrow.
 *  - Without a key, and with a key that is none, nothing but public routes answers.
 *  - A role that the route does not name is refused, whatever its scope.
 *  - A tenant's key is refused where the platform as a whole is meant.
 *  - I9: what is named of another tenant is answered like what does not exist, and never with data.
 */
import { randomUUID } from 'node:crypto';
import { freshDatabase, sharedStack } from '@meterhouse/dev-stack/testing';
import { migratePostgres } from '@meterhouse/postgres';
import { scopeProblem } from '@meterhouse/postgres/access';
import { Releases } from '@meterhouse/runtime';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { openStores } from '../stores.ts';
import { known, startTestApi, type TestApi } from '../testing.ts';
import { ROLES, type Principal, type Role } from './roles.ts';
import { TenantTree } from './tenant-tree.ts';

const operation = z.object({
  operationId: z.string(),
  'x-access': z.object({
    kind: z.enum(['public', 'platform', 'tenant', 'scope']),
    roles: z.array(z.enum(ROLES)),
  }),
});
const documentShape = z.object({ paths: z.record(z.string(), z.record(z.string(), operation)) });

interface Route {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly access: z.output<typeof operation>['x-access'];
}

/** Somebody of each role, of `top`'s child `own` where the role is of a tenant, and where it may be of the platform too. */
const PRINCIPALS: Readonly<Record<string, Principal>> = Object.fromEntries(
  ROLES.flatMap((role) => {
    const scopes = ['own', null].filter((tenantId) => scopeProblem(role, tenantId) === null);
    return scopes.map((tenantId) => {
      const id = `${role}.${tenantId ?? 'platform'}`;
      return [id, { type: 'api_key', id, role, tenantId } as const];
    });
  }),
);
const PARENTS = { top: null, own: 'top', below: 'own', sibling: 'top', foreign: null } as const;
/** Outside of `own`: above it, beside it, elsewhere, and nowhere. */
const ELSEWHERE = ['top', 'sibling', 'foreign', 'nobody'];

const releases = new Releases();
let api: TestApi;
let routes: readonly Route[];

beforeAll(async () => {
  const url = await freshDatabase(await sharedStack());
  await migratePostgres(url);
  const stores = openStores(url, releases);
  await stores.operating(async (db) => {
    for (const [id, parent] of Object.entries(PARENTS))
      await db.query('INSERT INTO meterhouse.tenants (id, name, parent) VALUES ($1, $1, $2)', [id, parent]);
  });
  api = await startTestApi({
    stores,
    tree: new TenantTree(stores.lineage),
    authenticate: known(PRINCIPALS),
  });
  releases.add('the API', () => api.close());
  const { paths } = documentShape.parse(await (await api.call(null, '/openapi.json')).json());
  routes = Object.entries(paths).flatMap(([path, byMethod]) =>
    Object.entries(byMethod).map(([method, { operationId, 'x-access': access }]) => ({
      name: operationId,
      method: method.toUpperCase(),
      path,
      access,
    })),
  );
});
afterAll(() => releases.releaseAll());

/** Its path with something in each parameter, and a tenant in the one that names a tenant. */
function pathOf({ path }: Route, tenantId: string): string {
  return path.replaceAll(/\{([^}]+)\}/g, (_whole, name: string) =>
    name === 'id' && path.includes('/tenants/') ? tenantId : name === 'kind' ? 'plans' : randomUUID(),
  );
}

async function ask(
  route: Route,
  bearer: string | null,
  tenantId = 'own',
): Promise<{ status: number; code: unknown }> {
  const path = pathOf(route, tenantId);
  // Named by the path, or else by the query.
  const asks = route.access.kind === 'tenant' && !path.includes('/tenants/');
  const query = asks ? `?tenantId=${tenantId}` : '';
  const response = await api.call(bearer, `${path}${query}`, { method: route.method });
  const text = await response.text();
  const body: unknown = text === '' ? {} : JSON.parse(text);
  const code = z.object({ code: z.string() }).safeParse(body);
  return { status: response.status, code: code.success ? code.data.code : null };
}

describe('every route', () => {
  it('is in the document with who may use it', () => {
    expect(routes.length).toBeGreaterThan(30);
    for (const { access } of routes) expect(access.kind === 'public').toBe(access.roles.length === 0);
    expect(
      routes
        .filter(({ access }) => access.kind === 'public')
        .map(({ path }) => path)
        .sort(),
    ).toEqual(['/healthz', '/openapi.json', '/readyz']);
  });

  it('that is not public answers nobody without a key, nor with one that is none', async () => {
    for (const route of routes.filter(({ access }) => access.kind !== 'public'))
      for (const bearer of [null, 'nobody', `mh_${'0'.repeat(16)}_${'A'.repeat(43)}`])
        expect([route.name, await ask(route, bearer)]).toEqual([
          route.name,
          { status: 401, code: 'unauthenticated' },
        ]);
  });

  it('refuses each role that it does not name, and lets in each that it does', async () => {
    const seen = { refused: 0, let: 0 };
    for (const route of routes)
      for (const [bearer, { role, tenantId }] of Object.entries(PRINCIPALS)) {
        if (route.access.kind === 'public') continue;
        const may = mayUse(route, role, tenantId);
        const { status, code } = await ask(route, bearer);
        const told = `${route.method} ${route.path} as ${bearer}: ${status} ${String(code)}`;
        if (may) expect(told).not.toMatch(/: (401|403) (unauthenticated|forbidden)$/);
        else expect(told).toMatch(/: 403 forbidden$/);
        seen[may ? 'let' : 'refused'] += 1;
      }
    // Both happen often, or the matrix would prove nothing.
    expect(seen.refused).toBeGreaterThan(100);
    expect(seen.let).toBeGreaterThan(100);
  });

  it('I9: that is about one tenant knows of none outside of the caller’s scope', async () => {
    // Without a body, so that nothing but the tenant can be wrong; `me` names nobody.
    const about = routes.filter(
      ({ access, path, method }) =>
        access.kind === 'tenant' && (method === 'GET' || method === 'DELETE') && !path.includes('/me/'),
    );
    expect(about.length).toBeGreaterThan(4);
    for (const route of about)
      for (const [bearer, { role, tenantId }] of Object.entries(PRINCIPALS)) {
        if (tenantId === null || !mayUse(route, role, tenantId)) continue;
        for (const other of ELSEWHERE)
          expect([route.name, bearer, other, await ask(route, bearer, other)]).toEqual([
            route.name,
            bearer,
            other,
            { status: 404, code: 'unknown_tenant' },
          ]);
        for (const reached of ['own', 'below'])
          expect((await ask(route, bearer, reached)).code).not.toBe('unknown_tenant');
      }
  });
});

function mayUse({ access }: Route, role: Role, tenantId: string | null): boolean {
  return access.roles.includes(role) && !(access.kind === 'platform' && tenantId !== null);
}
