/**
 * Guarantees, on a real Kafka, registry, Postgres and ClickHouse with a real aggregator:
 * - a system that is well is healthy, with exit code 0; what is wrong is named, with exit code 1
 * - a store that refuses, or that neither answers nor refuses, costs its own line and no more than the
 *   deadline; all else is shown, and the command ends
 * - meterhouse_reader is all that the login role has to be; nothing is made: no topic, no subject, no database
 * - the services of a running stack's folder are asked for their health; one that is gone is told
 * - with --watch it looks again until it is stopped, and sees a store that came back
 */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, expect, test } from 'vitest';
import { waitFor } from '@meterhouse/runtime';
import { Metrics } from '@meterhouse/runtime/metrics';
import { Health, serveHealth } from '@meterhouse/runtime/service';
import { runMeterhouse } from '../run.ts';
import { anEvent, commandBed, REGISTRY, spawnMeterhouse } from '../testing.ts';

interface StatusJson {
  verdict: string;
  lines: { part: string; state: string; says: string; next: string | null }[];
  stores: Record<'kafka' | 'schemaRegistry' | 'postgres' | 'clickhouse', { answers: boolean }>;
  schemas: { postgres: { latest: string | null } | null; clickhouse: { latest: string | null } | null };
  services: { name: string; answers: boolean; running: boolean | null }[];
  lag: { eventsBehind: string | null; completeThrough: string | null } | null;
  leaders: { mirror: boolean; snapshots: boolean } | null;
  auditHead: { seq: string } | null;
}

const bed = await commandBed();

async function status(exitCode: number, ...args: string[]): Promise<StatusJson> {
  return (await bed.json(['status', ...args], exitCode)) as StatusJson;
}

const lineOf = ({ lines }: StatusJson, part: string) => lines.find((line) => line.part === part);

