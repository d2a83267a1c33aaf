/**
 * Guarantees of the HTTP sink, against servers that answer as Meterhouse, Lago and OpenMeter do:
 *  - What the meter acknowledges, the sink has, once, whatever answers were lost; nothing else is sent twice.
 *  - A busy sink is left alone as long as it asks; a failing one is left alone altogether after some time.
 *  - Only what the sink says it will never take is refused, by our field and with its words; a wrong key or
 *    address loses nothing.
 *  - Values and times arrive as exact text; the key is in no error.
 *  - No more than `batchSize` events a request; gzip where it is wanted.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { expect, onTestFinished, test } from 'vitest';
import { createMeter, type MeterParts } from '../../create-meter.ts';
import { ConfigError } from '@meterhouse/runtime';
import type { MeterConfiguration } from '../../configuration/schema.ts';
import type { MeterError } from '../../errors.ts';
import type { Meter } from '../../meter.ts';
import { retryAfterMs } from './retry-after.ts';

const KEY = 'secret-canary-4711';

interface Asked {
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
  readonly json: unknown;
}
type Answer = (asked: Asked, response: ServerResponse) => void;

async function sinkThat(answer: Answer): Promise<{ url: string; asked: Asked[] }> {
  const asked: Asked[] = [];
  const server = createServer((request, response) => {
    void (async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const raw = Buffer.concat(chunks);
      const text = (request.headers['content-encoding'] === 'gzip' ? gunzipSync(raw) : raw).toString();
      const each = {
        url: request.url ?? '',
        headers: request.headers,
        text,
        json: text === '' ? null : (JSON.parse(text) as unknown),
      };
      asked.push(each);
      answer(each, response);
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

function meterTo(
  url: string,
  http: Partial<NonNullable<MeterConfiguration['http']>> = {},
  parts: MeterParts = {},
): Meter {
  const meter = createMeter(
    { source: 'test', adapter: 'http', http: { url, key: KEY, ...http } },
    { ports: { random: () => 0 }, ...parts },
  );
  onTestFinished(async () => {
    await meter.close({ deadlineMs: 0 });
  });
  return meter;
}

function json(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

const event = (id: string, fields: object = {}) => ({
  id,
  tenantId: 'acme',
  metric: 'llm.tokens',
  value: '0.1',
  ...fields,
});
const errorOf = (failing: Promise<unknown>): Promise<MeterError> =>
  failing.then(
    () => Promise.reject(new Error('it did not fail')),
    (error: unknown) => error as MeterError,
  );

/** Ids in the order of the request. */
const idsOf = ({ json: body }: Asked): string[] => (body as { id: string }[]).map(({ id }) => id);

test('Meterhouse: each event has an outcome of its own', async () => {
  let away = true;
  const { url, asked } = await sinkThat((request, response) => {
    const events = idsOf(request).map((id, index) => {
      if (id === 'odd')
        return { index, outcome: 'refused', id, code: 'unknown_tenant', field: 'tenantId', detail: 'no' };
      if (id === 'slow' && away)
        return { index, outcome: 'not_acknowledged', id, ts: null, code: 'overloaded', detail: '' };
      return { index, outcome: 'acknowledged', id };
    });
    away = false;
    json(response, 207, { acknowledged: 0, refused: 0, notAcknowledged: 0, events });
  });
  const meter = meterTo(url);
  const [good, odd, slow] = await Promise.allSettled([
    meter.record(
      event('good', {
        ts: '2026-11-29T10:00:00.123Z',
        attrs: { model: 'large' },
        value: '12345678901234567890.000000001',
      }),
    ),
    meter.record(event('odd')),
    meter.record(event('slow')),
  ]);
  expect([good.status, slow.status]).toEqual(['fulfilled', 'fulfilled']);
  expect(odd).toMatchObject({
    reason: { code: 'refused', reason: 'rejected', field: 'tenantId', canRetry: false },
  });
  expect(asked.map(idsOf)).toEqual([['good', 'odd', 'slow'], ['slow']]);
  expect(asked[0]).toMatchObject({
    url: '/v1/events',
    headers: {
      authorization: `Bearer ${KEY}`,
      'content-type': 'application/json',
      'content-encoding': 'gzip',
    },
    json: [
      {
        ...{ id: 'good', tenantId: 'acme', metric: 'llm.tokens', source: 'test', attrs: { model: 'large' } },
        ...{ value: '12345678901234567890.000000001', ts: '2026-11-29T10:00:00.123Z' },
      },
      {},
      {},
    ],
  });
  expect(meter.counters()).toMatchObject({
    accepted: 3,
    acknowledged: 2,
    refused: { rejected: 1 },
    buffered: 0,
  });
});

