/**
 * Guarantees of the codec:
 *  - What was encoded is decoded to the same event, also across older and newer schemas.
 *  - Whatever bytes come (cut, lengthened, changed, absent), decoding ends in a value or a Refusal with
 *    a reason of the closed list; it never throws, and it never loops on counts that the bytes invent.
 *  - Nothing is lost silently: an entry named `__proto__` and text that is not UTF-8 are refused.
 *  - An unknown schema is asked for within a deadline; the registry being away is told from a schema
 *    that does not exist; both answers, and all schemas, are remembered within bounds.
 */
import avro from 'avsc';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EVENT_LIMITS, QUARANTINE_REASONS, type UsageEvent } from '@meterhouse/usage';
import { createEncoder, HEADER_BYTES } from './codec-wire.ts';
import {
  createDecisionDecoder,
  createDecisionEncoder,
  createEventDecoder,
  createEventEncoder,
  createSnapshotDecoder,
  createSnapshotEncoder,
  isRefusal,
  isUnknownSchema,
  type Decoder,
} from './codec.ts';
import { DECISION_SCHEMA, EVENT_SCHEMA, parseSchema, SNAPSHOT_SCHEMA } from './codec-schemas.ts';
import type { UsageSnapshot } from './codec-snapshot.ts';
import { RegistryError, type SchemaRegistry, type StoredSchema } from './schema-registry.ts';

const SCHEMA_ID = 7;

const EVENT: UsageEvent = {
  id: '01a2047e-be37-76b2-a17f-19edac0177de',
  tenantId: 'acme',
  metric: 'llm.input_tokens',
  value: '12.5',
  ts: 1_795_371_741_628,
  unit: 'token',
  source: 'gateway',
  attrs: { model: 'm-1', région: 'ευ' },
  correlationId: 'c-1',
  attribution: { team: 'search' },
};

/** A registry that holds these schemas and counts how often it is asked. */
function registryOf(schemas: Record<number, string | StoredSchema>): SchemaRegistry & { asked: number } {
  const registry = {
    asked: 0,
    schemaById: (id: number) => {
      registry.asked += 1;
      const stored = schemas[id];
      return Promise.resolve(
        typeof stored === 'string' ? { schema: stored, schemaType: 'AVRO' } : (stored ?? null),
      );
    },
    idOf: () => Promise.reject(new Error('not part of this test')),
  };
  return registry;
}

const unavailable = () => Promise.reject(new RegistryError('registry_unavailable', 'away', null));

async function eventDecoder(schemas: Record<number, string | StoredSchema> = { [SCHEMA_ID]: EVENT_SCHEMA }) {
  const decoder = createEventDecoder(registryOf(schemas));
  for (const id of Object.keys(schemas)) await decoder.learn(Number(id), { deadlineMs: 1_000 });
  return decoder;
}

function refusalOf<T extends object>(decoder: Decoder<T>, message: Buffer | null) {
  const outcome = decoder.decode(message);
  if (!isRefusal(outcome)) throw new Error(`expected a refusal, got ${JSON.stringify(outcome)}`);
  return outcome;
}

/** A message in the event's schema, field by field, so that each can be wrong. */
function messageOf(...parts: (Buffer | string)[]): Buffer {
  const header = Buffer.from([0, 0, 0, 0, SCHEMA_ID]);
  const body = parts.map((part) => (typeof part === 'string' ? text(Buffer.from(part)) : part));
  return Buffer.concat([header, ...body]);
}
const text = (bytes: Buffer) => Buffer.concat([avroLong(bytes.length), bytes]);
const avroLong = (value: number) => avro.Type.forSchema('long').toBuffer(value);
const NONE = Buffer.from([0]);

const anyText = (maxLength: number, minLength = 0) => fc.string({ unit: 'binary', minLength, maxLength });
const anyMap = fc.dictionary(
  anyText(8, 1).filter((key) => key !== '__proto__'),
  anyText(20),
  { maxKeys: 5 },
);
const anyEvent: fc.Arbitrary<UsageEvent> = fc.record({
  id: anyText(40, 1),
  tenantId: anyText(20, 1),
  metric: anyText(20, 1),
  value: fc.bigInt().map(String),
  ts: fc.integer({ min: -62_167_219_200_000, max: 253_402_300_799_999 }),
  unit: fc.option(anyText(10, 1)),
  source: anyText(10),
  attrs: anyMap,
  correlationId: fc.option(anyText(10)),
  attribution: fc.option(anyMap),
});

