/**
 * Guarantees, on a stack of its own whose broker is frozen while services are told to stop:
 * - Where it comes back in time, each service ends with 0: requests of the API that were under way are answered,
 *   and each denial that it had answered is kept.
 * - Where it does not, a service that cannot end what it has under way ends by the deadline of its stop all the
 *   same, with 1, and its log names what did not stop. Only the publisher of snapshots may end well: all that it
 *   knows is in Postgres, and where its send fails in time it has ended. The API's log says how many of the
 *   denials that it had answered are not kept.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { randomBytes, randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { startStack } from '@meterhouse/dev-stack';
import { createPool, migratePostgres } from '@meterhouse/postgres';
import { createOutbox } from '@meterhouse/producer/outbox';
import { waitFor } from '@meterhouse/runtime';
import { scrape } from '@meterhouse/runtime/testing';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { inProcess } from '../../packages/cli/src/testing.ts';
import { runService, SERVICES, type ProgramRun, type ServiceName } from '../secured/service-run.testing.ts';

const DRAIN_TIMEOUT_MS = 5_000;
/** Of a machine that is busy with other tests. */
const SLACK_MS = 10_000;
/** Long enough for the broker to come back in, also there. */
const PATIENT_MS = 120_000;
const DEADLINE = { deadlineMs: 60_000, everyMs: 100 };
const WORKS = /"msg":"(serving|partitions assigned|publishing snapshots|relaying the outbox)"/;

const dataDir = await mkdtemp(join(tmpdir(), 'meterhouse-drain-'));
afterAll(() => rm(dataDir, { recursive: true, force: true }));
const stack = await startStack({ dataDir });
afterAll(() => stack.stop());
const { kafka, schemaRegistry, postgres, clickhouse } = stack.endpoints;
await migratePostgres(postgres);
const pool = createPool({ url: postgres, applicationName: 'test', max: 1 });
afterAll(() => pool.end());
await pool.query(`INSERT INTO meterhouse.tenants (id, name) VALUES ('acme', 'Acme')`);
const env = {
  ...{ KAFKA_BROKERS: kafka, SCHEMA_REGISTRY_URL: schemaRegistry, DATABASE_URL: postgres },
  ...{ CLICKHOUSE_URL: clickhouse, API_PORT: '0', START_TIMEOUT_MS: '180000' },
  WEBHOOK_SECRET_KEY: randomBytes(32).toString('base64'),
};

/** Resolves once it works; it is gone with the test. */
async function started(name: ServiceName, drainTimeoutMs: number): Promise<ProgramRun> {
  const run = runService(name, { ...env, DRAIN_TIMEOUT_MS: `${drainTimeoutMs}` });
  onTestFinished(async () => {
    run.signal('SIGKILL');
    await run.ended;
  });
  await run.says(WORKS);
  return run;
}

function theApi(runs: readonly ProgramRun[]): ProgramRun {
  const api = runs[SERVICES.indexOf('api')];
  if (api === undefined) throw new Error('there is no API');
  return api;
}

interface Calls {
  readonly post: (path: string, body: unknown) => Promise<Response>;
  /** What it answers with a denial. */
  readonly deny: (correlationId: string) => Promise<void>;
  readonly metricsUrl: string;
}

