/** One random world on the real stack: tenants with marked things, keys of every role, and the API over it. */
import { randomBytes } from 'node:crypto';
import type { Endpoints } from '@meterhouse/dev-stack';
import { createGate } from '@meterhouse/gate';
import { createPool, migratePostgres, registryChangesSince, type Pool } from '@meterhouse/postgres';
import {
  createApiKey,
  KEY_ID_BYTES,
  makeKey,
  revokeApiKey,
  scopeProblem,
  SECRET_BYTES,
} from '@meterhouse/postgres/access';
import { PolicySet, SnapshotTable } from '@meterhouse/quota';
import { createLogger, type Releases } from '@meterhouse/runtime';
import { Periods, UTC_CALENDAR } from '@meterhouse/usage/calendar';
import { SecretBox } from '@meterhouse/webhooks';
import { ROLES, type Role } from '@meterhouse/api';
import { pino } from 'pino';
import { createAuthenticator } from '../../services/api/src/access/authenticator.ts';
import { KeyRing } from '../../services/api/src/access/keys.ts';
import { TenantTree } from '../../services/api/src/access/tenant-tree.ts';
import { createEventIntake, type EventIntake } from '../../services/api/src/events/intake.ts';
import { openStores, type Stores } from '../../services/api/src/stores.ts';
import { startTestApi, type TestApi } from '../../services/api/src/testing.ts';
import { createDatabase } from '../load/system.ts';
import type { Random } from '../faults/random.ts';
import { operationsOf, type Operations } from '../requests/operations.ts';
import { takeRowSecurityOut, watchChanges } from './changes.ts';
import { randomForest, type Forest, type Tenant } from './forest.ts';
import { usageMark } from './marks.ts';
import { METRIC, writeThings, type Things } from './things.ts';

/** Which of the two checks are there. */
export interface Checks {
  readonly api: boolean;
  readonly rows: boolean;
}

/** Who asks: a tenant's key of some role, the platform's, or nobody. */
export interface Asker {
  readonly bearer: string | null;
  /** Null: one whose key is revoked, or who has none. */
  readonly role: Role | null;
  /** Null: the platform, or nobody. */
  readonly tenant: Tenant | null;
}

export interface World {
  readonly forest: Forest;
  readonly things: ReadonlyMap<number, Things>;
  /** Of ids that the system gave, whose they are. */
  readonly givenIds: ReadonlyMap<string, number>;
  readonly askers: readonly Asker[];
  readonly operations: Operations;
  readonly api: TestApi;
  readonly owner: Pool;
  /** Tenants of the events that were handed to the broker since the last call. */
  takeRecorded(): readonly string[];
  /** SQLSTATEs of what failed inside since the last call. */
  takeErrors(): readonly string[];
}

const TENANTS = { least: 12, most: 30 };

export async function openWorld(
  endpoints: Endpoints & { readonly topic: string },
  random: Random,
  checks: Checks,
  releases: Releases,
): Promise<World> {
  const url = await createDatabase(endpoints.postgres, `leaks_${randomBytes(6).toString('hex')}`);
  await migratePostgres(url);
  const owner = createPool({ url, applicationName: 'leaks', max: 2 });
  releases.add('the owner', () => owner.end());
  const forest = randomForest(random, random.between(TENANTS.least, TENANTS.most));
  const things = await writeThings(owner, forest);
  const { askers, keyIds } = await makeAskers(owner, forest);
  if (!checks.rows) await takeRowSecurityOut(owner);
  await watchChanges(owner);
  const stores = openStores(url, releases);
  const recorded: string[] = [];
  const intake = watchedIntake(endpoints, recorded);
  releases.add('the way to the broker', () => intake.close(5_000));
  const errors: string[] = [];
  const logger = pino({ level: 'error' }, { write: (line) => void errors.push(...codesIn(line)) });
  const api = await startTestApi({
    ...(await apiParts({ stores, owner, forest, checks, intake })),
    logger,
  });
  releases.add('the API', () => api.close());
  const document: unknown = await (await api.call(null, '/openapi.json')).json();
  const given = [...things].flatMap(([number, { byCollection }]) =>
    ['webhooks', 'deliveries', 'decisions', 'keys'].flatMap((of) =>
      (byCollection[of] ?? []).map((id) => [id, number] as const),
    ),
  );
  return {
    ...{ forest, things, askers, api, owner },
    givenIds: new Map([...given, ...keyIds]),
    operations: operationsOf(document),
    takeRecorded: () => recorded.splice(0),
    takeErrors: () => errors.splice(0),
  };
}

/** Of what was answered as our fault; that a store did not answer in time is none. */
function codesIn(line: string): string[] {
  if (!line.includes('"code":"internal"')) return [];
  return [/"code":"([0-9A-Z]{5})"/.exec(line)?.[1] ?? line];
}