describe('an event', () => {
  const encode = createEventEncoder(SCHEMA_ID);

  it('comes back as it was sent, whatever it holds', async () => {
    const decoder = await eventDecoder();
    fc.assert(
      fc.property(anyEvent, (event) => {
        expect({ ...(decoder.decode(encode(event)) as UsageEvent) }).toEqual(
          JSON.parse(JSON.stringify(event)),
        );
      }),
    );
  });

  it('carries the schema id as Confluent clients write it', () => {
    expect([...encode(EVENT).subarray(0, 5)]).toEqual([0, 0, 0, 0, SCHEMA_ID]);
    expect(createEventEncoder(0x01020304)(EVENT).subarray(0, 5)).toEqual(Buffer.from([0, 1, 2, 3, 4]));
  });

  it('may be larger than the buffer that events are usually encoded in', async () => {
    const attrs = Object.fromEntries(
      Array.from({ length: EVENT_LIMITS.attrs }, (_, i) => [
        `k${i}`,
        '€'.repeat(EVENT_LIMITS.attrValueLength),
      ]),
    );
    const decoder = await eventDecoder();
    expect(decoder.decode(encode({ ...EVENT, attrs }))).toMatchObject({ id: EVENT.id, attrs });
  });

  it('does not change when the next one is encoded', async () => {
    const decoder = await eventDecoder();
    const first = encode(EVENT);
    encode({ ...EVENT, id: 'another' });
    expect(decoder.decode(first)).toMatchObject({ id: EVENT.id });
  });

  it('is read from an older and from a newer schema', async () => {
    const schema = JSON.parse(EVENT_SCHEMA) as {
      fields: { name: string; type: unknown; default?: unknown }[];
    };
    const older = {
      ...schema,
      fields: schema.fields.filter(({ name }) => name !== 'attribution' && name !== 'attrs'),
    };
    const newer = {
      ...schema,
      fields: [{ name: 'extra', type: { type: 'array', items: 'double' } }, ...schema.fields],
    };
    const decoder = await eventDecoder({ 1: JSON.stringify(older), 2: JSON.stringify(newer) });
    const fromOlder = createEncoder(parseSchema(JSON.stringify(older)), 1)(EVENT);
    const fromNewer = createEncoder(parseSchema(JSON.stringify(newer)), 2)({ ...EVENT, extra: [1, 2] });
    expect(decoder.decode(fromOlder)).toEqual({ ...EVENT, attrs: {}, attribution: null });
    expect(decoder.decode(fromNewer)).toEqual(EVENT);
  });
});

