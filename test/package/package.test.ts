/**
 * Guarantees of the package as others install it from npm's tarball:
 *  - `import` and `require` both work, with one of everything: contexts, classes, functions.
 *  - noop, log and http need none of the optional peers; what an adapter misses is named by `ready()`.
 *  - With its client the kafka adapter delivers, schema included, and the postgres adapter counts what it reads back.
 *  - Every wrapper counts over the library that it wraps, imported and required, over a real server where one is needed;
 *    its types hold beside those of the library.
 *  - Its types hold without the optional peers, for `import` and `require`, in both resolutions in use.
 *  - A meter keeps no process alive, leaves no rejection unhandled, and its spool outlives the process.
 *  - publint and arethetypeswrong find nothing; nothing of ours that is not for others is in it.
 */
import { cp, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { freshDatabase, sharedStack } from '@meterhouse/dev-stack/testing';
import { createPool, migratePostgres } from '@meterhouse/postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newTopic, readTopic } from '@meterhouse/producer/testing';
import {
  librariesInUse,
  newProject,
  packProducer,
  runTool,
  withNodeTypes,
  type Packed,
  type Project,
} from './packed.testing.ts';

let packed: Packed;
let bare: Project;
/** Of what was made, should not all of it be. */
const removals: (() => Promise<void>)[] = [];

beforeAll(async () => {
  packed = await packProducer();
  removals.push(packed.remove);
  bare = await newProject(packed);
  removals.push(bare.remove);
  // Types are bundled by a compiler, and npm asks its registry.
}, 600_000);
afterAll(async () => {
  for (const remove of removals) await remove();
});

describe('without the optional peers', () => {
  it('has none of them', async () => {
    const installed = await readdir(join(bare.folder, 'node_modules'));
    for (const peer of [
      'kafkajs',
      '@kafkajs',
      'avsc',
      'pg',
      '@redis',
      'express',
      'fastify',
      '@cedar-policy',
      '@grpc',
    ])
      expect(installed).not.toContain(peer);
  });

  it('runs as a module: noop, log and http, and wrappers', async () => {
    const { result, lines, stderr } = await bare.run('imports.mjs');
    expect(result).toMatchObject({
      answer: 'acme',
      closed: {
        noop: { adapter: 'noop', counters: { discarded: 1 } },
        log: { guarantees: { durableIn: 'log' }, counters: { accepted: 1, acknowledged: 1 } },
        http: { guarantees: { durableIn: 'sink' }, counters: { buffered: 0 } },
      },
    });
    const { events, closed } = result as { events: unknown[]; closed: { http: { counters: unknown } } };
    expect(events).toContainEqual(
      expect.objectContaining({ tenantId: 'acme', metric: 'http.requests', source: 'imports' }),
    );
    expect(events).toContainEqual(expect.objectContaining({ metric: 'jobs', value: '1' }));
    expect(events).toContainEqual(expect.objectContaining({ metric: 'api.calls', value: '0.5' }));
    expect(closed.http.counters).toMatchObject({ acknowledged: events.length });
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      usageEvent: { metric: 'api.calls', value: '0.5' },
    });
    // No warning of an experiment that nobody asked for.
    expect(stderr).toBe('');
  });

  it('is one, required or imported, and says what to install', async () => {
    const { result, stderr } = await bare.run('requires.cjs');
    expect(result).toEqual({
      seen: 'acme',
      added: [{ metric: 'jobs', tenantId: 'acme' }],
      seenByCopy: 'acme',
      sameFunctions: true,
      sameErrors: true,
      ready: {
        kafka:
          'the adapter kafka needs what is not installed: npm install kafkajs @kafkajs/confluent-schema-registry avsc',
        postgres: 'the adapter postgres needs what is not installed: npm install pg',
      },
    });
    expect(stderr).toBe('');
  });

  it.each([
    { adapter: 'noop' },
    { adapter: 'log' },
    { adapter: 'http', http: { url: 'http://127.0.0.1:1' } },
    { adapter: 'kafka', kafka: { brokers: ['127.0.0.1:1'], schemaRegistryUrl: 'http://127.0.0.1:1' } },
  ])('an idle meter lets the process end: $adapter', async (configuration) => {
    const { stderr } = await bare.run('ends-idle.mjs', JSON.stringify(configuration));
    expect(stderr).toBe('');
  });

  it('a process that ends without a close leaves what it has taken in the spool', async () => {
    const folder = join(bare.folder, 'spool');
    const http = { url: 'http://127.0.0.1:1' };
    const configuration = { adapter: 'http', http, delivery: 'spool', spool: { folder } };
    const { result } = await bare.run('ends-idle.mjs', JSON.stringify(configuration));
    expect(result).toEqual({ taken: 100 });
    const ids = new Set<unknown>();
    for (const name of await readdir(folder)) {
      if (/-(wal|shm|journal)$/.test(name)) continue;
      const file = new DatabaseSync(join(folder, name));
      const rows = file.prepare(`SELECT event ->> 'id' AS id FROM events`).all();
      for (const { id } of rows) ids.add(id);
      file.close();
    }
    expect(ids).toEqual(new Set(Array.from({ length: 100 }, (_, index) => `e${index}`)));
  });

  it('leaves no rejection unhandled, and closes by its deadline', async () => {
    const { result } = await bare.run('refuses-all.mjs');
    // The noop meter looks at no event.
    expect(result).toMatchObject({ unhandled: 0, code: 'not_acknowledged', refused: [1, 1, 1, 0] });
  });

  it('has types that hold for import and require', async () => {
    await withNodeTypes(bare);
    await cp(join(bare.folder, 'types.mts'), join(bare.folder, 'types.cts'));
    const strict = [
      ...['--strict', '--noEmit', '--exactOptionalPropertyTypes'],
      ...['--target', 'es2023', '--types', 'node'],
    ];
    // Once with our declarations checked themselves, too.
    const nodenext = ['--module', 'nodenext', 'types.mts', 'types.cts'];
    const bundler = ['--module', 'esnext', '--moduleResolution', 'bundler', '--skipLibCheck', 'types.mts'];
    for (const resolution of [nodenext, bundler])
      await runTool('typescript/bin/tsc', [...strict, ...resolution], bare.folder);
  }, 180_000);
});