async function apiParts({
  stores,
  owner,
  forest,
  checks,
  intake,
}: {
  readonly stores: Stores;
  readonly owner: Pool;
  readonly forest: Forest;
  readonly checks: Checks;
  readonly intake: EventIntake;
}): Promise<Parameters<typeof startTestApi>[0]> {
  const logger = createLogger('leaks', 'silent');
  const { policy, usage } = await decidingFacts(owner, forest);
  const everywhere = forest.map(({ id }) => id);
  return {
    ...{ stores, intake },
    // Taken out: whoever asks, every tenant lies in every other.
    tree: checks.api ? new TenantTree(stores.lineage) : new TenantTree(() => Promise.resolve(everywhere)),
    authenticate: createAuthenticator(
      new KeyRing({ store: stores.keys, logger, now: Date.now }),
      null,
      Date.now,
    ),
    usageSource: {
      ...{ scoped: stores.scoped, policy, topic: 'usage_events', now: Date.now },
      logEnds: () => Promise.resolve(null),
    },
    gate: createGate({ snapshots: { usage, policy } }),
    webhooks: {
      scoped: stores.scoped,
      secrets: new SecretBox([randomBytes(32).toString('base64')], randomBytes),
      ...{ randomBytes, now: Date.now, maxPerTenant: 1_000, maxWaiting: 10_000 },
      target: {
        resolve: () => Promise.resolve([{ address: '93.184.216.34', family: 4 }]),
        ...{ resolveTimeoutMs: 1_000, allowedNetworks: [] },
      },
    },
  };
}

/** Usage as the snapshots would tell it: what a tenant and all below it used. */
async function decidingFacts(
  owner: Pool,
  forest: Forest,
): Promise<{ policy: PolicySet; usage: SnapshotTable }> {
  const policy = new PolicySet();
  const { version, documents } = await registryChangesSince(owner, 0n);
  for (const document of documents) policy.stage(document);
  policy.complete(version);
  const usage = new SnapshotTable();
  const now = Date.now();
  const { start, end } = new Periods(UTC_CALENDAR).of('month', now);
  let sequence = 0;
  const stamp = () => ({ epoch: 1, sequence: ++sequence, asOf: now, publishedAt: now });
  for (const tenant of forest) {
    const below = forest.filter(({ lineage }) => lineage.includes(tenant.number));
    const used = below.reduce((sum, { number }) => sum + BigInt(usageMark(number)), 0n).toString();
    usage.apply(
      {
        ...{ kind: 'usage', ...stamp(), tenantId: tenant.id, metric: METRIC, used },
        ...{ period: 'month', periodStart: start, periodEnd: end },
      },
      performance.now(),
    );
  }
  usage.apply({ kind: 'heartbeat', ...stamp() }, performance.now());
  return { policy, usage };
}

/** A key of each role for each tenant and for the platform, one that is revoked, and none. */
async function makeAskers(
  owner: Pool,
  forest: Forest,
): Promise<{ askers: Asker[]; keyIds: (readonly [string, number])[] }> {
  const askers: Asker[] = [{ bearer: null, role: null, tenant: null }];
  const keyIds: (readonly [string, number])[] = [];
  const make = async (role: Role, tenant: Tenant | null): Promise<{ keyId: string; text: string }> => {
    const key = makeKey({ keyId: randomBytes(KEY_ID_BYTES), secret: randomBytes(SECRET_BYTES) });
    const { keyId, secretHash, text } = key;
    const of = { tenantId: tenant?.id ?? null, role, name: 'asks', expiresAt: null, createdBy: 'leaks' };
    await createApiKey(owner, { keyId, secretHash, ...of });
    if (tenant !== null) keyIds.push([keyId, tenant.number]);
    return { keyId, text };
  };
  for (const tenant of [null, ...forest])
    for (const role of ROLES) {
      if (scopeProblem(role, tenant?.id ?? null) !== null) continue;
      askers.push({ bearer: (await make(role, tenant)).text, role, tenant });
    }
  const revoked = await make('tenant_admin', forest[0] ?? null);
  await revokeApiKey(owner, revoked.keyId, 'leaks');
  askers.push({ bearer: revoked.text, role: null, tenant: null });
  return { askers, keyIds };
}

/** The real one; who is billed by what is handed to it is noted. */
function watchedIntake(
  { kafka, schemaRegistry, topic }: Endpoints & { readonly topic: string },
  recorded: string[],
): EventIntake {
  const target = { brokers: [kafka], schemaRegistryUrl: schemaRegistry, topic };
  const limits = { bufferEvents: 50_000, deliveryMs: 60_000, attemptMs: 20_000 };
  const intake = createEventIntake(target, createLogger('leaks', 'silent'), limits);
  const { meter } = intake;
  return {
    ...intake,
    meter: {
      ...meter,
      record: (event) => {
        if (event.tenantId !== undefined) recorded.push(event.tenantId);
        return meter.record(event);
      },
    },
  };
}
