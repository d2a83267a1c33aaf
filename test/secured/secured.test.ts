/**
 * The whole system where every part speaks TLS with a private authority's certificates and asks who is
 * there: the broker by SCRAM, Postgres by password and TLS alone, the registry by a login. Guarantees:
 * - All six services start, and what is sent over HTTP is counted, mirrored and decided by.
 * - A wrong password, an authority that is not trusted, and a registry that
 *   refuses each end the start at once, with one line that names the variable and no secret.
 * - The command says the same.
 * - A certificate signs in where the broker asks for one.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createClickHouse } from '@meterhouse/clickhouse';
import { configuredKafka, createKafka, requireKafka } from '@meterhouse/kafka';
import { createPool } from '@meterhouse/postgres';
import { createLogger, kafkaVariables, parseConfig, Releases, waitFor } from '@meterhouse/runtime';
import { askHealth } from '@meterhouse/runtime/testing';
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { sharedStack } from '@meterhouse/dev-stack/testing';
import { newAuthority } from './certificates.testing.ts';
import { LOGIN, startSecuredParts, type SecuredParts } from './secured-parts.testing.ts';
import { runCommand, runService, SERVICES, type ProgramRun } from './service-run.testing.ts';

const REGISTRY_FILE = fileURLToPath(
  new URL('../../packages/dev-stack/src/start/demo-registry.yaml', import.meta.url),
);
const DEADLINE = { deadlineMs: 60_000 };
const WEBHOOK_SECRET_KEY = randomBytes(32).toString('base64');

const releases = new Releases();
let parts: SecuredParts;
let env: Record<string, string>;
beforeAll(async () => {
  parts = await startSecuredParts(releases);
  const name = randomBytes(4).toString('hex');
  env = {
    ...parts.env,
    WEBHOOK_SECRET_KEY,
    CLICKHOUSE_DATABASE: `secured_${name}`,
    API_PORT: '0',
    SNAPSHOT_LEASE_MS: '1000',
  };
}, 300_000);
afterAll(() => releases.releaseAll());

async function command(...args: string[]): Promise<string> {
  const run = runCommand([...args, '--json'], env);
  if ((await run.ended) !== 0) throw new Error(run.output());
  return run.output();
}

test('sent over HTTP, counted, mirrored and decided by, all over TLS', async () => {
  await command('migrate', '--postgres-only');
  await command('apply', '-f', REGISTRY_FILE, '--privileged', '--why', 'test');
  const key = (JSON.parse(await command('keys', 'create', '--role', 'operator')) as { key: string }).key;
  const runs = new Map(SERVICES.map((name) => [name, runService(name, env)]));
  for (const [name, run] of runs) releases.add(name, () => stopped(run));
  for (const run of runs.values()) await ready(await run.says(/"at":"([^"]+)"/));

  const url = await runs.get('api')?.says(/"at":"([^"]+)","msg":"serving"/);
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const event = {
    tenantId: 'acme-support',
    metric: 'llm.input_tokens',
    value: '1280',
    attrs: { model: 'x' },
  };
  const answer = await fetch(`${url ?? ''}/v1/events`, {
    method: 'POST',
    headers,
    body: JSON.stringify(event),
  });
  expect([answer.status, await answer.json()]).toMatchObject([200, { acknowledged: 1 }]);

  const pool = createPool({ url: env['DATABASE_URL'] ?? '', applicationName: 'test', max: 1 });
  releases.add('the pool', () => pool.end());
  await waitFor('the event to be counted', async () => (await sums(pool))[0], DEADLINE);
  expect(await sums(pool)).toEqual(['1280']);
  const { rows } = await pool.query(
    'SELECT 1 FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE client_addr IS NOT NULL AND NOT ssl',
  );
  expect(rows).toEqual([]);

  const clickhouse = createClickHouse((await sharedStack()).clickhouse, env['CLICKHOUSE_DATABASE'] ?? '');
  releases.add('ClickHouse', () => clickhouse.close());
  const mirrored = async (): Promise<string | undefined> => {
    const result = await clickhouse.client.query({
      query: 'SELECT sum FROM usage_hourly',
      format: 'JSONEachRow',
    });
    return (await result.json<{ sum: string }>())[0]?.sum;
  };
  expect(await waitFor('the mirror', mirrored, { ...DEADLINE, retryErrors: true })).toBe('1280');

  const decided = async (): Promise<true | undefined> => {
    const run = runCommand(
      ['decide', '--tenant', 'acme-support', '--metric', 'llm.input_tokens', '--role', 'member', '--json'],
      env,
    );
    await run.ended;
    return run.output().includes('"1280"') ? true : undefined;
  };
  await waitFor('a snapshot that knows of it', decided, DEADLINE);
  await Promise.all([...runs.values()].map(stopped));
  for (const run of runs.values())
    for (const secret of [LOGIN.password, WEBHOOK_SECRET_KEY]) expect(run.output()).not.toContain(secret);
}, 300_000);

const WRONG: readonly (readonly [
  string,
  (given: Record<string, string>) => Promise<Record<string, string>>,
  RegExp,
])[] = [
  [
    'a wrong password',
    (given) => Promise.resolve({ ...given, KAFKA_PASSWORD: 'wrong-password' }),
    /KAFKA_USERNAME, KAFKA_PASSWORD: the broker refuses the login/,
  ],
  [
    'an authority that signed something else',
    async (given) => ({ ...given, KAFKA_CA_FILE: await otherAuthority() }),
    /KAFKA_CA_FILE: the broker localhost:\d+ shows a certificate of somebody who is not trusted/,
  ],
  [
    'a registry that refuses',
    (given) =>
      Promise.resolve({
        ...given,
        SCHEMA_REGISTRY_URL: (given['SCHEMA_REGISTRY_URL'] ?? '').replace(
          'registry-secret',
          'wrong-password',
        ),
      }),
    /schema registry, asked for .*\(the user and password in its URL\)/,
  ],
];

test.each(WRONG)(
  '%s ends each start at once, with one clear line',
  async (_, make, line) => {
    const wrong = await make(env);
    const runs = SERVICES.map((name) => ({ name, run: runService(name, wrong) }));
    for (const { name, run } of runs) {
      const code = await run.ended;
      const lines = run
        .output()
        .split('\n')
        .filter((each) => /"level":(50|60)/.test(each));
      expect([name, code, lines.length, run.output()]).toEqual([name, 1, 1, run.output()]);
      expect(lines[0]).toMatch(line);
      for (const secret of [LOGIN.password, 'wrong-password']) expect(run.output()).not.toContain(secret);
    }
  },
  300_000,
);

test('the command says what is wrong, and with which variable', async () => {
  const run = runCommand(['reconcile'], { ...env, KAFKA_PASSWORD: 'wrong-password' });
  expect(await run.ended).toBe(2);
  expect(run.output()).toMatch(
    /^error: configuration is not usable:\n {2}KAFKA_USERNAME, KAFKA_PASSWORD: .*\n$/,
  );
});

test('a certificate signs in where the broker asks for one, and nothing else does', async () => {
  const { cert, key } = await parts.authority.sign('meterhouse');
  const files = {
    KAFKA_CERT_FILE: join(parts.folder, 'own.pem'),
    KAFKA_KEY_FILE: join(parts.folder, 'own.key'),
  };
  await writeFile(files.KAFKA_CERT_FILE, cert);
  await writeFile(files.KAFKA_KEY_FILE, key);
  const tls = {
    KAFKA_BROKERS: parts.broker.certificate,
    KAFKA_TLS: 'true',
    KAFKA_CA_FILE: env['KAFKA_CA_FILE'],
  };
  const connection = (variables: Record<string, string | undefined>) => ({
    ...configuredKafka(parseConfig(kafkaVariables, variables)),
    clientId: 'test',
    logger: createLogger('test', 'silent'),
  });
  const given = connection({ ...tls, ...files });
  await requireKafka(given);
  const admin = createKafka(given).admin();
  await admin.connect();
  expect(await admin.listTopics()).toContain('usage_events');
  await admin.disconnect();
  await expect(requireKafka(connection(tls))).rejects.toThrow('KAFKA_CERT_FILE: ');
});

async function otherAuthority(): Promise<string> {
  const path = join(parts.folder, 'other.pem');
  await writeFile(path, (await newAuthority('Somebody else')).ca);
  return path;
}

async function ready(url: string): Promise<void> {
  const isReady = async (): Promise<true | undefined> =>
    (await askHealth(url, '/readyz')).status === 200 ? true : undefined;
  await waitFor(`${url} to be ready`, isReady, { ...DEADLINE, retryErrors: true });
}

async function sums(pool: ReturnType<typeof createPool>): Promise<string[]> {
  const { rows } = await pool.query<{ sum: string }>(
    'SELECT trim_scale(sum)::text AS sum FROM meterhouse.usage_hourly',
  );
  return rows.map(({ sum }) => sum);
}

async function stopped(run: ProgramRun): Promise<void> {
  run.signal('SIGTERM');
  expect(await run.ended).toBe(0);
}