describe('beside the libraries that it works with', () => {
  let full: Project;
  beforeAll(async () => {
    full = await newProject(packed, ...(await librariesInUse()));
    removals.push(full.remove);
  }, 600_000);

  it('delivers to Kafka, and keeps no process for it', async () => {
    const endpoints = await sharedStack();
    const { topic, kafka, target } = await newTopic(endpoints);
    const { result } = await full.run('sends-to-kafka.cjs', JSON.stringify(target));
    // With a broker that is away, and nothing to bring there.
    const away = { brokers: ['127.0.0.1:1'], schemaRegistryUrl: 'http://127.0.0.1:1' };
    await full.run('ends-idle.mjs', JSON.stringify({ adapter: 'kafka', kafka: away }));
    const messages = await readTopic(endpoints, kafka, topic);
    expect(messages).toEqual([
      expect.objectContaining({
        key: 'acme',
        event: expect.objectContaining({
          ...(result as { id: string }),
          metric: 'api.calls',
          value: '12.5',
        }) as unknown,
      }),
    ]);
  });

  const http = ['http.requests', 'http.bytes_in', 'http.bytes_out', 'http.seconds'];
  const request = http.map((metric) => ['acme', metric, '/things/:id']);
  const one = (metric: string): unknown => [['acme', metric, null]];
  const redis = process.env['REDIS_URL'] ?? '';
  const amqp = process.env['AMQP_URL'] ?? '';

  describe.each(['wrappers.mjs', 'wrappers.cjs'])('%s', (consumer) => {
    const counted = async (use: readonly string[], servers: object = {}): Promise<unknown> =>
      (await full.run(consumer, JSON.stringify({ use, servers }))).result;

    it('counts requests, with their templates, by Express 5 and 4, Fastify and node:http', async () => {
      expect(await counted(['express5', 'express4', 'fastify', 'nodeHttp'])).toEqual({
        ...{ express5: request, express4: request, fastify: request, nodeHttp: request },
      });
    });

    it('counts calls, tokens and what is held over time', async () => {
      expect(await counted(['metered', 'llm', 'gauge'])).toEqual({
        metered: one('jobs'),
        llm: [
          ['acme', 'llm.input_tokens', null],
          ['acme', 'llm.output_tokens', null],
        ],
        gauge: one('gpu.hours'),
      });
    });

    it('counts messages of Kafka', async () => {
      const endpoints = await sharedStack();
      const { topic } = await newTopic(endpoints);
      const kafka = { brokers: [endpoints.kafka], topic };
      expect(await counted(['kafkajs'], { kafka })).toEqual({ kafkajs: one('jobs') });
    });

    it.skipIf(amqp === '')(`counts messages of RabbitMQ${skippedFor('AMQP_URL', amqp)}`, async () => {
      expect(await counted(['amqplib'], { amqp })).toEqual({ amqplib: one('jobs') });
    });

    it.skipIf(redis === '')(`counts jobs of BullMQ${skippedFor('REDIS_URL', redis)}`, async () => {
      expect(await counted(['bullmq'], { redis })).toEqual({ bullmq: one('jobs') });
    });

    it('counts rows of Postgres, and events in Postgres, which it reads back', async () => {
      const postgres = await freshDatabase(await sharedStack());
      await migratePostgres(postgres);
      const pool = createPool({ url: postgres, applicationName: 'test', max: 1 });
      await pool.query(`
        INSERT INTO meterhouse.tenants (id, name) VALUES ('acme', 'Acme');
        INSERT INTO meterhouse.metrics (name, unit, aggregation, scale, family) VALUES ('calls', 'call', 'sum', 9, 'compute');
        UPDATE meterhouse.registry_version SET version = version + 1;`);
      await pool.end();
      expect(await counted(['pg', 'postgresAdapter'], { postgres })).toEqual({
        pg: [
          ['acme', 'pg.rows', null],
          ['acme', 'pg.bytes', null],
        ],
        postgresAdapter: '2.5',
      });
    });
  });

  it('has types that hold beside those of the libraries', async () => {
    await cp(join(full.folder, 'wrapper-types.mts'), join(full.folder, 'wrapper-types.cts'));
    const strict = ['--strict', '--noEmit', '--exactOptionalPropertyTypes', '--skipLibCheck'];
    const target = ['--target', 'es2023', '--types', 'node', '--module', 'nodenext'];
    const files = ['wrapper-types.mts', 'wrapper-types.cts'];
    await runTool('typescript/bin/tsc', [...strict, ...target, ...files], full.folder);
  }, 180_000);
});

