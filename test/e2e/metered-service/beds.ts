/**
 * A bed for each adapter: the configuration that a platform would write, and how to find out what was
 * counted, by other means than the meter's. Whoever adds an adapter adds a bed; the test stays as it is.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createPool } from '@meterhouse/postgres';
import { sharedStack } from '@meterhouse/dev-stack/testing';
import type { MeterConfiguration } from '@meterhouse/producer';
import { onTestFinished } from 'vitest';
import { gateBed } from '../../../packages/gate/src/gate-bed.testing.ts';
import { testBed } from '../../../services/aggregator/src/testing.ts';
import { TenantTree } from '../../../services/api/src/access/tenant-tree.ts';
import { storesOf } from '../../../services/api/src/stores.ts';
import { known, startTestApi } from '../../../services/api/src/testing.ts';
import { PolicySet } from '@meterhouse/quota';

export interface Bed {
  readonly configuration: Omit<MeterConfiguration, 'source'>;
  /** What the adapter can, asserted by the same test. */
  readonly can: {
    readonly count: boolean;
    readonly readUsage: 'exact' | 'zero' | 'refuses';
    readonly check: 'decides' | 'allows';
  };
  /** Resolves once all that was acknowledged is where it is to be. */
  readonly settled: () => Promise<void>;
  /** Exact sum by tenant and metric, as the platform has it. */
  readonly counted: () => Promise<Readonly<Record<string, string>>>;
}

/** @param folder of the test's own */
export type MakeBed = (folder: string) => Promise<Bed>;

const NOTHING = () => Promise.resolve();

const noop: MakeBed = () =>
  Promise.resolve({
    configuration: { adapter: 'noop' },
    can: { count: false, readUsage: 'zero', check: 'allows' },
    settled: NOTHING,
    counted: () => Promise.resolve({}),
  });

const log: MakeBed = (folder) => {
  const file = join(folder, 'usage.log');
  return Promise.resolve({
    configuration: { adapter: 'log', log: { file } },
    can: { count: false, readUsage: 'refuses', check: 'allows' },
    settled: NOTHING,
    // Not counted by anybody; the lines themselves are what there is.
    counted: async () => sums(await readFile(file, 'utf8')),
  });
};

const entitlements = [{ product: 'summaries', resourceType: '*', action: '*' }];

/** The product that the example is, and a tenant t3 whose quota is used up. */
const REGISTRY = {
  metric: [{ name: 'tokens', unit: 'token', aggregation: 'sum', scale: 9, family: 'token_request' }],
  product: [
    {
      id: 'summaries',
      name: 'Summaries',
      dimensions: [{ metric: 'tokens', unit: 'token' }],
      actions: [{ resourceType: 'summary', action: 'create', launchSensitive: false }],
    },
  ],
  plan: [
    {
      id: 'whole',
      name: 'Whole',
      limits: limitOf('1000'),
      entitlements,
    },
    { id: 'tiny', name: 'Tiny', limits: limitOf('5'), entitlements },
  ],
  tenant: [
    { id: 't1', name: 'T1', parent: null, class: null, plan: 'whole', status: 'active' },
    { id: 't2', name: 'T2', parent: 't1', class: null, plan: null, status: 'active' },
    { id: 't3', name: 'T3', parent: 't1', class: null, plan: 'tiny', status: 'active' },
  ],
  access_rule: [{ id: 'members', effect: 'allow', actors: { roles: ['member'] } }],
} as const;

function limitOf(value: string) {
  return [{ metric: 'tokens', period: 'month', value }];
}

/** The whole pipeline: broker, aggregator, Postgres, and the API for questions. */
const kafka: MakeBed = async () => {
  const endpoints = await sharedStack();
  const bed = await testBed();
  await bed.start();
  const open = (role: 'api' | 'reader' | 'operator') => {
    const pool = createPool({
      url: bed.databaseUrl,
      role: `meterhouse_${role}`,
      applicationName: role,
      max: 2,
    });
    onTestFinished(() => pool.end());
    return pool;
  };
  const stores = storesOf({ api: open('api'), reader: open('reader'), operator: open('operator') });
  const { gate } = gateBed(REGISTRY, { 't1/tokens': '5', 't2/tokens': '0', 't3/tokens': '5' });
  const api = await startTestApi({
    gate,
    authenticate: known({ key: { type: 'api_key', id: 'k', role: 'operator', tenantId: null } }),
    tree: new TenantTree(stores.lineage),
    usageSource: {
      scoped: stores.scoped,
      topic: bed.topic,
      logEnds: () => Promise.resolve(null),
      policy: new PolicySet(),
      now: Date.now,
    },
  });
  onTestFinished(() => api.close());
  return {
    configuration: {
      adapter: 'kafka',
      kafka: { brokers: [endpoints.kafka], schemaRegistryUrl: endpoints.schemaRegistry, topic: bed.topic },
      api: { url: api.url, key: 'key' },
      usage: { from: 'api', maxAgeMs: 1 },
      check: { from: 'api' },
    },
    can: { count: true, readUsage: 'exact', check: 'decides' },
    settled: () => bed.counted(),
    counted: async () => {
      const { rows } = await bed.pool.query<{ name: string; sum: string }>(
        `SELECT tenant_id || ' ' || metric AS name, trim_scale(sum(sum))::text AS sum
           FROM meterhouse.usage_hourly GROUP BY 1`,
      );
      return Object.fromEntries(rows.map(({ name, sum }) => [name, sum]));
    },
  };
};

export const BEDS: Readonly<Record<string, MakeBed>> = { noop, log, kafka };

function sums(lines: string): Record<string, string> {
  const all = new Map<string, Map<string, number>>();
  for (const line of lines.split('\n').filter((each) => each !== '')) {
    const { usageEvent } = JSON.parse(line) as {
      usageEvent: { id: string; tenantId: string; metric: string; value: string };
    };
    const name = `${usageEvent.tenantId} ${usageEvent.metric}`;
    const ids = all.get(name) ?? new Map<string, number>();
    all.set(name, ids.set(usageEvent.id, Number(usageEvent.value)));
  }
  return Object.fromEntries(
    [...all].map(([name, ids]) => [name, String([...ids.values()].reduce((sum, each) => sum + each, 0))]),
  );
}