async function callsOf(api: ProgramRun): Promise<Calls> {
  const url = await api.says(/"at":"([^"]+)","msg":"serving"/);
  const metricsUrl = await api.says(/"at":"([^"]+)","msg":"serving metrics and health"/);
  const created = await inProcess(
    ['keys', 'create', '--name', 'e2e', '--role', 'platform_admin', '--json'],
    env,
  );
  const { key } = z.object({ key: z.string() }).parse(JSON.parse(created.stdout));
  const post: Calls['post'] = (path, body) =>
    fetch(`${url}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  const deny: Calls['deny'] = async (correlationId) => {
    const decided = await post('/v1/decide', {
      ...{ actor: { type: 'user', id: 'ann' }, tenantId: 'acme', product: 'llm', correlationId },
      ...{ resourceType: 'model', action: 'complete' },
    });
    expect(await decided.json()).toMatchObject({ outcome: 'deny' });
  };
  return { post, deny, metricsUrl };
}

async function freezeBroker(): Promise<{ thaw: () => Promise<void> }> {
  const broker = stack.part('kafka');
  await broker.kill('SIGSTOP');
  const thaw = (): Promise<void> => broker.kill('SIGCONT');
  onTestFinished(thaw);
  return { thaw };
}

test('a broker that comes back in time: each service ends with 0, and what the API answered is kept', async () => {
  const runs = await Promise.all(SERVICES.map((name) => started(name, PATIENT_MS)));
  const api = theApi(runs);
  const { post, deny, metricsUrl } = await callsOf(api);
  const { thaw } = await freezeBroker();
  const posted = post('/v1/events', { tenantId: 'acme', metric: 'tokens', value: '1' });
  await waitFor(
    'the event to wait for the broker',
    async () => ((await scrape(metricsUrl)).value('api_intake_waiting_events') === 1 ? true : undefined),
    DEADLINE,
  );
  const correlationId = randomUUID();
  await deny(correlationId);
  for (const run of runs) run.signal('SIGTERM');
  await Promise.all(runs.map((run) => run.says(/"msg":"(stopping)"/)));
  await thaw();

  // As acknowledged or not: by the time of a busy machine, it may have waited for too long.
  expect(await (await posted).json()).toMatchObject({ events: [{ outcome: expect.any(String) as unknown }] });
  const ends = await Promise.all(runs.map(async (run) => ((await run.ended) === 0 ? '' : run.output())));
  expect(ends).toEqual(SERVICES.map(() => ''));
  await started('decision-log', PATIENT_MS);
  await waitFor(
    'the denial to be kept',
    async () => {
      const kept = await pool.query('SELECT FROM meterhouse.decisions WHERE correlation_id = $1', [
        correlationId,
      ]);
      return kept.rowCount === 1 ? true : undefined;
    },
    DEADLINE,
  );
}, 600_000);

test('a broker that does not come back: each ends by its deadline, with 1, and names what did not stop', async () => {
  const runs = await Promise.all(
    SERVICES.map(async (name) => ({ name, run: await started(name, DRAIN_TIMEOUT_MS) })),
  );
  const api = theApi(runs.map(({ run }) => run));
  const { deny } = await callsOf(api);
  await freezeBroker();
  await deny(randomUUID());
  const client = await pool.connect();
  await client.query('BEGIN');
  await createOutbox({ source: 'e2e' }).recordIn(client, { tenantId: 'acme', metric: 'tokens', value: '1' });
  await client.query('COMMIT');
  client.release();
  // The publisher's heartbeat of each second, and the relay's batch, are on their way by then.
  await delay(3_000);
  const ends = await Promise.all(
    runs.map(async ({ name, run }) => {
      const startedAt = performance.now();
      run.signal('SIGTERM');
      const code = await run.ended;
      const tookMs = performance.now() - startedAt;
      const said = run.output();
      const named = new RegExp(`not stopped within the deadline: ${name} › [^;]+;`).exec(said)?.[0];
      const mayEndWell = name === 'quota-snapshot' && code === 0;
      const ended = code === 1 && named !== undefined ? named : said;
      return { name, inTime: tookMs < DRAIN_TIMEOUT_MS + SLACK_MS, ended: mayEndWell ? `${name} › ` : ended };
    }),
  );
  expect(ends).toEqual(
    SERVICES.map((name) => ({
      ...{ name, inTime: true },
      ended: expect.stringContaining(`${name} › `) as unknown,
    })),
  );
  expect(api.output()).toMatch(/"unpublished":1,.*"msg":"decisions were not published before the end/);
}, 600_000);
