/**
 * What `POST /v1/events` holds, on the real broker and registry:
 *  - Acknowledged means that the event is on the topic, as it was sent, digit for digit.
 *  - Every event of a request has an outcome of its own; none vanishes.
 *  - A key sends for its tenant and what lies below it, and for nobody else.
 *  - The same request again, with the same Idempotency-Key, carries the same ids.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { randomUUID } from 'node:crypto';
import { startEventsApi, type EventsApi } from '../events/testing.ts';

let events: EventsApi;
beforeAll(async () => {
  events = await startEventsApi();
});
afterAll(() => events.close());

const NDJSON = { 'content-type': 'application/x-ndjson' };
const TS = '2026-01-02T03:04:05.678Z';
const json = (value: unknown): string => JSON.stringify(value);

/** The event that is on the topic under an id. */
async function onTopic(id: string | null | undefined) {
  return (await events.onTopic()).filter(({ event }) => event.id === id).map(({ event }) => event);
}

describe('an acknowledged event', () => {
  it('is on the topic with everything that was sent', async () => {
    const event = {
      id: randomUUID(),
      tenantId: 'acme/dev',
      metric: 'gpu.hours',
      value: '0.250000001',
      ts: TS,
      unit: 'hour',
      source: 'scheduler',
      attrs: { region: 'eu', 'odd key': 'Ünïcode "quoted"' },
      correlationId: 'c-1',
      attribution: { project: 'p1' },
    };
    const { status, answer } = await events.send(json(event));
    expect(status).toBe(200);
    expect(answer).toEqual({
      acknowledged: 1,
      refused: 0,
      notAcknowledged: 0,
      events: [{ index: 0, outcome: 'acknowledged', id: event.id }],
    });
    expect(await onTopic(event.id)).toEqual([{ ...event, ts: Date.parse(TS) }]);
  });

  it('that leaves things out has the key’s tenant and id, the request’s correlation id, and 1 as its value', async () => {
    const headers = { 'content-type': 'application/json', 'x-correlation-id': 'request-7' };
    const { answer } = await events.send(json({ metric: 'api.calls' }), { headers });
    const [event] = await onTopic(answer.events?.[0]?.id);
    expect(event).toMatchObject({
      tenantId: 'acme',
      source: 'key-of-acme',
      correlationId: 'request-7',
      value: '1',
      unit: null,
      attrs: {},
    });
    expect(Math.abs(Date.now() - (event?.ts ?? 0))).toBeLessThan(60_000);
  });

  it('has the amount that the text says, also where it is written as a number', async () => {
    const amounts = [
      '9007199254740993',
      '0.1000000000000000055',
      '1.000000000000000001',
      '1.10',
      '-3',
      '12345678901234567890123456789',
      '1e3',
      '0.1',
    ];
    const body = `[${amounts.map((amount) => `{"metric":"m","ts":0,"value" : ${amount}}`).join(',')}]`;
    const { status, answer } = await events.send(body);
    expect(status).toBe(207);
    const outcomes = answer.events ?? [];
    const found = new Map((await events.onTopic()).map(({ event }) => [event.id, event.value]));
    expect(outcomes.map((one) => (one.outcome === 'refused' ? one.field : found.get(one.id ?? '')))).toEqual([
      '9007199254740993',
      'value',
      'value',
      '1.1',
      '-3',
      '12345678901234567890123456789',
      'value',
      '0.1',
    ]);
  });

  it('has no amount that went through a float on a way around', async () => {
    const { answer } = await events.send(String.raw`{"metric":"m","\u0076alue":0.1000000000000000055}`);
    expect(answer.events).toMatchObject([{ outcome: 'refused', field: 'value', code: 'invalid_value' }]);
    const attrs = await events.send('{"metric":"m","attrs":{"value":5}}');
    expect(attrs.answer.events).toMatchObject([{ outcome: 'refused', field: 'attrs.value' }]);
  });
});