describe('bytes that are not an event', () => {
  const encode = createEventEncoder(SCHEMA_ID);

  it.each([
    ['no value (a tombstone)', null, 'the message has no value'],
    ['an empty value', Buffer.alloc(0), 'the message has 0 bytes: too short for a schema id'],
    ['a wrong magic byte', Buffer.from([1, 0, 0, 0, 7, 2, 2]), 'the message begins with byte 1 instead of 0'],
    ['plain JSON', Buffer.from('{"id":1}'), 'the message begins with byte 123 instead of 0'],
    ['a schema id that none has', Buffer.from([0, 0xff, 0, 0, 7, 2, 2]), /names schema -\d+/],
  ])('%s is undecodable', async (_name, message, detail) => {
    const refusal = refusalOf(await eventDecoder(), message);
    expect(refusal.reason).toBe('undecodable');
    expect(refusal.detail).toMatch(detail);
  });

  it('an event that is cut short anywhere is undecodable', async () => {
    const decoder = await eventDecoder();
    const whole = encode(EVENT);
    for (let length = 0; length < whole.length; length++)
      expect(refusalOf(decoder, whole.subarray(0, length)).reason).toBe('undecodable');
    expect(refusalOf(decoder, whole.subarray(0, 20))).toMatchObject({
      field: 'id',
      detail: /in id, ends too early/,
    });
  });

  it('an event with bytes after it is undecodable', async () => {
    const message = Buffer.concat([encode(EVENT), Buffer.from('xyz')]);
    expect(refusalOf(await eventDecoder(), message).detail).toBe('the message has 3 bytes after its end');
  });

  it('changed bytes end in an event or in a refusal of a known reason', async () => {
    const decoder = await eventDecoder();
    const changes = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(anyEvent, changes, (event, changed) => {
        const message = encode(event);
        for (const [at, byte] of changed) message[5 + (at % (message.length - 5))] = byte;
        const outcome = decoder.decode(message);
        if (isRefusal(outcome)) expect(QUARANTINE_REASONS).toContain(outcome.reason);
        else expect(outcome).toHaveProperty('attrs');
      }),
      { numRuns: 2_000 },
    );
  });

  it('a count or a length that the bytes do not bear is refused at once', async () => {
    const decoder = await eventDecoder();
    const start = messageOf('id', 'acme', 'm', '1', avroLong(0), NONE, '');
    for (const count of [2 ** 28, 2 ** 40, 2 ** 52, -(2 ** 40)]) {
      const message = Buffer.concat([start, avroLong(count), avroLong(5)]);
      expect(refusalOf(decoder, message)).toMatchObject({ reason: 'undecodable', field: 'attrs' });
    }
    expect(refusalOf(decoder, messageOf(avroLong(-3)))).toMatchObject({ field: 'id' });
    expect(refusalOf(decoder, messageOf(avroLong(2 ** 50)))).toMatchObject({ field: 'id' });
    expect(refusalOf(decoder, messageOf(Buffer.alloc(11, 0xff)))).toMatchObject({ field: 'id' });
  });

  it('a count of items that take no bytes is refused at once too', async () => {
    const schema = JSON.parse(EVENT_SCHEMA) as { fields: object[] };
    const nothings = { name: 'nothings', type: { type: 'array', items: 'null' } };
    const decoder = await eventDecoder({
      [SCHEMA_ID]: JSON.stringify({ ...schema, fields: [nothings, ...schema.fields] }),
    });
    expect(refusalOf(decoder, messageOf(avroLong(2 ** 52)))).toMatchObject({ field: 'nothings' });
  });

  it('a timestamp that a number cannot hold exactly is undecodable', async () => {
    const ts = Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]);
    const message = messageOf('id', 'acme', 'm', '1', ts, NONE, '', NONE, NONE, NONE);
    expect(refusalOf(await eventDecoder(), message).reason).toBe('undecodable');
  });

  it('text that is not UTF-8 is undecodable, so that two ids never become one', async () => {
    const message = messageOf(
      text(Buffer.from([0x61, 0xff])),
      'acme',
      'm',
      '1',
      avroLong(0),
      NONE,
      '',
      NONE,
      NONE,
      NONE,
    );
    expect(refusalOf(await eventDecoder(), message)).toMatchObject({
      reason: 'undecodable',
      field: 'id',
      detail: 'the message, in id, has a text that is not UTF-8',
    });
  });

  it('10 MB of anything is refused', async () => {
    const message = Buffer.concat([
      messageOf('id', 'acme', 'm', '1', avroLong(0), NONE, ''),
      Buffer.alloc(10_000_000, 2),
    ]);
    expect(refusalOf(await eventDecoder(), message).reason).toBe('undecodable');
  });
});

describe('an attribute named __proto__', () => {
  const withAttr = (key: string) =>
    messageOf('id', 'acme', 'm', '1', avroLong(0), NONE, '', avroLong(1), key, 'x', NONE, NONE, NONE);

  it('is refused by name instead of being lost', async () => {
    expect(refusalOf(await eventDecoder(), withAttr('__proto__'))).toEqual({
      reason: 'invalid_event',
      field: 'attrs.__proto__',
      detail: 'has an entry named __proto__',
    });
  });

  it('is refused in the attribution too, and when written by our own encoder', async () => {
    const attribution = JSON.parse('{"__proto__":"x"}') as Record<string, string>;
    const message = createEventEncoder(SCHEMA_ID)({ ...EVENT, attribution });
    expect(refusalOf(await eventDecoder(), message)).toMatchObject({ field: 'attribution.__proto__' });
  });

  it.each(['constructor', 'toString', 'hasOwnProperty', '\u0012__proto__', '__proto__x'])(
    '(%j is an attribute like any other)',
    async (key) => {
      const outcome = (await eventDecoder()).decode(withAttr(key)) as UsageEvent;
      expect(Object.entries(outcome.attrs)).toEqual([[key, 'x']]);
    },
  );
});

