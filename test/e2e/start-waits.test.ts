/**
 * Guarantee of every service, as a process: while a part that it cannot do without is away its start waits, says
 * for which in the log, and ends with 1 by the deadline, naming it. What it can do without it does not wait for.
 */
import { randomBytes } from 'node:crypto';
import { postgresProxy } from '@meterhouse/postgres/proxy-testing';
import { expect, test, type TestContext } from 'vitest';
import { commandBed } from '../../packages/cli/src/testing.ts';
import { runService, type ProgramRun, type ServiceName } from '../secured/service-run.testing.ts';

/** Nobody listens there. */
const AWAY = {
  Postgres: { DATABASE_URL: 'postgresql://nobody@127.0.0.1:9/none' },
  Kafka: { KAFKA_BROKERS: '127.0.0.1:9' },
  'the schema registry': { SCHEMA_REGISTRY_URL: 'http://127.0.0.1:9' },
} as const;
const SCHEMA = 'Postgres with the current schema';
/** As each says it. The API answers what it can without Kafka: it says so, and waits for it no longer. */
const WAITED_FOR: Readonly<Record<ServiceName, Readonly<Partial<Record<keyof typeof AWAY, string>>>>> = {
  aggregator: { Postgres: 'Postgres', Kafka: 'Kafka', 'the schema registry': 'the schema registry' },
  'quota-snapshot': { Postgres: SCHEMA, Kafka: 'Kafka', 'the schema registry': 'the schema registry' },
  'decision-log': { Postgres: SCHEMA, Kafka: 'Kafka', 'the schema registry': 'the schema registry' },
  webhooks: { Postgres: SCHEMA, Kafka: 'Kafka', 'the schema registry': 'the schema registry' },
  relay: { Postgres: SCHEMA, Kafka: 'Kafka', 'the schema registry': 'the schema registry' },
  api: { Postgres: SCHEMA, 'the schema registry': 'the schema registry' },
};
/**
 * What is waited for first needs no time for anything before it. Of the others the deadline has to leave time to
 * reach those that are there, on a machine that starts several services at once.
 */
const DEADLINE_MS = { Postgres: '1000', Kafka: '8000', 'the schema registry': '8000' } as const;

const bed = await commandBed({
  WEBHOOK_SECRET_KEY: randomBytes(32).toString('base64'),
  API_PORT: '0',
});

function start(
  name: ServiceName,
  more: Readonly<Record<string, string>>,
  { onTestFinished }: Pick<TestContext, 'onTestFinished'>,
): ProgramRun {
  const run = runService(name, { ...bed.env, ...more });
  onTestFinished(async () => {
    run.signal('SIGKILL');
    await run.ended;
  });
  return run;
}

const cases = Object.entries(WAITED_FOR).flatMap(([name, parts]) =>
  Object.entries(parts).map(([part, said]) => ({
    ...{ name: name as ServiceName, part: part as keyof typeof AWAY, said },
  })),
);

// Side by side, as each does nothing but wait.
test.concurrent.for(cases)(
  '$name without $part: it waits, says so, and gives up by its deadline',
  { timeout: 120_000 },
  async ({ name, part, said }, context) => {
    const START_TIMEOUT_MS = DEADLINE_MS[part];
    const run = start(name, { ...AWAY[part], START_TIMEOUT_MS }, context);
    expect(await run.ended).toBe(1);
    // The first attempt may take as long as there is time; what is waited for is named either way.
    expect(run.output()).toContain(`waited ${START_TIMEOUT_MS} ms for ${said} at the start`);
  },
);

test('a start says what it waits for, and goes on when it is there', async (context) => {
  // Passes on whatever comes.
  const registry = await postgresProxy(bed.env['SCHEMA_REGISTRY_URL'] ?? '');
  await registry.shut();
  const env = { SCHEMA_REGISTRY_URL: registry.url, START_TIMEOUT_MS: '60000' };
  const run = start('decision-log', env, context);
  expect(await run.says(/"msg":"(waiting for [^"]+)"/)).toBe('waiting for the schema registry');
  await registry.open();
  expect(await run.says(/"msg":"(partitions assigned)"/)).toBe('partitions assigned');
}, 120_000);

test('the aggregator counts without ClickHouse, and the API serves without Kafka', async (context) => {
  const START_TIMEOUT_MS = '60000';
  const aggregator = start('aggregator', { CLICKHOUSE_URL: 'http://127.0.0.1:9', START_TIMEOUT_MS }, context);
  const api = start('api', { ...AWAY.Kafka, START_TIMEOUT_MS }, context);
  expect(await aggregator.says(/"msg":"(partitions assigned)"/)).toBe('partitions assigned');
  expect(await api.says(/"msg":"(serving|Kafka does not answer yet)"/)).toBe('Kafka does not answer yet');
  await api.says(/"at":"([^"]+)","msg":"serving"/);
}, 240_000);
