/**
 * Guarantee, on a stack of its own whose broker is frozen: a service that cannot end what it has under way ends
 * by the deadline of its stop all the same, with 1, and its log names what did not stop. Only the publisher of
 * snapshots may end well: all that it knows is in Postgres, and where its send fails in time it has ended.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { startStack } from '@meterhouse/dev-stack';
import { createPool, migratePostgres } from '@meterhouse/postgres';
import { createOutbox } from '@meterhouse/producer/outbox';
import { expect, onTestFinished, test } from 'vitest';
import { runService, SERVICES } from '../secured/service-run.testing.ts';

const DRAIN_TIMEOUT_MS = 5_000;
/** Of a machine that is busy with other tests. */
const SLACK_MS = 10_000;
const WORKS = /"msg":"(serving|partitions assigned|publishing snapshots|relaying the outbox)"/;

test('each service ends by its deadline, with 1, and names what did not stop', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'meterhouse-drain-'));
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }));
  const stack = await startStack({ dataDir });
  onTestFinished(() => stack.stop());
  const { kafka, schemaRegistry, postgres, clickhouse } = stack.endpoints;
  await migratePostgres(postgres);
  const pool = createPool({ url: postgres, applicationName: 'test', max: 1 });
  onTestFinished(() => pool.end());
  const env = {
    ...{ KAFKA_BROKERS: kafka, SCHEMA_REGISTRY_URL: schemaRegistry, DATABASE_URL: postgres },
    ...{ CLICKHOUSE_URL: clickhouse, DRAIN_TIMEOUT_MS: `${DRAIN_TIMEOUT_MS}`, API_PORT: '0' },
    WEBHOOK_SECRET_KEY: randomBytes(32).toString('base64'),
    START_TIMEOUT_MS: '180000',
  };
  const runs = SERVICES.map((name) => ({ name, run: runService(name, env) }));
  onTestFinished(async () => {
    for (const { run } of runs) run.signal('SIGKILL');
    await Promise.all(runs.map(({ run }) => run.ended));
  });
  for (const { run } of runs) await run.says(WORKS);

  const broker = stack.part('kafka');
  await broker.kill('SIGSTOP');
  onTestFinished(() => broker.kill('SIGCONT'));
  const client = await pool.connect();
  await client.query(`BEGIN; INSERT INTO meterhouse.tenants (id, name) VALUES ('acme', 'Acme')`);
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
}, 600_000);