describe('a schema that is not known yet', () => {
  const message = createEventEncoder(SCHEMA_ID)(EVENT);

  it('is asked for, then read', async () => {
    const decoder = createEventDecoder(registryOf({ [SCHEMA_ID]: EVENT_SCHEMA }));
    const before = decoder.decode(message);
    expect(isUnknownSchema(before) && before.unknownSchemaId).toBe(SCHEMA_ID);
    expect(await decoder.learn(SCHEMA_ID, { deadlineMs: 1_000 })).toBe('known');
    expect(decoder.decode(message)).toEqual(EVENT);
  });

  it('and that the registry does not have makes the message undecodable, until it is asked again', async () => {
    let now = 0;
    const schemas: Record<number, string> = {};
    const registry = registryOf(schemas);
    const decoder = createEventDecoder(registry, { now: () => now, absentForMs: 100 });
    expect(await decoder.learn(SCHEMA_ID, { deadlineMs: 1_000 })).toBe('unknown');
    expect(await decoder.learn(SCHEMA_ID, { deadlineMs: 1_000 })).toBe('unknown');
    expect(registry.asked).toBe(1);
    expect(refusalOf(decoder, message)).toMatchObject({
      reason: 'undecodable',
      detail: 'the registry has no schema 7',
    });
    schemas[SCHEMA_ID] = EVENT_SCHEMA;
    now = 100;
    expect(decoder.decode(message)).toEqual({ unknownSchemaId: SCHEMA_ID });
    expect(await decoder.learn(SCHEMA_ID, { deadlineMs: 1_000 })).toBe('known');
    expect(decoder.decode(message)).toEqual(EVENT);
  });

  it('is `unavailable` while the registry is away, which is not asked for each message', async () => {
    let now = 0;
    let asked = 0;
    const registry = {
      ...registryOf({}),
      schemaById: () => {
        asked += 1;
        return unavailable();
      },
    };
    const decoder = createEventDecoder(registry, { now: () => now, unavailableForMs: 1_000 });
    expect(await decoder.learn(SCHEMA_ID, { deadlineMs: 1 })).toBe('unavailable');
    const askedOnce = asked;
    expect(await decoder.learn(8, { deadlineMs: 1 })).toBe('unavailable');
    expect(asked).toBe(askedOnce);
    expect(decoder.decode(message)).toEqual({ unknownSchemaId: SCHEMA_ID });
    now = 1_000;
    expect(await decoder.learn(8, { deadlineMs: 1 })).toBe('unavailable');
    expect(asked).toBeGreaterThan(askedOnce);
  });

  it('is asked for again within the deadline when the registry comes back', async () => {
    let asked = 0;
    const registry = {
      ...registryOf({}),
      schemaById: () =>
        ++asked < 3 ? unavailable() : Promise.resolve({ schema: EVENT_SCHEMA, schemaType: 'AVRO' }),
    };
    const decoder = createEventDecoder(registry);
    expect(await decoder.learn(SCHEMA_ID, { deadlineMs: 30_000 })).toBe('known');
  });

  it.each([
    [
      'another record',
      JSON.stringify({ type: 'record', name: 'Order', fields: [] }),
      /not a meterhouse.UsageEvent/,
    ],
    [
      'a schema without a field we need',
      JSON.stringify({ type: 'record', name: 'meterhouse.UsageEvent', fields: [] }),
      /UsageEvent/,
    ],
    ['no Avro at all', { schema: '{}', schemaType: 'JSON' }, /is JSON, not Avro/],
    ['something that cannot be parsed', 'nonsense', /not a meterhouse.UsageEvent/],
  ])('and is %s makes the message undecodable', async (_name, schema, detail) => {
    const decoder = createEventDecoder(registryOf({ [SCHEMA_ID]: schema }));
    expect(await decoder.learn(SCHEMA_ID, { deadlineMs: 1_000 })).toBe('known');
    const refusal = refusalOf(decoder, message);
    expect(refusal.reason).toBe('undecodable');
    expect(refusal.detail).toMatch(detail);
  });

  it('takes the place of the oldest where the bound is reached', async () => {
    const registry = registryOf({ 1: EVENT_SCHEMA, 2: EVENT_SCHEMA, 3: EVENT_SCHEMA });
    const decoder = createEventDecoder(registry, { maxSchemas: 2 });
    for (const id of [1, 2, 3]) await decoder.learn(id, { deadlineMs: 1_000 });
    expect(decoder.decode(createEventEncoder(1)(EVENT))).toEqual({ unknownSchemaId: 1 });
    expect(decoder.decode(createEventEncoder(2)(EVENT))).toEqual(EVENT);
    expect(decoder.decode(createEventEncoder(3)(EVENT))).toEqual(EVENT);
  });
});

