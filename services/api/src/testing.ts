/** The API on a free port, for the tests of its routes. */
import { createGate } from '@meterhouse/gate';
import { createRateLimiter, MemoryStore } from '@meterhouse/rate-limit';
import { PolicySet, SnapshotTable } from '@meterhouse/quota';
import { createLogger, Releases } from '@meterhouse/runtime';
import { Metrics } from '@meterhouse/runtime/metrics';
import { Health } from '@meterhouse/runtime/service';
import { randomBytes, randomUUID } from 'node:crypto';
import { createApi, type ApiParts } from './api.ts';
import type { Principal } from './access/roles.ts';
import type { UsageSource } from './routes/usage/index.ts';
import type { WebhookParts } from './routes/webhooks/index.ts';
import { TenantTree } from './access/tenant-tree.ts';
import { createEventIntake } from './events/intake.ts';
import { openStores, type Stores } from './stores.ts';

export interface TestApi {
  readonly url: string;
  /** `fetch` with a bearer; without one where null. */
  call(bearer: string | null, path: string, init?: RequestInit): Promise<Response>;
  close(): Promise<void>;
}

/** @param lineages from each tenant up to its root, where no database is asked */
export function treeOf(lineages: Readonly<Record<string, readonly string[]>>): TenantTree {
  // A map: a tenant may be called `constructor`.
  const known = new Map(Object.entries(lineages));
  return new TenantTree((tenantId) => Promise.resolve(known.get(tenantId) ?? []));
}

/** Who is known by which bearer, where the test is not about keys. */
export function known(
  principals: Readonly<Record<string, Principal>>,
): (bearer: string) => Promise<Principal | null> {
  return (bearer) => Promise.resolve(principals[bearer] ?? null);
}

/** Where a test reads no usage. */
const NO_USAGE: UsageSource = {
  scoped: () => Promise.reject(new Error('this test reads no usage')),
  topic: 'usage_events',
  logEnds: () => Promise.resolve(null),
  policy: new PolicySet(),
  now: Date.now,
};

/** Where a test has no webhooks. */
const NO_WEBHOOKS: WebhookParts['webhooks'] = {
  scoped: () => Promise.reject(new Error('this test has no webhooks')),
  secrets: null,
  randomBytes,
  now: Date.now,
  target: { resolve: () => Promise.resolve([]), resolveTimeoutMs: 1, allowedNetworks: [] },
  maxPerTenant: 0,
  maxWaiting: 0,
};

/** Decides by nothing: it knows no tenant. */
const NO_SNAPSHOTS = { usage: new SnapshotTable(), policy: new PolicySet() };

/** Where a test asks no store: nobody listens there. */
const noStores = (): Stores => openStores('postgresql://127.0.0.1:9/none', new Releases());

type Optional =
  | ('logger' | 'metrics' | 'health' | 'newId' | 'now' | 'randomBytes' | 'tls' | 'keyLimits')
  | ('intake' | 'usageSource' | 'gate' | 'keepDecision' | 'decided' | 'stores' | 'webhooks');

/** Parts that most tests do not care about; what they care about they give. */
export async function startTestApi(parts: Omit<ApiParts, Optional> & Partial<ApiParts>): Promise<TestApi> {
  const logger = createLogger('api-test', 'silent');
  const app = await createApi({
    logger,
    newId: randomUUID,
    tls: null,
    keyLimits: {
      limiter: createRateLimiter({ store: new MemoryStore({ maxKeys: 1_000 }) }),
      rule: {
        id: 'api',
        algorithm: 'token_bucket',
        limit: 1_000_000,
        periodMs: 1_000,
        burst: 1_000_000,
        whenUnavailable: 'local',
        localSharePpm: 1_000_000,
      },
    },
    metrics: new Metrics(),
    health: new Health(),
    // It connects when the first event comes.
    intake: createEventIntake({ brokers: ['127.0.0.1:9'], schemaRegistryUrl: 'http://127.0.0.1:9' }, logger),
    usageSource: NO_USAGE,
    now: Date.now,
    randomBytes,
    gate: createGate({ snapshots: NO_SNAPSHOTS }),
    keepDecision: () => undefined,
    decided: () => undefined,
    stores: noStores(),
    webhooks: NO_WEBHOOKS,
    ...parts,
  });
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  return {
    url,
    call: (bearer, path, init = {}) => {
      const headers = new Headers(init.headers);
      if (bearer !== null) headers.set('authorization', `Bearer ${bearer}`);
      return fetch(`${url}${path}`, { ...init, headers });
    },
    close: () => app.close(),
  };
}