/** What a sink of the kind keeps: the events whose request it took whole. */
function lago(bad: (id: string) => boolean, loseAnswers: () => boolean) {
  const kept: string[] = [];
  const answer: Answer = ({ json: body }, response) => {
    const { events } = body as { events: { transaction_id: string }[] };
    const errors = Object.fromEntries<object>(
      events.flatMap(({ transaction_id: id }, index): [string, object][] => {
        if (bad(id)) return [[String(index), { timestamp: ['invalid_format'] }]];
        return kept.includes(id) ? [[String(index), { transaction_id: ['value_already_exist'] }]] : [];
      }),
    );
    if (Object.keys(errors).length > 0) {
      json(response, 422, {
        status: 422,
        error: 'Unprocessable Entity',
        code: 'validation_errors',
        error_details: errors,
      });
      return;
    }
    kept.push(...events.map(({ transaction_id: id }) => id));
    if (loseAnswers()) response.destroy();
    else json(response, 200, { events });
  };
  return { kept, answer };
}

test('Lago: events that it has already count as taken, and one bad event does not hold up a batch', async () => {
  let losses = 2;
  const { kept, answer } = lago(
    (id) => id.startsWith('bad'),
    () => losses-- > 0,
  );
  const { url, asked } = await sinkThat(answer);
  const meter = meterTo(url, { format: 'lago', valueProperty: 'tokens' });
  const ids = ['a', 'bad-1', 'b', 'c', 'bad-2', 'd'];
  const outcomes = await Promise.allSettled(
    ids.map((id) => meter.record(event(id, { ts: 1_796_000_000_007, attrs: { model: 'large' } }))),
  );
  expect(ids.filter((_, index) => outcomes[index]?.status === 'fulfilled')).toEqual(['a', 'b', 'c', 'd']);
  expect(outcomes[1]).toMatchObject({ reason: { reason: 'rejected', field: 'ts' } });
  expect(kept).toEqual(['a', 'b', 'c', 'd']);
  expect(asked[0]?.url).toBe('/api/v1/events/batch');
  expect((asked[0]?.json as { events: unknown[] }).events[0]).toEqual({
    transaction_id: 'a',
    external_subscription_id: 'acme',
    code: 'llm.tokens',
    timestamp: '1796000000.007',
    properties: { model: 'large', tokens: '0.1' },
  });
});

test('OpenMeter: CloudEvents in a batch; a batch that is refused is halved down to what is wrong', async () => {
  const kept: string[] = [];
  const { url, asked } = await sinkThat((request, response) => {
    const ids = idsOf(request);
    if (ids.includes('bad')) {
      json(response, 400, {
        type: 'about:blank',
        title: 'Bad Request',
        status: 400,
        detail: 'invalid event',
      });
      return;
    }
    kept.push(...ids);
    response.writeHead(204).end();
  });
  const meter = meterTo(url, { format: 'openmeter' });
  const ids = ['a', 'b', 'bad', 'c', 'd'];
  const outcomes = await Promise.allSettled(
    ids.map((id) => meter.record(event(id, { ts: '2026-11-29T10:00:00Z', attrs: { model: 'large' } }))),
  );
  expect(outcomes.map(({ status }) => status)).toEqual([
    'fulfilled',
    'fulfilled',
    'rejected',
    'fulfilled',
    'fulfilled',
  ]);
  expect(outcomes[2]).toMatchObject({ reason: { code: 'refused', reason: 'rejected' } });
  expect(kept.toSorted()).toEqual(['a', 'b', 'c', 'd']);
  expect(asked[0]).toMatchObject({
    url: '/api/v1/events',
    headers: { 'content-type': 'application/cloudevents-batch+json' },
  });
  expect((asked[0]?.json as unknown[])[0]).toEqual({
    specversion: '1.0',
    id: 'a',
    source: 'test',
    type: 'llm.tokens',
    subject: 'acme',
    time: '2026-11-29T10:00:00.000Z',
    datacontenttype: 'application/json',
    data: { model: 'large', value: '0.1' },
  });
});

test('a wrong key, a wrong address and a redirection lose nothing, and name no key', async () => {
  const statuses = [401, 404, 302, 503, 500];
  const lines: string[] = [];
  const { url, asked } = await sinkThat((_, response) => {
    const status = statuses.shift() ?? 204;
    response
      .writeHead(status, status === 302 ? { location: 'http://127.0.0.1:1/' } : {})
      .end(status === 204 ? '' : 'no');
  });
  const { pino } = await import('pino');
  const logger = pino({ level: 'debug' }, { write: (line: string) => void lines.push(line) });
  const meter = meterTo(url, { format: 'openmeter', breaker: { failures: 100 } }, { logger });
  await meter.record(event('a'));
  expect(asked).toHaveLength(6);
  expect(meter.counters()).toMatchObject({ acknowledged: 1, retries: 5 });
  expect(lines.join('')).toContain('the sink answers 401');
  expect(lines.join('')).not.toContain(KEY);
});