function skippedFor(variable: string, value: string): string {
  return value === '' ? ` (skipped: ${variable} is not set)` : '';
}

describe('the pack', () => {
  it('is clean for publint and arethetypeswrong', { timeout: 180_000 }, async () => {
    await runTool('publint/src/cli.js', ['--strict', packed.folder], packed.folder);
    await runTool(
      '@arethetypeswrong/cli/dist/index.js',
      [packed.tarball, '--profile', 'node16'],
      packed.folder,
    );
  });

  it('exports every public subpath, and nothing else', async () => {
    const published = JSON.parse(await readFile(join(packed.folder, 'package.json'), 'utf8')) as {
      exports: object;
    };
    expect(Object.keys(published.exports).sort()).toEqual(
      [
        ...['.', './outbox', './express', './fastify', './node-http', './kafkajs', './amqplib', './bullmq'],
        ...['./metered', './pg', './llm', './gauge', './package.json'],
      ].sort(),
    );
  });

  it('names no package of the repository', async () => {
    for (const name of await readdir(packed.folder)) {
      if (!/\.[cm]?(js|ts)$/.test(name)) continue;
      const code = await readFile(join(packed.folder, name), 'utf8');
      expect(code, name).not.toMatch(/(?:from|require\(|import\() ?["']@meterhouse\//);
    }
  });
});
