/** The API over a database of its own, with a small tree of tenants and a key of each kind. */
import { freshDatabase, sharedStack } from '@meterhouse/dev-stack/testing';
import { migratePostgres } from '@meterhouse/postgres';
import { listAudit, type AuditRow } from '@meterhouse/postgres/access';
import { Releases } from '@meterhouse/runtime';
import { expect } from 'vitest';
import type { z } from 'zod';
import type { Principal } from '../access/roles.ts';
import { TenantTree } from '../access/tenant-tree.ts';
import { problemSchema } from '../http/problem.ts';
import { openStores, type Stores } from '../stores.ts';
import { known, startTestApi } from '../testing.ts';
import { changeAnswer } from './registry/schemas.ts';

const tenant = (id: string, parent: string | null, plan: string | null) => ({
  kind: 'tenant',
  document: { id, name: id, parent, class: null, plan, status: 'active' },
});
const limits = [{ metric: 'tokens', period: 'month', value: '100' }];
const METRIC = {
  name: 'tokens',
  unit: 'token',
  aggregation: 'sum',
  scale: 0,
  family: 'token_request',
  groupBy: [],
};
const PRODUCT = {
  id: 'ai',
  name: 'AI',
  dimensions: [{ metric: 'tokens', unit: 'token' }],
  actions: [{ resourceType: 'model', action: 'call', launchSensitive: false }],
};
/** `acme` above `acme-dev`, and `lumen` beside them. */
const WORLD = [
  tenant('acme', null, 'small'),
  tenant('acme-dev', 'acme', null),
  tenant('lumen', null, 'small'),
  { kind: 'metric', document: METRIC },
  { kind: 'product', document: PRODUCT },
  { kind: 'plan', document: { id: 'small', name: 'Small', limits } },
  { kind: 'pool', document: { id: 'gpu', unit: 'gpu', size: 8 } },
];

const key = (id: string, role: Principal['role'], tenantId: string | null): Principal => ({
  type: 'api_key',
  id,
  role,
  tenantId,
});
/** By their bearers. */
const PRINCIPALS = {
  admin: key('a', 'platform_admin', null),
  operator: key('o', 'operator', null),
  acme: key('t', 'tenant_admin', 'acme'),
  lumen: key('l', 'tenant_admin', 'lumen'),
  reader: key('r', 'tenant_reader', 'acme'),
};
export type Bearer = keyof typeof PRINCIPALS;

interface Refused {
  readonly status: number;
  readonly code: string;
  readonly fields: readonly string[];
}

export interface ManagementBed {
  readonly url: string;
  readonly stores: Stores;
  send(bearer: Bearer, method: string, path: string, body?: unknown): Promise<Response>;
  /** What a request that is done answers with. */
  done<S extends z.ZodType>(
    schema: S,
    bearer: Bearer,
    method: string,
    path: string,
    body?: unknown,
  ): Promise<z.output<S>>;
  refused(bearer: Bearer, method: string, path: string, body?: unknown): Promise<Refused>;
  /** The newest first. */
  audit(): Promise<readonly AuditRow[]>;
  close(): Promise<void>;
}

export async function managementBed(): Promise<ManagementBed> {
  const releases = new Releases();
  const url = await freshDatabase(await sharedStack());
  await migratePostgres(url);
  const stores = openStores(url, releases);
  const api = await startTestApi({
    stores,
    tree: new TenantTree(stores.lineage, { maxTenants: 100, maxAgeMs: 1 }),
    authenticate: known(PRINCIPALS),
  });
  releases.add('the API', () => api.close());
  const send: ManagementBed['send'] = (bearer, method, path, body) =>
    api.call(bearer, path, {
      method,
      ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' } }),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  const bed: ManagementBed = {
    url,
    stores,
    send,
    done: async (schema, ...request) => {
      const response = await send(...request);
      const answer: unknown = await response.json();
      expect([response.ok, response.ok ? null : answer]).toEqual([true, null]);
      return schema.parse(answer);
    },
    refused: async (...request) => {
      const response = await send(...request);
      const { code, errors = [] } = problemSchema.parse(await response.json());
      return { status: response.status, code, fields: errors.map(({ field }) => field) };
    },
    audit: () => {
      const all = { tenantId: null, action: null, actorId: null, since: null, beforeSeq: null, limit: 100 };
      return stores.reading((db) => listAudit(db, all));
    },
    close: () => releases.releaseAll(),
  };
  const world = { documents: WORLD, reason: 'the world' };
  await bed.done(changeAnswer, 'admin', 'POST', '/v1/registry/apply', world);
  return bed;
}
