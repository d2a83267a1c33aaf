/** The real API over stores of its own, in which every example of its document can be run. */
import { randomBytes, randomUUID } from 'node:crypto';
import { createGate } from '@meterhouse/gate';
import { freshDatabase, sharedStack } from '@meterhouse/dev-stack/testing';
import {
  createPool,
  migratePostgres,
  registryAt,
  registryChangesSince,
  type Pool,
} from '@meterhouse/postgres';
import { createApiKey, makeKey, KEY_ID_BYTES, SECRET_BYTES } from '@meterhouse/postgres/access';
import { reserve } from '@meterhouse/postgres/capacity';
import { keepDecisions } from '@meterhouse/postgres/decisions';
import { newTopic } from '@meterhouse/producer/testing';
import { PolicySet, recordDecision, SnapshotTable } from '@meterhouse/quota';
import { createLogger, Releases } from '@meterhouse/runtime';
import { Periods, UTC_CALENDAR } from '@meterhouse/usage/calendar';
import { SecretBox } from '@meterhouse/webhooks';
import { TenantTree } from '../../services/api/src/access/tenant-tree.ts';
import {
  DECISION_ID,
  DELIVERY_ID,
  KEY_ID,
  WEBHOOK_ID,
} from '../../services/api/src/documentation/operating-examples.ts';
import { DOCUMENTS_OF_EXAMPLES, RETIRED } from '../../services/api/src/documentation/registry-examples.ts';
import { createEventIntake } from '../../services/api/src/events/intake.ts';
import { openStores } from '../../services/api/src/stores.ts';
import { known, startTestApi, type TestApi } from '../../services/api/src/testing.ts';

export interface World {
  readonly api: TestApi;
  /** Ids that the API gives next, to what is made by the request with this correlation id. */
  nextIds: string[];
  /** Takes the registry as it stands into what the API decides by. */
  learn(): Promise<void>;
  close(): Promise<void>;
}

/** A caller of each kind, by bearer. */
const PRINCIPALS = {
  platform: { type: 'api_key', id: KEY_ID, role: 'platform_admin', tenantId: null },
  tenant: { type: 'api_key', id: KEY_ID, role: 'tenant_admin', tenantId: 'acme' },
} as const;

export async function exampleWorld(): Promise<World> {
  const releases = new Releases();
  const endpoints = await sharedStack();
  const url = await freshDatabase(endpoints);
  await migratePostgres(url);
  const owner = createPool({ url, applicationName: 'contract', max: 2 });
  releases.add('the owner', () => owner.end());
  const stores = openStores(url, releases);
  const { target } = await newTopic(endpoints);
  const intake = createEventIntake(target, createLogger('contract', 'silent'));
  releases.add('the intake', () => intake.close(5_000));
  const snapshots = { usage: new SnapshotTable(), policy: new PolicySet() };
  const world = { nextIds: [] as string[] };
  const api = await startTestApi({
    stores,
    intake,
    tree: new TenantTree(stores.lineage, { maxTenants: 100, maxAgeMs: 1 }),
    authenticate: known(PRINCIPALS),
    newId: () => world.nextIds.shift() ?? randomUUID(),
    gate: createGate({ snapshots }),
    usageSource: {
      ...{ scoped: stores.scoped, topic: 'usage_events', policy: snapshots.policy, now: Date.now },
      logEnds: () => Promise.resolve(new Map([[0, 0n]])),
    },
    webhooks: {
      ...{ scoped: stores.scoped, now: Date.now, randomBytes, maxPerTenant: 20, maxWaiting: 100 },
      secrets: new SecretBox([randomBytes(32).toString('base64')], randomBytes),
      target: {
        resolve: () => Promise.resolve([{ address: '93.184.216.34', family: 4 }]),
        ...{ resolveTimeoutMs: 1_000, allowedNetworks: [] },
      },
    },
  });
  releases.add('the API', () => api.close());
  await register(api);
  await fill(owner, url);
  await learn(owner, snapshots);
  return Object.assign(world, {
    api,
    learn: () => learn(owner, snapshots),
    close: () => releases.releaseAll(),
  });
}

