/** One system of its own on the shared stack (database, topic, mirror), and the command to be tried on it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Admin, Producer } from 'kafkajs';
import { pino } from 'pino';
import { afterAll } from 'vitest';
import { bareEnvironment } from '@meterhouse/dev-stack';
import { freshClickHouseDatabase, freshDatabase, sharedStack } from '@meterhouse/dev-stack/testing';
import {
  createEventEncoder,
  createKafka,
  createRegistry,
  ensureTopics,
  registerEventSchema,
} from '@meterhouse/kafka';
import { createPool, type Pool } from '@meterhouse/postgres';
import { Releases, waitFor } from '@meterhouse/runtime';
import type { UsageEvent } from '@meterhouse/usage';
import { anEvent as usageEvent } from '@meterhouse/usage/testing';
import { runMeterhouse } from './run.ts';

/** What one call of the command did. */
export interface Answer {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandBed {
  readonly env: Readonly<Record<string, string>>;
  readonly topic: string;
  /** With the rights of the owner. */
  readonly pool: Pool;
  readonly admin: Admin;
  /** Calls the command in this process. */
  run(...args: string[]): Promise<Answer>;
  /** The parsed result of a call with --json; throws unless it ends with the exit code, 0 by default. */
  json(args: readonly string[], exitCode?: number): Promise<unknown>;
  /** A file in a folder that goes when the tests are done. */
  file(name: string, content: string | Buffer): Promise<string>;
  /** Sends messages as they are. */
  send(values: readonly (Buffer | null)[], partition?: number): Promise<void>;
  readonly encode: (event: UsageEvent) => Buffer;
  /** Starts a real aggregator in a process of its own. */
  startAggregator(): Promise<void>;
  /** Starts another of the services in a process of its own, with these variables besides. */
  startService(name: string, more: Readonly<Record<string, string>>): void;
  /** Starts the real API, and the snapshots that it decides by, in processes of their own. @returns its URL */
  startApi(): Promise<string>;
  /** Calls the command with these variables instead. */
  runWith(env: Readonly<Record<string, string>>, ...args: string[]): Promise<Answer>;
}

const REPOSITORY = new URL('../../../', import.meta.url);
const DEADLINE_MS = 60_000;

/**
 * For use at the head of a test file; everything is closed after its last test.
 * @param more variables for all that is started
 */
export async function commandBed(more: Readonly<Record<string, string>> = {}): Promise<CommandBed> {
  const releases = new Releases();
  afterAll(() => releases.releaseAll());
  const endpoints = await sharedStack();
  const name = randomBytes(6).toString('hex');
  const topic = `usage_events_${name}`;
  const snapshots = `usage_snapshots_${name}`;
  const databaseUrl = await freshDatabase(endpoints);
  const env = {
    KAFKA_BROKERS: endpoints.kafka,
    SCHEMA_REGISTRY_URL: endpoints.schemaRegistry,
    DATABASE_URL: databaseUrl,
    CLICKHOUSE_URL: endpoints.clickhouse,
    CLICKHOUSE_DATABASE: await freshClickHouseDatabase(endpoints),
    USAGE_EVENTS_TOPIC: topic,
    USAGE_SNAPSHOTS_TOPIC: snapshots,
    QUOTA_DECISIONS_TOPIC: `quota_decisions_${name}`,
    ...more,
  };
  const folder = await mkdtemp(join(tmpdir(), 'meterhouse-command-'));
  releases.add('the folder', () => rm(folder, { recursive: true, force: true }));
  const { admin, producer } = await connectKafka(endpoints.kafka, { topic, snapshots }, releases);
  const schemas = createRegistry(endpoints.schemaRegistry);
  const schemaId = await registerEventSchema(schemas, topic, AbortSignal.timeout(DEADLINE_MS));
  const pool = createPool({ url: databaseUrl, applicationName: 'test', max: 2 });
  releases.add('Postgres', () => pool.end());
  const run = (...args: string[]): Promise<Answer> => inProcess(args, env);
  const bed: CommandBed = {
    env,
    topic,
    pool,
    admin,
    run,
    json: async (args, exitCode = 0) => {
      const answer = await run(...args, '--json');
      if (answer.exitCode !== exitCode)
        throw new Error(`exit code ${answer.exitCode}\n${answer.stdout}\n${answer.stderr}`);
      return JSON.parse(answer.stdout) as unknown;
    },
    file: async (fileName, content) => {
      const path = join(folder, fileName);
      await writeFile(path, content);
      return path;
    },
    send: async (values, partition = 0) => {
      await producer.send({ topic, messages: values.map((value) => ({ partition, value })) });
    },
    encode: createEventEncoder(schemaId),
    startAggregator: () =>
      startAggregator({ ...env, CONSUMER_GROUP: `group_${name}` }, pool, topic, releases),
    startService: (service, variables) => void startService(service, { ...env, ...variables }, releases),
    startApi: () => startApi(env, releases),
    runWith: (given, ...args) => inProcess(args, given),
  };
  await bed.json(['migrate']);
  return bed;
}

async function connectKafka(
  broker: string,
  topics: { topic: string; snapshots: string },
  releases: Releases,
): Promise<{ admin: Admin; producer: Producer }> {
  const kafka = createKafka({ brokers: [broker], clientId: 'test', logger: pino({ level: 'silent' }) });
  await ensureTopics(kafka, {
    usageEvents: { topic: topics.topic, partitions: 2 },
    usageSnapshots: { topic: topics.snapshots },
  });
  const admin = kafka.admin();
  await admin.connect();
  releases.add('the admin', () => admin.disconnect());
  const producer = kafka.producer({ allowAutoTopicCreation: false });
  await producer.connect();
  releases.add('the producer', () => producer.disconnect());
  return { admin, producer };
}

/** Calls the command in this process. */
export async function inProcess(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Answer> {
  const written = { stdout: '', stderr: '' };
  const sink = (name: 'stdout' | 'stderr') => ({
    write: (text: string) => {
      written[name] += text;
    },
  });
  const exitCode = await runMeterhouse(args, {
    stdout: sink('stdout'),
    stderr: sink('stderr'),
    env,
    now: Date.now,
    signal: AbortSignal.timeout(DEADLINE_MS),
  });
  return { exitCode, ...written };
}

/** Resolves once every partition has been taken over. */
async function startAggregator(
  env: Readonly<Record<string, string>>,
  pool: Pool,
  topic: string,
  releases: Releases,
): Promise<void> {
  const child = startService('aggregator', env, releases);
  await waitFor(
    'the aggregator to take over its partitions',
    async () => {
      if (child.exitCode !== null) throw new Error(`the aggregator ended with code ${child.exitCode}`);
      const rows = await pool.query(
        'SELECT FROM meterhouse.progress WHERE source = $1 AND processed_through IS NOT NULL',
        [topic],
      );
      return rows.rowCount === 2 ? true : undefined;
    },
    { deadlineMs: 2 * DEADLINE_MS, everyMs: 200 },
  );
}

function startService(name: string, env: Readonly<Record<string, string>>, releases: Releases): ChildProcess {
  const main = fileURLToPath(new URL(`services/${name}/src/main.ts`, REPOSITORY));
  const child = spawn(process.execPath, [main], {
    env: { ...bareEnvironment(), LOG_LEVEL: 'warn', ...env },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  releases.add(name, async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGTERM');
    await gone;
  });
  return child;
}

/** Resolves once it serves, and knows the usage that it decides by. */
async function startApi(env: Readonly<Record<string, string>>, releases: Releases): Promise<string> {
  startService('quota-snapshot', { ...env, METRICS_PORT: '0' }, releases);
  const port = await freePort();
  const child = startService(
    'api',
    { ...env, API_PORT: `${port}`, METRICS_PORT: '0', API_KEY_REQUESTS_PER_SECOND: '10000' },
    releases,
  );
  const url = `http://127.0.0.1:${port}`;
  await waitFor(
    'the API to be ready',
    async () => {
      if (child.exitCode !== null) throw new Error(`the API ended with code ${child.exitCode}`);
      const ready = await fetch(`${url}/readyz`).then(
        (response) => response.text(),
        // It does not listen yet.
        () => '',
      );
      return ready.startsWith('{') && !/"snapshots"[^}]*"(?:they|nothing)/.test(ready) ? ready : undefined;
    },
    { deadlineMs: 2 * DEADLINE_MS, everyMs: 200 },
  );
  return url;
}

/** Where nobody listens, for the moment. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Calls the command as a shell would. */
export async function spawnMeterhouse(
  args: readonly string[],
  options: { env?: Readonly<Record<string, string>>; cwd?: string } = {},
): Promise<Answer> {
  const entry = fileURLToPath(new URL('./meterhouse.mjs', import.meta.url));
  const child = spawn(process.execPath, [entry, ...args], {
    env: { ...bareEnvironment(), ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  const written = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (written.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (written.stderr += text));
  const [exitCode] = (await once(child, 'close')) as [number | null];
  return { exitCode: exitCode ?? -1, ...written };
}

/** An event of acme's tokens, now, with an id of its own. */
export function anEvent(fields: Partial<UsageEvent> = {}): UsageEvent {
  return usageEvent({ tenantId: 'acme', metric: 'tokens' }, fields);
}

export const REGISTRY = `
tenants:
  - { id: acme-search, name: Search, parent: acme }
  - { id: acme, name: Acme }
metrics:
  - { name: tokens, unit: token, aggregation: sum, scale: 9, family: token_request, groupBy: [model] }
  - { name: seats, unit: seat, aggregation: latest, scale: 0, family: compute }
`;