describe('the outcome', () => {
  it('of an array is one for each, in order, and 207 where they differ', async () => {
    const { status, answer } = await events.send(
      json([
        { id: 'a', metric: 'm', ts: TS },
        { id: 'b', metric: '1 bad name', ts: TS },
        { id: 'c', metric: 'm', value: 'many', ts: TS },
        { id: 'd', metric: 'm', ts: 'yesterday' },
        { id: 'e', metric: 'm', colour: 'red' },
        { id: 'f', metric: 'm', attrs: { region: 5 } },
        'not an event',
        null,
        { id: 'g', metric: 'm', ts: TS },
      ]),
    );
    expect(status).toBe(207);
    expect(answer).toMatchObject({ acknowledged: 2, refused: 7, notAcknowledged: 0 });
    expect(
      answer.events?.map((one) => [one.index, one.id, 'field' in one ? one.field : one.outcome]),
    ).toEqual([
      [0, 'a', 'acknowledged'],
      [1, 'b', 'metric'],
      [2, 'c', 'value'],
      [3, 'd', 'ts'],
      [4, 'e', 'colour'],
      [5, 'f', 'attrs.region'],
      [6, null, 'event'],
      [7, null, 'event'],
      [8, 'g', 'acknowledged'],
    ]);
  });

  it('of NDJSON leaves the good lines standing beside a broken one', async () => {
    const { status, answer } = await events.send(
      '{"metric":"m","id":"n-1"}\r\n\n   \n{"metric":"m"\n{"metric":"m","id":"n-2","value":7}\n[]',
      { headers: NDJSON },
    );
    expect(status).toBe(207);
    expect(answer.events).toMatchObject([
      { index: 0, outcome: 'acknowledged', id: 'n-1' },
      { index: 1, outcome: 'refused', code: 'invalid_json' },
      { index: 2, outcome: 'acknowledged', id: 'n-2' },
      { index: 3, outcome: 'refused', code: 'invalid_event' },
    ]);
  });

  it('of nothing but refusals is a problem of status 422 that names each field', async () => {
    const { status, headers, answer } = await events.send(json([{ metric: 'm', value: 'x' }]));
    expect(status).toBe(422);
    expect(headers.get('content-type')).toContain('application/problem+json');
    expect(answer).toMatchObject({
      code: 'refused',
      refused: 1,
      errors: [{ field: 'body.0.value', detail: '"x" is not a plain decimal such as -12.5' }],
      events: [{ index: 0, outcome: 'refused', code: 'invalid_value', field: 'value' }],
    });
  });

  it('of an empty array is an empty list', async () => {
    expect(await events.send('[]')).toMatchObject({ status: 200, answer: { acknowledged: 0, events: [] } });
  });
});

describe('a key', () => {
  const outcomes = async (as: string, tenants: readonly (string | undefined)[]) =>
    (
      await events.send(json(tenants.map((tenantId) => ({ tenantId, metric: 'm' }))), { as })
    ).answer.events?.map((one) => (one.outcome === 'refused' ? one.code : one.outcome));

  it('sends for its tenant and everything below it, and for nobody else', async () => {
    const tenants = [undefined, 'acme', 'acme/dev', 'acme/dev/search', 'other', 'nobody'];
    const no = 'unknown_tenant';
    const yes = 'acknowledged';
    expect(await outcomes('acme', tenants)).toEqual([yes, yes, yes, yes, no, no]);
    expect(await outcomes('dev', tenants)).toEqual([yes, no, yes, yes, no, no]);
    expect(await outcomes('operator', tenants)).toEqual(['invalid_event', yes, yes, yes, yes, no]);
  });

  it('for anything but ingest or the platform sends nothing', async () => {
    for (const as of ['reader', 'admin'])
      expect(await events.send(json({ metric: 'm' }), { as })).toMatchObject({
        status: 403,
        answer: { code: 'forbidden' },
      });
    expect(await events.send(json({ metric: 'm' }), { as: 'stranger' })).toMatchObject({ status: 401 });
  });
});