async function register(api: TestApi): Promise<void> {
  const { tenant, metric, product, plan, ...others } = DOCUMENTS_OF_EXAMPLES;
  const retired = Object.entries({ product, plan, ...others })
    .filter(([kind]) => kind !== 'pool')
    .map(([kind, document]) => ({ kind, document: { ...document, id: RETIRED } }));
  const documents = [
    { kind: 'tenant', document: tenant },
    { kind: 'tenant', document: { ...tenant, id: 'acme-dev', parent: 'acme', plan: null } },
    { kind: 'metric', document: metric },
    ...Object.entries({ product, plan, ...others }).map(([kind, document]) => ({ kind, document })),
    ...retired,
  ];
  const body = JSON.stringify({ documents, reason: 'the world of the examples', privileged: true });
  const headers = { 'content-type': 'application/json' };
  const answer = await api.call('platform', '/v1/registry/apply', { method: 'POST', headers, body });
  if (!answer.ok) throw new Error(await answer.text());
}

async function fill(owner: Pool, url: string): Promise<void> {
  const { keyId: _, secretHash } = makeKey({
    keyId: randomBytes(KEY_ID_BYTES),
    secret: randomBytes(SECRET_BYTES),
  });
  await createApiKey(owner, {
    ...{ keyId: KEY_ID, secretHash, tenantId: 'acme', role: 'ingest', name: 'the gateway' },
    ...{ createdBy: 'ann', expiresAt: null },
  });
  await owner.query(
    `INSERT INTO meterhouse.quarantine (source, partition, "offset", received_at, reason, detail, tenant_id, metric, payload)
     SELECT 'usage_events', 0, n, now(), 'unknown_metric', 'there is no such metric', 'acme',
            (ARRAY['late', 'gone'])[n], '\\x6869' FROM generate_series(1, 2) AS n`,
  );
  const gate = createPool({ url, role: 'meterhouse_gate', applicationName: 'contract', max: 1 });
  await reserve(gate, {
    ...{ pool: 'gpu', tenantId: 'acme', units: 2n, key: 'job-17', ttlMs: 3_600_000 },
    ...{ by: 'scheduler', reason: 'a training run' },
  });
  await gate.end();
  await keepDenial(owner);
}

/** As the decision log keeps it. */
async function keepDenial(owner: Pool): Promise<void> {
  const { version } = await registryChangesSince(owner, 0n);
  const policy = new PolicySet();
  for (const document of await registryAt(owner, version)) policy.stage(document);
  policy.complete(version);
  const gate = createGate({ snapshots: { usage: new SnapshotTable(), policy } });
  const { request, facts } = await gate.factsOf({
    actor: { type: 'user', id: 'ann', roles: [], scopes: [] },
    ...{ tenantId: 'acme', product: 'ai', resourceType: 'model', action: 'call', correlationId: 'c-1' },
  });
  const { outcome, reason, ...record } = recordDecision(DECISION_ID, request, facts);
  const decision = {
    ...{ id: DECISION_ID, at: record.at, tenantId: 'acme', outcome, reason, correlationId: 'c-1' },
    ...{ actorType: 'user', actorId: 'ann', registryVersion: version },
    record: JSON.stringify({ outcome, reason, ...record }),
  };
  await keepDecisions(owner, 'quota_decisions', [decision], []);
}

/** What the snapshot publisher would say: the registry as it is, and a part used. */
async function learn(owner: Pool, snapshots: { usage: SnapshotTable; policy: PolicySet }): Promise<void> {
  const { version, documents } = await registryChangesSince(owner, 0n);
  for (const document of documents) snapshots.policy.stage(document);
  snapshots.policy.complete(version);
  const now = Date.now();
  let sequence = 0;
  const stamp = () => ({ epoch: 1, sequence: (sequence += 1), asOf: now, publishedAt: now });
  const { start: periodStart, end: periodEnd } = new Periods(UTC_CALENDAR).of('month', now);
  const used = { tenantId: 'acme', metric: 'tokens', period: 'month', used: '250' } as const;
  const live = performance.now();
  snapshots.usage.apply({ kind: 'registry', ...stamp(), version }, live);
  snapshots.usage.apply({ kind: 'usage', ...stamp(), ...used, periodStart, periodEnd }, live);
  snapshots.usage.apply({ kind: 'heartbeat', ...stamp() }, live);
  snapshots.usage.caughtUp();
}

/** The id that the thing is to have that a request makes, so that other examples can name it. */
export const MADE: Readonly<Record<string, string>> = { createWebhook: WEBHOOK_ID, pingWebhook: DELIVERY_ID };
