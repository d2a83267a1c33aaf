/** The whole pipeline, reached through its broker, through a spool, or through its API. */
import { join } from 'node:path';
import { createPool } from '@meterhouse/postgres';
import { sharedStack } from '@meterhouse/dev-stack/testing';
import type { MeterConfiguration } from '@meterhouse/producer';
import { PolicySet } from '@meterhouse/quota';
import { createLogger } from '@meterhouse/runtime';
import { onTestFinished } from 'vitest';
import { gateBed } from '../../../packages/gate/src/gate-bed.testing.ts';
import { testBed } from '../../../services/aggregator/src/testing.ts';
import { TenantTree } from '../../../services/api/src/access/tenant-tree.ts';
import { createEventIntake } from '../../../services/api/src/events/intake.ts';
import { storesOf } from '../../../services/api/src/stores.ts';
import { known, startTestApi } from '../../../services/api/src/testing.ts';
import type { Bed, MakeBed } from './bed.ts';
import { countedIn } from './counted-in.ts';
import { REGISTRY, USED_BY_T3 } from './registry.ts';

const KEY = 'key';

interface Pipeline extends Pick<Bed, 'can' | 'settled' | 'counted'> {
  readonly apiUrl: string;
  readonly kafka: NonNullable<MeterConfiguration['kafka']>;
}

/** Broker, aggregator, Postgres, and the API for events and questions. */
async function pipeline(): Promise<Pipeline> {
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
  const { gate } = gateBed(REGISTRY, {
    't1/tokens': USED_BY_T3,
    't2/tokens': '0',
    't3/tokens': USED_BY_T3,
  });
  const target = {
    brokers: [endpoints.kafka],
    schemaRegistryUrl: endpoints.schemaRegistry,
    topic: bed.topic,
  };
  const intake = createEventIntake(target, createLogger('api', 'silent'));
  onTestFinished(() => intake.close(10_000));
  const api = await startTestApi({
    ...{ gate, intake },
    authenticate: known({ [KEY]: { type: 'api_key', id: 'k', role: 'operator', tenantId: null } }),
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
    apiUrl: api.url,
    kafka: target,
    can: { count: true, readUsage: 'exact', check: 'decides' },
    settled: () => bed.counted(),
    counted: () => countedIn(bed.pool),
  };
}

function overKafka({ apiUrl, kafka: target, ...parts }: Pipeline): Bed {
  return {
    ...parts,
    configuration: {
      adapter: 'kafka',
      kafka: target,
      api: { url: apiUrl, key: KEY },
      usage: { from: 'api', maxAgeMs: 1 },
      check: { from: 'api' },
    },
  };
}

export const kafka: MakeBed = async () => overKafka(await pipeline());

/** Events go to the disk first. */
export const spool: MakeBed = async (folder) => {
  const { configuration, ...bed } = overKafka(await pipeline());
  return {
    ...bed,
    configuration: { ...configuration, delivery: 'spool', spool: { folder: join(folder, 'spool') } },
  };
};

/** The API takes the events and answers the questions; the service knows its address and a key. */
export const http: MakeBed = async () => {
  const { apiUrl, can, settled, counted } = await pipeline();
  return {
    ...{ can, settled, counted },
    configuration: {
      adapter: 'http',
      http: { url: apiUrl, key: KEY, format: 'meterhouse' },
      usage: { maxAgeMs: 1 },
    },
  };
};