describe('a snapshot', () => {
  const stamp = { epoch: 3, sequence: 42, asOf: 1_795_371_741_628, publishedAt: 1_795_371_741_700 };
  const usage: UsageSnapshot = {
    ...stamp,
    kind: 'usage',
    tenantId: 'acme',
    metric: 'llm.input_tokens',
    period: 'month',
    periodStart: 1_793_491_200_000,
    periodEnd: 1_796_083_200_000,
    used: '123456789012345678901234567890.5',
  };
  const encode = createSnapshotEncoder(SCHEMA_ID);

  async function snapshotDecoder() {
    const decoder = createSnapshotDecoder(registryOf({ [SCHEMA_ID]: SNAPSHOT_SCHEMA }));
    await decoder.learn(SCHEMA_ID, { deadlineMs: 1_000 });
    return decoder;
  }

  it.each<[string, UsageSnapshot]>([
    ['of usage', usage],
    ['of a total', { ...usage, period: 'total', periodStart: 0, periodEnd: null }],
    [
      'that is a document',
      {
        ...stamp,
        kind: 'document',
        documentKind: 'plan',
        id: 'pro',
        version: 7n,
        body: { id: 'pro', limits: [] },
      },
    ],
    [
      'that removes a document',
      { ...stamp, kind: 'document', documentKind: 'plan', id: 'pro', version: 8n, body: null },
    ],
    ['that completes the registry', { ...stamp, kind: 'registry', version: 8n }],
    ['that is a heartbeat', { ...stamp, kind: 'heartbeat' }],
  ])('%s comes back as it was sent', async (_name, snapshot) => {
    expect((await snapshotDecoder()).decode(encode(snapshot))).toEqual(snapshot);
  });

  it('without what makes it one is undecodable, by field', async () => {
    const decoder = await snapshotDecoder();
    const message = createEncoder(parseSchema(SNAPSHOT_SCHEMA), SCHEMA_ID)({ ...usage, tenantId: '' });
    expect(refusalOf(decoder, message)).toMatchObject({ reason: 'undecodable', field: 'tenantId' });
  });

  it('of an older release ends with its UTC period, and an older release can read ours', async () => {
    const fields = (JSON.parse(SNAPSHOT_SCHEMA) as { fields: { name: string }[] }).fields;
    const before = {
      ...(JSON.parse(SNAPSHOT_SCHEMA) as object),
      fields: fields.filter(({ name }) => name !== 'periodEnd'),
    };
    const older = JSON.stringify(before);
    const decoder = createSnapshotDecoder(registryOf({ [SCHEMA_ID]: older }));
    await decoder.learn(SCHEMA_ID, { deadlineMs: 1_000 });
    const { periodEnd, ...said } = usage;
    expect(decoder.decode(createEncoder(parseSchema(older), SCHEMA_ID)(said))).toEqual({
      ...said,
      periodEnd,
    });
    // Also a message of a total: it has no period, and the older release knows no other.
    const reader = parseSchema(older);
    const resolver = reader.createResolver(parseSchema(SNAPSHOT_SCHEMA));
    for (const message of [usage, { ...usage, period: 'total', periodStart: 0, periodEnd: null } as const])
      expect(() => reader.decode(encode(message), HEADER_BYTES, resolver)).not.toThrow();
  });
});

describe('a decision', () => {
  const record = {
    id: '01a2047e-be37-76b2-a17f-19edac0177de',
    at: 1_795_371_741_628,
    outcome: 'deny',
    reason: 'quota_exhausted',
    request: { tenantId: 'acme', correlationId: 'c-1', actor: { type: 'user', id: 'ann' } },
    registryVersion: '12',
    now: { wallMs: 1_795_371_741_628, monotonicMs: 4711.123456789 },
  };
  const decoderOf = async (schema: string) => {
    const decoder = createDecisionDecoder(registryOf({ [SCHEMA_ID]: schema }));
    await decoder.learn(SCHEMA_ID, { deadlineMs: 100 });
    return decoder;
  };

  it('comes back with its whole record, and is no refusal', async () => {
    const decoder = await decoderOf(DECISION_SCHEMA);
    const decoded = decoder.decode(createDecisionEncoder(SCHEMA_ID)(record));
    expect(isRefusal(decoded)).toBe(false);
    expect(decoded).toEqual({
      ...{ id: record.id, at: record.at, outcome: 'deny', reason: 'quota_exhausted' },
      ...{ tenantId: 'acme', correlationId: 'c-1', registryVersion: 12n, record },
    });
  });

  it('whose record is not JSON is undecodable', async () => {
    const decoder = await decoderOf(DECISION_SCHEMA);
    const encode = createEncoder(parseSchema(DECISION_SCHEMA), SCHEMA_ID);
    const { id, at, outcome, reason } = record;
    const fields = { id, at, outcome, reason, tenantId: 'acme', correlationId: 'c', registryVersion: 1 };
    expect(decoder.decode(encode({ ...fields, record: '{' }))).toMatchObject({
      ...{ reason: 'undecodable', field: 'record' },
    });
    expect(decoder.decode(Buffer.from('hello'))).toMatchObject({ reason: 'undecodable' });
  });
});