/** Takes connections and says nothing on them, as a server that is frozen does. */
async function frozenServer(): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => sockets.add(socket.on('error', () => undefined)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  afterAll(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test('before anything has run, nothing is made by looking', async () => {
  const topic = `${bed.topic}_not_there`;
  const database = 'status_not_there';
  const found = await status(1, '--topic', topic, '--clickhouse-database', database);
  expect(lineOf(found, 'Kafka')?.says).toContain(`no topic ${topic} yet`);
  expect(lineOf(found, 'registry')?.says).toContain('no schema of usage events yet');
  expect(lineOf(found, 'ClickHouse')?.says).toContain('no tables yet');
  expect(lineOf(found, 'aggregator')?.state).toBe('person');
  expect(await bed.admin.listTopics()).not.toContain(topic);
  const again = await status(1, '--topic', topic, '--clickhouse-database', database);
  expect(again.schemas.clickhouse?.latest).toBeNull();
  expect(lineOf(again, 'registry')?.says).toContain('no schema of usage events yet');
});

test('healthy', async () => {
  await bed.json(['apply', '-f', await bed.file('registry.yaml', REGISTRY)]);
  await bed.startAggregator();
  await bed.send([bed.encode(anEvent())]);
  const found = await waitFor(
    'the system to be healthy',
    async () => {
      const answer = await bed.run('status', '--json');
      return answer.exitCode === 0 ? (JSON.parse(answer.stdout) as StatusJson) : undefined;
    },
    { deadlineMs: 30_000, everyMs: 300 },
  );
  expect(found.verdict).toBe('healthy');
  expect(found.lag).toMatchObject({ eventsBehind: '0', completeThrough: expect.any(String) as string });
  expect(found.leaders).toEqual({ mirror: true, snapshots: false });
  expect(found.schemas.postgres?.latest).toMatch(/^\d{4}_.*\.sql$/);
  expect(Number(found.auditHead?.seq)).toBeGreaterThan(0);
  expect(lineOf(found, 'aggregator')?.says).toMatch(/^connected to Postgres/);
});

/** A port on which nobody listens. Not 1: fetch refuses that by itself. */
async function closedPort(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `127.0.0.1:${port}`;
}

const closed = await closedPort();
const REFUSING: Readonly<Record<string, readonly string[]>> = {
  Kafka: ['--kafka', closed],
  registry: ['--schema-registry', `http://${closed}`],
  Postgres: ['--postgres', `postgresql://postgres:secret@${closed}/x`],
  ClickHouse: ['--clickhouse', `http://${closed}`],
};

test.each(Object.entries(REFUSING))('%s refuses', async (part, args) => {
  const found = await status(1, ...args);
  expect(lineOf(found, part)).toMatchObject({
    state: 'person',
    says: expect.stringContaining('ECONNREFUSED') as string,
  });
  expect(JSON.stringify(found)).not.toContain('secret');
  expect(Object.values(found.stores).filter(({ answers }) => answers)).toHaveLength(3);
});

test('all of them frozen: the command says so and ends', async () => {
  const frozen = await frozenServer();
  const answer = await spawnMeterhouse([
    ...['status', '--json', '--timeout', '1s', '--kafka', frozen, '--schema-registry', `http://${frozen}`],
    ...['--postgres', `postgresql://postgres:secret@${frozen}/x`, '--clickhouse', `http://${frozen}`],
  ]);
  expect(answer.exitCode).toBe(1);
  const found = JSON.parse(answer.stdout) as StatusJson;
  expect(found.verdict).toBe('needs a person');
  expect(Object.values(found.stores).map(({ answers }) => answers)).toEqual([false, false, false, false]);
});

test('a login role that may read and no more', async () => {
  const name = `reader_${bed.topic}`;
  await bed.pool.query(`CREATE ROLE ${name} LOGIN PASSWORD 'only-reads' IN ROLE meterhouse_reader`);
  try {
    const url = new URL(bed.env['DATABASE_URL'] ?? '');
    url.username = name;
    url.password = 'only-reads';
    const found = await status(0, '--postgres', url.href);
    expect(found.stores.postgres.answers).toBe(true);
    expect(found.lag).not.toBeNull();
  } finally {
    await bed.pool.query(`DROP ROLE ${name}`);
  }
});

test('a halted partition, new quarantine and an older schema are named with what to do', async () => {
  await bed.pool.query(
    `INSERT INTO meterhouse.quarantine (source, partition, "offset", received_at, reason, detail, payload, status)
     VALUES ($1, 0, 0, now(), 'undecodable', 'x', '', 'waiting')`,
    [bed.topic],
  );
  await bed.pool.query(
    `UPDATE meterhouse.progress SET halted_reason = 'the log starts at 4' WHERE source = $1 AND partition = 0`,
    [bed.topic],
  );
  const found = await status(1);
  expect(lineOf(found, 'counting')).toMatchObject({
    state: 'person',
    next: 'docs/runbooks/partition-halted.md',
  });
  expect(lineOf(found, 'quarantine')).toMatchObject({ state: 'person' });
  const text = (await bed.run('status')).stdout;
  expect(text).toMatch(/^needs a person: \d to look at/);
  expect(text).toContain('→ docs/runbooks/partition-halted.md');
  await bed.pool.query(`DELETE FROM public.meterhouse_migrations WHERE name = '0001_usage.sql'`);
  const older = await status(1);
  expect(lineOf(older, 'Postgres')).toMatchObject({ state: 'person', next: 'meterhouse migrate' });
  await bed.pool.query(`INSERT INTO public.meterhouse_migrations (name) VALUES ('0001_usage.sql')`);
});

test('services of a folder: one that is stuck, one that is gone', async () => {
  const health = new Health();
  health.watch(() => [{ part: 'partition 3', reason: 'no progress for 90 s' }]);
  const server = await serveHealth({
    host: '127.0.0.1',
    port: 0,
    metrics: new Metrics(),
    health,
    logger: pino({ level: 'silent' }),
    scrub: (text) => text,
  });
  afterAll(() => server.close());
  const path = await bed.file(
    'endpoints.json',
    JSON.stringify({
      kafka: bed.env['KAFKA_BROKERS'],
      schemaRegistry: bed.env['SCHEMA_REGISTRY_URL'],
      postgres: bed.env['DATABASE_URL'],
      clickhouse: bed.env['CLICKHOUSE_URL'],
      metrics: { aggregator: server.url, api: 'http://127.0.0.1:1' },
      pids: { aggregator: process.pid, api: 2 ** 22 + 1 },
    }),
  );
  const found = await status(1, '--data-dir', join(path, '..'));
  expect(found.services.map(({ name, answers, running }) => [name, answers, running])).toEqual([
    ['aggregator', true, true],
    ['api', false, false],
  ]);
  expect(lineOf(found, 'aggregator')?.says).toBe('stuck: partition 3: no progress for 90 s');
  expect(lineOf(found, 'api')?.says).toBe('its process is gone');
});

test('--watch sees a store that came back, and ends when it is asked to', async () => {
  const target = new URL(bed.env['CLICKHOUSE_URL'] ?? '');
  const address = await closedPort();
  const port = Number(address.split(':')[1]);
  const proxy = createServer((socket) => {
    const server = connect(Number(target.port), target.hostname);
    for (const one of [socket, server]) one.on('error', () => undefined);
    socket.pipe(server).pipe(socket);
  });
  const stopping = new AbortController();
  const looks: StatusJson[] = [];
  const watched = runMeterhouse(
    ['status', '--json', '--watch', '--every', '1s', '--clickhouse', `http://${address}`],
    {
      stdout: { write: (text) => looks.push(JSON.parse(text) as StatusJson) },
      stderr: { write: () => undefined },
      env: bed.env,
      now: Date.now,
      signal: stopping.signal,
    },
  );
  const answers = (wanted: boolean) =>
    waitFor('a look', () => (looks.at(-1)?.stores.clickhouse.answers === wanted ? true : undefined), {
      deadlineMs: 20_000,
    });
  await answers(false);
  proxy.listen(port, '127.0.0.1');
  await answers(true);
  stopping.abort();
  expect(await watched).toBe(1);
  proxy.close();
});

test('wrong usage', async () => {
  expect((await bed.run('status', '--timeout', 'soon')).exitCode).toBe(2);
  expect((await bed.run('status', '--watch', '--every', '0s')).exitCode).toBe(2);
});