describe('Idempotency-Key', () => {
  const sendWith = (key: string, body: unknown, as = 'acme') =>
    events.send(json(body), { as, headers: { 'content-type': 'application/json', 'idempotency-key': key } });
  const ids = (sent: Awaited<ReturnType<EventsApi['send']>>) => sent.answer.events?.map(({ id }) => id);

  it('gives events without an id the same one each time, and leaves the others theirs', async () => {
    const key = randomUUID();
    const body = [
      { metric: 'm', ts: TS },
      { metric: 'm', ts: TS, id: 'own' },
      { metric: 'm', ts: TS },
    ];
    const first = await sendWith(key, body);
    expect(first.status).toBe(200);
    const [one, two, three] = ids(first) ?? [];
    expect(one).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(two).toBe('own');
    expect(new Set([one, two, three]).size).toBe(3);
    expect(ids(await sendWith(key, body))).toEqual([one, two, three]);
    const copies = await onTopic(one);
    expect(copies).toHaveLength(2);
    // But for how it came to us, which is not what is counted.
    expect({ ...copies[0], correlationId: null }).toEqual({ ...copies[1], correlationId: null });
  });

  it('of another tenant, or another key, gives other ids', async () => {
    const key = randomUUID();
    const body = [{ metric: 'm', ts: TS, tenantId: 'acme/dev' }];
    const all = [
      ...(ids(await sendWith(key, body)) ?? []),
      ...(ids(await sendWith(key, body, 'dev')) ?? []),
      ...(ids(await sendWith(key, body, 'operator')) ?? []),
      ...(ids(await sendWith(`${key}x`, body)) ?? []),
    ];
    expect(new Set(all).size).toBe(4);
  });

  it('asks for the time of an event without an id: the time of each receipt would contradict itself', async () => {
    const { status, answer } = await sendWith(randomUUID(), [{ metric: 'm' }, { metric: 'm', id: 'mine' }]);
    expect(status).toBe(207);
    expect(answer.events).toMatchObject([
      { outcome: 'refused', field: 'ts' },
      { outcome: 'acknowledged', id: 'mine' },
    ]);
  });

  it('is refused where it is none', async () => {
    for (const key of ['two words', 'x'.repeat(256)])
      expect(await sendWith(key, { metric: 'm', ts: TS })).toMatchObject({
        status: 400,
        answer: { code: 'invalid_request', errors: [{ field: 'headers.idempotency-key' }] },
      });
  });
});

describe('hostile texts', () => {
  const CORPUS = [
    `'; DROP TABLE meterhouse.usage_hourly; --`,
    `" OR 1=1 --`,
    '{{7*7}}${7*7}<%= 7*7 %>',
    '<script>alert(1)</script>',
    '../../../../etc/passwd',
    '$(id)`id`;id|id',
    '\r\nSet-Cookie: a=b',
    '%0d%0aLocation:x',
    '\u202egnp.exe',
    '\u0000',
    '\ud800',
    '__proto__',
    'constructor',
    '\\N\t\\x00',
    'Ā'.repeat(256),
    '(SELECT pg_sleep(10))',
    `', {p:Identifier}, '`,
  ];
  const FIELDS = ['id', 'tenantId', 'metric', 'value', 'ts', 'unit', 'source', 'correlationId'] as const;

  it('in any field are kept as they are or refused by that field’s name, and nothing else', async () => {
    const batch = FIELDS.flatMap((field) =>
      CORPUS.map((text, index) => ({
        sent: { metric: 'canary', ts: TS, id: `${field}-${index}`, attrs: {}, [field]: text },
        field,
      })),
    ).concat(
      CORPUS.flatMap((text, index) => [
        {
          sent: { metric: 'canary', ts: TS, id: `value-of-${index}`, attrs: { a: text } },
          field: 'attrs' as never,
        },
        // As a name; `__proto__` as one is refused with the whole body, see below.
        {
          sent: { metric: 'canary', ts: TS, id: `name-of-${index}`, attrs: { [`x${text}`]: 'v' } },
          field: 'attrs' as never,
        },
      ]),
    );
    const { status, answer } = await events.send(json(batch.map(({ sent }) => sent)));
    expect(status).toBe(207);
    const found = new Map((await events.onTopic()).map(({ event }) => [event.id, event]));
    for (const [index, outcome] of (answer.events ?? []).entries()) {
      const { sent, field } = batch[index] ?? { sent: {}, field: 'id' };
      if (outcome.outcome === 'refused') expect(outcome.field).toMatch(new RegExp(`^${field}\\b`));
      else expect(found.get(outcome.id ?? '')).toMatchObject({ ...sent, ts: Date.parse(TS) });
    }
    expect(answer.events).toHaveLength(batch.length);
  });

  it('never name a prototype', async () => {
    for (const body of ['{"metric":"m","attrs":{"__proto__":"x"}}', '{"__proto__":{"role":"operator"}}'])
      expect(await events.send(body)).toMatchObject({ status: 400, answer: { code: 'invalid_json' } });
  });
});
