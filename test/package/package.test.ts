/**
 * Guarantees of the package as others install it from npm's tarball:
 *  - `import` and `require` both work, with one of everything: contexts, classes, functions.
 *  - noop, log and http need none of the optional peers; what an adapter misses is named by `ready()`.
 *  - With its client the kafka adapter delivers, schema included.
 *  - Its types hold without the optional peers, for `import` and `require`, in both resolutions in use.
 *  - A meter keeps no process alive, leaves no rejection unhandled, and its spool outlives the process.
 *  - publint and arethetypeswrong find nothing; nothing of ours that is not for others is in it.
 */
import { cp, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { sharedStack } from '@meterhouse/dev-stack/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newTopic, readTopic } from '@meterhouse/producer/testing';
import {
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
}, 300_000);
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

it('delivers to Kafka where its client is installed, and keeps no process for it', async () => {
  const endpoints = await sharedStack();
  const project = await newProject(packed, 'kafkajs', '@kafkajs/confluent-schema-registry', 'avsc');
  try {
    const { topic, kafka, target } = await newTopic(endpoints);
    const { result } = await project.run('sends-to-kafka.cjs', JSON.stringify(target));
    // With a broker that is away, and nothing to bring there.
    const away = { brokers: ['127.0.0.1:1'], schemaRegistryUrl: 'http://127.0.0.1:1' };
    await project.run('ends-idle.mjs', JSON.stringify({ adapter: 'kafka', kafka: away }));
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
  } finally {
    await project.remove();
  }
}, 180_000);

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
