/**
 * Guarantees of the registry client, on a real registry:
 *  - Registering is idempotent, also by many at once; later changes must be backward compatible, and an
 *    incompatible one is an error that names the subject.
 *  - Our messages and those of the usual kafkajs registry client are the same format.
 *  - A registry that is away, silent or broken is `registry_unavailable` within the deadline.
 */
import { SchemaRegistry as KafkajsRegistry } from '@kafkajs/confluent-schema-registry';
import { sharedStack } from '@meterhouse/dev-stack/testing';
import type { UsageEvent } from '@meterhouse/usage';
import { randomBytes } from 'node:crypto';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createEventDecoder, createEventEncoder } from './codec.ts';
import { EVENT_SCHEMA } from './codec-schemas.ts';
import { createRegistry, registerSchemas, RegistryError, type RegistryErrorCode } from './schema-registry.ts';

const { schemaRegistry: url } = await sharedStack();
const registry = createRegistry(url);

function uniqueTopics() {
  const name = `test_${randomBytes(6).toString('hex')}`;
  return { usageEvents: `${name}_events`, usageSnapshots: `${name}_snapshots` };
}

const soon = () => AbortSignal.timeout(10_000);

/** An event in which nothing is left to a default. */
const EVENT: UsageEvent = {
  id: 'e-1',
  tenantId: 'acme',
  metric: 'api.calls',
  value: '1',
  ts: 1_795_371_741_628,
  unit: 'call',
  source: 'test',
  attrs: { route: '/v1' },
  correlationId: 'c',
  attribution: { team: 'search' },
};

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function codeOf(failing: Promise<unknown>): Promise<{ code: RegistryErrorCode; message: string }> {
  const error: unknown = await failing.then(
    () => new Error('it did not fail'),
    (reason: unknown) => reason,
  );
  if (!(error instanceof RegistryError)) throw error;
  return { code: error.code, message: error.message };
}

describe('registering the schemas', () => {
  it('gives the same ids to many that start at once, and ever after', async () => {
    const topics = uniqueTopics();
    const first = await Promise.all(Array.from({ length: 6 }, () => registerSchemas(registry, topics)));
    const again = await registerSchemas(registry, topics);
    expect(new Set([...first, again].map((ids) => JSON.stringify(ids))).size).toBe(1);
    expect(again.usageEvents).not.toBe(again.usageSnapshots);
    expect(await registry.schemaById(again.usageEvents, soon())).toMatchObject({ schemaType: 'AVRO' });
  });

  it('lets a compatible schema in, and refuses an incompatible one by the name of its subject', async () => {
    const topics = uniqueTopics();
    const subject = `${topics.usageEvents}-value`;
    const { usageEvents } = await registerSchemas(registry, topics);
    const schema = JSON.parse(EVENT_SCHEMA) as { fields: object[] };
    const compatible = {
      ...schema,
      fields: [...schema.fields, { name: 'note', type: 'string', default: '' }],
    };
    const incompatible = { ...schema, fields: [...schema.fields, { name: 'weight', type: 'double' }] };
    expect(await registry.idOf(subject, JSON.stringify(compatible), soon())).not.toBe(usageEvents);
    const refused = await codeOf(registry.idOf(subject, JSON.stringify(incompatible), soon()));
    expect(refused).toMatchObject({
      code: 'schema_incompatible',
      message: expect.stringContaining(subject) as string,
    });
  });

  it('refuses our schema where the subject holds something else, by its name', async () => {
    const topics = uniqueTopics();
    const subject = `${topics.usageEvents}-value`;
    const other = { type: 'record', name: 'Other', fields: [{ name: 'x', type: 'int' }] };
    await registry.idOf(subject, JSON.stringify(other), soon());
    const refused = await codeOf(registerSchemas(registry, topics, { deadlineMs: 10_000 }));
    expect(refused).toMatchObject({
      code: 'schema_incompatible',
      message: expect.stringContaining(subject) as string,
    });
  });

  it('knows no schema for an id that was never given out', async () => {
    expect(await registry.schemaById(2_000_000_000, soon())).toBeNull();
  });
});

describe('messages', () => {
  it('are read by the kafkajs registry client, and its messages by us', async () => {
    const topics = uniqueTopics();
    const { usageEvents } = await registerSchemas(registry, topics);
    const theirs = new KafkajsRegistry({ host: url });
    const ours = createEventDecoder(registry);
    expect(await ours.learn(usageEvents, { deadlineMs: 10_000 })).toBe('known');
    expect(await theirs.decode(createEventEncoder(usageEvents)(EVENT))).toEqual(EVENT);
    expect(ours.decode(await theirs.encode(usageEvents, EVENT))).toEqual(EVENT);
  });

  it('with an id that the registry does not have, or while it is away, are told apart', async () => {
    const away = await serve((_, response) => response.socket?.destroy());
    expect(await createEventDecoder(registry).learn(2_000_000_000, { deadlineMs: 10_000 })).toBe('unknown');
    expect(await createEventDecoder(createRegistry(away)).learn(1, { deadlineMs: 300 })).toBe('unavailable');
  });
});

describe('a registry that does not answer well', () => {
  it.each<[string, RequestListener, RegistryErrorCode]>([
    ['says nothing', () => undefined, 'registry_unavailable'],
    ['hangs up', (_, response) => response.socket?.destroy(), 'registry_unavailable'],
    ['answers 500', (_, response) => response.writeHead(500).end('oops'), 'registry_unavailable'],
    ['answers no JSON', (_, response) => response.writeHead(200).end('<html>'), 'registry_unavailable'],
    ['forbids', (_, response) => response.writeHead(403).end('{}'), 'registry_refused'],
  ])('and %s is told from a missing schema, within the deadline', async (_name, listener, code) => {
    const broken = createRegistry(await serve(listener));
    expect(await codeOf(broken.schemaById(1, AbortSignal.timeout(300)))).toMatchObject({ code });
    expect(await codeOf(registerSchemas(broken, uniqueTopics(), { deadlineMs: 300 }))).toMatchObject({
      code,
    });
  });

  it('is asked again until it does, with the login of the URL', async () => {
    const topics = uniqueTopics();
    const logins = new Set<string | undefined>();
    let requests = 0;
    const flaky = await serve((request, response) => {
      logins.add(request.headers.authorization);
      if (++requests <= 3) response.writeHead(503).end();
      else response.writeHead(200).end('{"id":5}');
    });
    const withLogin = createRegistry(flaky.replace('http://', 'http://us%40er:se%3Acret@'));
    expect(await registerSchemas(withLogin, topics)).toEqual({ usageEvents: 5, usageSnapshots: 5 });
    expect([...logins]).toEqual([`Basic ${Buffer.from('us@er:se:cret').toString('base64')}`]);
  });
});
