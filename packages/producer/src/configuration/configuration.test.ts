/**
 * Guarantees of configuring a meter:
 *  - An object is all there is: neither file nor environment is looked at.
 *  - Without one it is a file, named or of the working folder, TOML or YAML alike, and over it the
 *    environment; where there is none of both, or two files, that is an error.
 *  - Every problem is told at once, by the name under which it was written; what is unknown is refused.
 *  - A secret is not in a file: it is referred to, and only those of chosen parts have to be there. No
 *    value of a secret is in an error.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError } from '@meterhouse/runtime';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createMeter } from '../create-meter.ts';
import { findConfiguration, parseObject, type AnyConfiguration } from './parse.ts';
import { meterOptions } from './schema.ts';
import type { Environment } from './secret-fields.ts';
import { variablesOf } from './variables.ts';

async function folder(files: Readonly<Record<string, string>> = {}): Promise<string> {
  const cwd = await mkdtemp(join(tmpdir(), 'meterhouse-configuration-'));
  onTestFinished(() => rm(cwd, { recursive: true }));
  for (const [name, text] of Object.entries(files)) await writeFile(join(cwd, name), text);
  return cwd;
}

function found(cwd: string, env: Environment = {}) {
  return findConfiguration({ env, cwd }).options;
}

function problemsOf(configure: () => unknown): string[] {
  try {
    configure();
  } catch (error) {
    if (error instanceof ConfigError)
      return error.message
        .split('\n')
        .slice(1)
        .map((line) => line.trim());
    throw error;
  }
  return [];
}

const TOML = `
source = "search"
adapter = "kafka"

[kafka]
brokers = ["a:1", "b:2"]
schemaRegistryUrl = "http://registry:8081"
login = { mechanism = "plain", username = "u", password = { env = "KAFKA_PASSWORD" } }

[bounds]
lingerMs = 20
`;
const YAML = `
source: search
adapter: kafka
kafka:
  brokers: ['a:1', 'b:2']
  schemaRegistryUrl: http://registry:8081
  login: { mechanism: plain, username: u, password: { env: KAFKA_PASSWORD } }
bounds:
  lingerMs: 20
`;
const ENV = { KAFKA_PASSWORD: 'pass-word' };

describe('where it is looked for', () => {
  it('takes an object for all there is', async () => {
    const cwd = await folder({ 'meterhouse.toml': 'this is not TOML' });
    const env = { METERHOUSE_ADAPTER: 'kafka' };
    const meter = createMeter({ source: 'search', adapter: 'noop' }, { cwd, env });
    expect(await meter.ready()).toMatchObject({ adapter: 'noop' });
  });

  it('reads the same from TOML, from YAML and from a file that is named', async () => {
    const toml = found(await folder({ 'meterhouse.toml': TOML }), ENV);
    expect(toml).toMatchObject({
      source: 'search',
      adapter: 'kafka',
      kafka: { brokers: ['a:1', 'b:2'], topic: 'usage_events', login: { password: 'pass-word' } },
      bounds: { lingerMs: 20, batchEvents: 1_000 },
    });
    expect(found(await folder({ 'meterhouse.yaml': YAML }), ENV)).toEqual(toml);
    expect(found(await folder({ 'meterhouse.yml': YAML }), ENV)).toEqual(toml);
    const named = await folder({ 'staging.toml': TOML, 'meterhouse.toml': 'broken' });
    expect(found(named, { ...ENV, METERHOUSE_CONFIG: 'staging.toml' })).toEqual(toml);
  });

  it('lets the environment stand in for single options, and for the whole file', async () => {
    const cwd = await folder({ 'meterhouse.toml': TOML });
    const env = {
      ...ENV,
      METERHOUSE_SOURCE: 'indexer',
      METERHOUSE_KAFKA_BROKERS: 'c:3, d:4',
      METERHOUSE_BOUNDS_LINGER_MS: '7',
      METERHOUSE_KAFKA_LOGIN_PASSWORD: 'from-the-environment',
      METERHOUSE_KAFKA_TLS: 'true',
    };
    expect(found(cwd, env)).toMatchObject({
      source: 'indexer',
      bounds: { lingerMs: 7 },
      kafka: {
        brokers: ['c:3', 'd:4'],
        tls: true,
        login: { username: 'u', password: 'from-the-environment' },
      },
    });
    const alone = { METERHOUSE_ADAPTER: 'noop', METERHOUSE_SOURCE: 'test' };
    expect(found(await folder(), alone)).toMatchObject({ adapter: 'noop', source: 'test' });
  });

  it('switches the adapter by one variable; secrets of what is not chosen need not be there', async () => {
    const cwd = await folder({ 'meterhouse.toml': TOML });
    expect(found(cwd, { METERHOUSE_ADAPTER: 'noop' }).adapter).toBe('noop');
    expect(problemsOf(() => found(cwd))).toEqual([
      'kafka.login.password: the variable KAFKA_PASSWORD is not set',
    ]);
  });

  it('refuses to guess', async () => {
    const none = await folder();
    expect(problemsOf(() => found(none))).toEqual([
      expect.stringMatching(/^there is none: set METERHOUSE_ADAPTER/),
    ]);
    const two = await folder({ 'meterhouse.toml': TOML, 'meterhouse.yaml': YAML });
    expect(problemsOf(() => found(two))).toEqual([expect.stringMatching(/keep one of them/)]);
    expect(problemsOf(() => found(none, { METERHOUSE_CONFIG: 'gone.toml' }))).toEqual([
      expect.stringMatching(/gone\.toml: ENOENT/),
    ]);
    for (const name of ['meterhouse.toml', 'meterhouse.yaml']) {
      const broken = await folder({ [name]: 'password = "hunter-two"\nsource: [' });
      const problems = problemsOf(() => found(broken));
      expect(problems).toEqual([expect.stringContaining(name)]);
      expect(problems.join()).not.toContain('hunter-two');
    }
  });
});

describe('what is wrong', () => {
  it('is told all at once, by name', async () => {
    const cwd = await folder({
      'meterhouse.toml': `
adapter = "kafka"
colour = "red"
[kafka]
brokers = []
schemaRegistryUrl = "nowhere"
topics = "x"
[bounds]
lingerMs = -1`,
    });
    const env = { METERHOUSE_KAFKA_TOPIK: 'x', METERHOUSE_BOUNDS_BATCH_EVENTS: 'many' };
    const problems = problemsOf(() => found(cwd, env));
    const names = problems.map((problem) => problem.split(':')[0] ?? '').sort();
    expect(names).toEqual(
      [
        'METERHOUSE_KAFKA_TOPIK',
        'source',
        'colour',
        'kafka.brokers',
        'kafka.schemaRegistryUrl',
        'kafka.topics',
        'bounds.lingerMs',
        'bounds.batchEvents',
      ].sort(),
    );
  });

  it('is told of a shared cache that is nowhere', async () => {
    const cwd = await folder({ 'meterhouse.toml': `${TOML}\n[usage]\ncache = "redis"` });
    expect(problemsOf(() => found(cwd, ENV))).toEqual(['usage.redisUrl: is needed with cache redis']);
  });

  it('is told of what a chosen part lacks, also where it has no section', () => {
    const configuration = { source: 's', adapter: 'kafka' } as AnyConfiguration;
    expect(problemsOf(() => parseObject(configuration)).map((problem) => problem.split(':')[0])).toEqual([
      'kafka.brokers',
      'kafka.schemaRegistryUrl',
    ]);
  });
});

describe('a secret', () => {
  it.each([
    ['a password', 'kafka.login.password', TOML.replace('{ env = "KAFKA_PASSWORD" }', '"hunter-two"')],
    [
      'a password in a URL',
      'kafka.schemaRegistryUrl',
      TOML.replace('http://registry', 'http://u:hunter-two@registry'),
    ],
  ])('that stands in a file is refused, and is not in the error: %s', async (_, field, text) => {
    for (const adapter of ['kafka', 'noop']) {
      const cwd = await folder({ 'meterhouse.toml': text });
      const problems = problemsOf(() => found(cwd, { ...ENV, METERHOUSE_ADAPTER: adapter }));
      expect(problems).toEqual([expect.stringMatching(`^${field}: .*must not stand in a file`)]);
      expect(problems.join()).not.toContain('hunter-two');
    }
  });

  it('is a plain text in an object', () => {
    const login = { mechanism: 'plain', username: 'u', password: 'p' } as const;
    const kafka = { brokers: ['a:1'], schemaRegistryUrl: 'http://u:p@r', login };
    expect(parseObject({ source: 's', adapter: 'kafka', kafka }).options.kafka).toMatchObject(kafka);
  });
});

describe('variables', () => {
  it('are named after what they set, each with words that say what it is', () => {
    const variables = variablesOf(meterOptions());
    expect(variables.map(({ name }) => name)).toContain('METERHOUSE_KAFKA_SCHEMA_REGISTRY_URL');
    expect(variables.filter(({ description }) => description === '').map(({ name }) => name)).toEqual([]);
    expect(new Set(variables.map(({ name }) => name)).size).toBe(variables.length);
    expect(variables.filter(({ isSecret }) => isSecret).map(({ name }) => name)).toContain(
      'METERHOUSE_KAFKA_LOGIN_PASSWORD',
    );
  });
});
