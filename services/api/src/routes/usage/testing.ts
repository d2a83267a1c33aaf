/** The API over a database of its own, filled by the real flush: acme with two tenants below, and a stranger. */
import { createPool, registryChangesSince, type LogEnds } from '@meterhouse/postgres';
import { SOURCE, usageBed, type UsageBed } from '@meterhouse/postgres/usage-testing';
import { PolicySet } from '@meterhouse/quota';
import type { Principal } from '../../access/roles.ts';
import { TenantTree } from '../../access/tenant-tree.ts';
import { storesOf } from '../../stores.ts';
import { known, startTestApi, type TestApi } from '../../testing.ts';

export interface UsageApi {
  readonly bed: UsageBed;
  readonly api: TestApi;
  /** What the route answered with 200; with a problem, the test fails. */
  get(path: string, bearer?: string): Promise<Answer>;
  /** The clock of the API, epoch ms. */
  now: number;
  ends: LogEnds | null;
  /** Takes the registry as it stands into the limits that the API knows. */
  learnPolicy(): Promise<void>;
}

/** As the wire has it; tests look at what they know. */
export interface Answer {
  readonly asOf: Readonly<Record<string, unknown>>;
  readonly rows: readonly (Readonly<Record<string, string>> & {
    readonly attrs: Readonly<Record<string, string>>;
  })[];
  readonly metrics: readonly {
    readonly metric: string;
    readonly periods: readonly Readonly<Record<string, unknown>>[];
    readonly limits: readonly Readonly<Record<string, unknown>>[];
  }[];
  readonly nextCursor: string | null;
}

const PRINCIPALS: Readonly<Record<string, Principal>> = {
  acme: { type: 'api_key', id: 'a', role: 'tenant_reader', tenantId: 'acme' },
  dev: { type: 'api_key', id: 'd', role: 'tenant_admin', tenantId: 'acme-dev' },
  ever: { type: 'api_key', id: 'e', role: 'tenant_reader', tenantId: 'acme-ever' },
  ingest: { type: 'api_key', id: 'i', role: 'ingest', tenantId: 'acme' },
  operator: { type: 'api_key', id: 'o', role: 'operator', tenantId: null },
};

const tenant = (id: string, parent: string | null, plan: string | null = null) => ({
  kind: 'tenant',
  body: { id, name: id, parent, class: null, plan, status: 'active' },
});
const metric = (name: string, aggregation: string, scale: number, groupBy: readonly string[] = []) => ({
  kind: 'metric',
  body: { name, unit: 'unit', aggregation, scale, family: 'compute', groupBy },
});
const limit = (of: string, period: string, value: string, mode: string) => ({
  metric: of,
  period,
  value,
  mode,
  warnAt: [],
});

const PLAN = {
  kind: 'plan',
  body: {
    id: 'team',
    name: 'Team',
    limits: [limit('tokens', 'month', '1000', 'hard'), limit('seats', 'day', '5', 'soft')],
  },
};

export async function usageApi(onEnd: (end: () => Promise<void>) => unknown): Promise<UsageApi> {
  const bed = await usageBed(onEnd);
  await bed.register([
    PLAN,
    { kind: 'plan', body: { id: 'whole', name: 'Whole', limits: [limit('tokens', 'day', '400', 'hard')] } },
    tenant('acme', null, 'whole'),
    tenant('acme-dev', 'acme', 'team'),
    tenant('acme-ops', 'acme'),
    tenant('canary', null),
    metric('tokens', 'sum', 2, ['region', 'model']),
    metric('seats', 'max', 0, ['region']),
    metric('calls', 'count', 0),
  ]);
  const open = (role: 'api' | 'reader' | 'operator') => {
    const pool = createPool({ url: bed.url, role: `meterhouse_${role}`, applicationName: role });
    onEnd(() => pool.end());
    return pool;
  };
  const stores = storesOf({ api: open('api'), reader: open('reader'), operator: open('operator') });
  const policy = new PolicySet();
  const world = {
    bed,
    now: Date.UTC(2026, 5, 15, 12),
    ends: new Map([[0, 0n]]) as LogEnds | null,
    learnPolicy: async () => {
      const { version, documents } = await registryChangesSince(bed.owner, 0n);
      for (const document of documents) policy.stage(document);
      policy.complete(version);
    },
  };
  const api = await startTestApi({
    authenticate: known(PRINCIPALS),
    tree: new TenantTree(stores.lineage),
    usageSource: {
      scoped: stores.scoped,
      topic: SOURCE,
      logEnds: () => Promise.resolve(world.ends),
      policy,
      now: () => world.now,
    },
  });
  onEnd(() => api.close());
  return Object.assign(world, {
    api,
    get: async (path: string, bearer = 'acme') => {
      const answer = await api.call(bearer, path);
      const text = await answer.text();
      if (answer.status !== 200) throw new Error(`${answer.status} ${text}`);
      return JSON.parse(text) as Answer;
    },
  });
}