test('a request that is too large is sent in parts', async () => {
  const { url, asked } = await sinkThat((request, response) => {
    response.writeHead(idsOf(request).length > 2 ? 413 : 204).end();
  });
  const meter = meterTo(url, { format: 'openmeter', path: '/elsewhere' });
  await Promise.all(['a', 'b', 'c', 'd', 'e'].map((id) => meter.record(event(id))));
  expect(
    asked
      .slice(1)
      .flatMap(idsOf)
      .filter((id, index, all) => all.indexOf(id) === index),
  ).toHaveLength(5);
  expect(new Set(asked.map((each) => each.url))).toEqual(new Set(['/elsewhere']));
});

test('no request holds more than batchSize events', async () => {
  const { url, asked } = await sinkThat((_, response) => response.writeHead(204).end());
  const meter = meterTo(url, { format: 'openmeter', batchSize: 10 });
  for (let index = 0; index < 95; index++) meter.add(event(`e-${index}`));
  await meter.flush();
  expect(asked.flatMap(idsOf)).toEqual(Array.from({ length: 95 }, (_, index) => `e-${index}`));
  expect(Math.max(...asked.map((each) => idsOf(each).length))).toBe(10);
});

test('a sink that fails again and again is left alone, and asked once before it is used again', async () => {
  const times: number[] = [];
  const { url } = await sinkThat((_, response) => {
    times.push(performance.now());
    response.writeHead(times.length <= 4 ? 500 : 204).end();
  });
  await meterTo(url, { format: 'openmeter', breaker: { failures: 3, openMs: 300 } }).record(event('a'));
  expect(times).toHaveLength(5);
  // After the third failure, and again after the one that was tried: each time at least as long as it is open.
  const [, , third = 0, fourth = 0, fifth = 0] = times;
  expect(Math.min(fourth - third, fifth - fourth)).toBeGreaterThan(250);
});

test('a sink that is not there loses nothing: the event is the caller’s again when its time is up', async () => {
  const { url } = await sinkThat(() => undefined);
  const meter = createMeter(
    { source: 'test', adapter: 'http', http: { url }, bounds: { deliveryMs: 300, attemptMs: 100 } },
    { ports: { random: () => 0 } },
  );
  onTestFinished(async () => {
    await meter.close({ deadlineMs: 0 });
  });
  const error = await errorOf(meter.record(event('a')));
  expect(error).toMatchObject({ code: 'not_acknowledged', canRetry: true, event: { id: 'a' } });
});

test('a key in the address is refused by name', () => {
  const http = { url: 'https://user:pw@sink.example.com' };
  expect(() => createMeter({ source: 'test', adapter: 'http', http })).toThrow(ConfigError);
  expect(() => createMeter({ source: 'test', adapter: 'http', http })).toThrow(/http\.url/);
});

test('Retry-After is seconds or a date', () => {
  const now = Date.parse('2026-11-29T10:00:00Z');
  expect(retryAfterMs('120', now)).toBe(120_000);
  expect(retryAfterMs('Sun, 29 Nov 2026 10:00:05 GMT', now)).toBe(5_000);
  expect(retryAfterMs('Sun, 29 Nov 2026 09:00:00 GMT', now)).toBe(0);
  expect(retryAfterMs('soon', now)).toBeNull();
  expect(retryAfterMs(null, now)).toBeNull();
});

test('only our own API, asked with a key, answers questions; the others say who could', async () => {
  const sink = await sinkThat((_, response) => {
    json(response, 200, { asOf: { completeThrough: null }, rows: [{ usage: '1.5', unit: 'hour' }] });
  });
  const question = { tenantId: 'acme', metric: 'm', from: 0, to: 3_600_000 };
  expect(await meterTo(sink.url).getUsage(question)).toMatchObject({ value: '1.5', asOf: { origin: 'api' } });
  expect(sink.asked[0]?.headers.authorization).toBe(`Bearer ${KEY}`);
  for (const http of [{ key: undefined }, { format: 'lago' }, { format: 'openmeter' }] as const)
    await expect(meterTo(sink.url, http).getUsage(question)).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining('usage.from') as string,
    });
  expect(sink.asked).toHaveLength(1);
});
