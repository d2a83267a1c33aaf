/** What the load runs against: a topic and database of its own, a real aggregator, the API, an API key. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Endpoints } from '@meterhouse/dev-stack';
import { createKafka, ensureTopics } from '@meterhouse/kafka';
import { createPool, migratePostgres, type Pool } from '@meterhouse/postgres';
import { createApiKey, KEY_ID_BYTES, makeKey, SECRET_BYTES } from '@meterhouse/postgres/access';
import type { Releases } from '@meterhouse/runtime';
import { createLogger, waitFor } from '@meterhouse/runtime';
import { BENCH_REGISTRY } from '../bench/events.ts';
import { startChild, type GuardedChild } from '../faults/processes/guarded-child.ts';

const API = new URL('../../services/api/src/main.ts', import.meta.url);
const AGGREGATOR = new URL('../../services/aggregator/src/main.ts', import.meta.url);
const START_MS = 60_000;

export interface LoadSystem {
  readonly url: string;
  /** May send for every tenant. */
  readonly key: string;
  readonly topic: string;
  /** As the owner. */
  readonly pool: Pool;
  startAggregator(): void;
  /** Resolves when it answers. */
  readonly startApi: () => Promise<void>;
  /** Resolves when it is gone. */
  killApi(): Promise<void>;
}

export async function loadSystem(endpoints: Endpoints, releases: Releases): Promise<LoadSystem> {
  const name = `load_${randomBytes(6).toString('hex')}`;
  const database = await preparedDatabase(endpoints.postgres, name);
  await ensureTopics(
    createKafka({ brokers: [endpoints.kafka], clientId: 'load', logger: createLogger('load', 'error') }),
    { usageEvents: { topic: name, partitions: 4 }, usageSnapshots: { topic: `${name}_snapshots` } },
  );
  const pool = createPool({ url: database, applicationName: 'load', max: 2 });
  releases.add('Postgres', () => pool.end());
  const folder = await mkdtemp(join(tmpdir(), 'meterhouse-load-'));
  releases.add('the folder', () => rm(folder, { recursive: true, force: true }));
  const port = await freePort();
  const env = {
    KAFKA_BROKERS: endpoints.kafka,
    SCHEMA_REGISTRY_URL: endpoints.schemaRegistry,
    DATABASE_URL: database,
    CLICKHOUSE_URL: endpoints.clickhouse,
    CLICKHOUSE_DATABASE: name,
    USAGE_EVENTS_TOPIC: name,
    USAGE_SNAPSHOTS_TOPIC: `${name}_snapshots`,
    CONSUMER_GROUP: name,
    LOG_LEVEL: 'warn',
    API_PORT: String(port),
    // What the machine can do, not what one key may.
    API_KEY_REQUESTS_PER_SECOND: '1000000',
  };
  const start = (what: string, script: URL): GuardedChild<object, unknown> => {
    const child = startChild<object, unknown>(script, join(folder, `${what}.log`), env);
    releases.add(what, async () => {
      child.signal('SIGKILL');
      await child.ended;
    });
    return child;
  };
  const url = `http://127.0.0.1:${port}`;
  let api: GuardedChild<object, unknown> | null = null;
  return {
    url,
    key: await operatorKey(pool),
    topic: name,
    pool,
    startAggregator: () => void start('aggregator', AGGREGATOR),
    startApi: async () => {
      api = start('api', API);
      const isUp = async () => ((await fetch(`${url}/healthz`)).ok ? true : undefined);
      await waitFor('the API', isUp, { deadlineMs: START_MS, retryErrors: true });
    },
    killApi: async () => {
      api?.signal('SIGKILL');
      await api?.ended;
    },
  };
}

async function preparedDatabase(server: string, name: string): Promise<string> {
  const url = await createDatabase(server, name);
  await migratePostgres(url);
  const pool = createPool({ url, applicationName: 'load', max: 1 });
  await pool.query(BENCH_REGISTRY);
  await pool.end();
  return url;
}

/** @returns its URL; it is empty */
export async function createDatabase(server: string, name: string): Promise<string> {
  const admin = createPool({ url: server, applicationName: 'load', max: 1 });
  await admin.query(`CREATE DATABASE ${name}`);
  await admin.end();
  const url = new URL(server);
  url.pathname = `/${name}`;
  return url.href;
}

async function operatorKey(pool: Pool): Promise<string> {
  const key = makeKey({ keyId: randomBytes(KEY_ID_BYTES), secret: randomBytes(SECRET_BYTES) });
  await createApiKey(pool, {
    keyId: key.keyId,
    secretHash: key.secretHash,
    tenantId: null,
    role: 'operator',
    name: 'load',
    createdBy: 'load',
    expiresAt: null,
  });
  return key.text;
}

/** The same port after a restart, so that senders need no new address. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
