/**
 * What bounds the body of `POST /v1/events`:
 *  - As it is sent and as it inflates it has at most 5 MB and 1,000 events; a bomb costs no memory.
 *  - What is compressed is read whole or refused: no frame is left out in silence.
 *  - Bodies that are read at one time are bounded over all keys, and for each.
 * No event of these gets as far as the broker.
 */
import { request as httpRequest } from 'node:http';
import { constants, gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startEventsApi, type EventsApi } from '../events/testing.ts';

const MIB = 1024 * 1024;
/** Refused by its metric, so that what was read can be counted without a broker. */
const refusedEvents = (count: number): string => JSON.stringify(Array.from({ length: count }, () => ({})));

let events: EventsApi;
beforeAll(async () => {
  events = await startEventsApi();
});
afterAll(() => events.close());

const send = (body: string | Buffer, headers: Readonly<Record<string, string>> = {}) =>
  events.send(typeof body === 'string' ? body : new Uint8Array(body), {
    headers: { 'content-type': 'application/json', ...headers },
  });
const compressed = (body: Buffer, encoding: string) => send(body, { 'content-encoding': encoding });

describe('a body', () => {
  it('of 1,000 events is read, and of 1,001 not, in every form that holds several', async () => {
    const lines = (count: number): string => '{}\n'.repeat(count);
    const forms: [string, (count: number) => string][] = [
      ['application/json', refusedEvents],
      ['application/cloudevents-batch+json', refusedEvents],
      ['application/x-ndjson', lines],
    ];
    for (const [type, make] of forms) {
      expect((await send(make(1_000), { 'content-type': type })).answer).toMatchObject({ refused: 1_000 });
      const { status, answer } = await send(make(1_001), { 'content-type': type });
      expect([type, status, answer.code]).toEqual([type, 413, 'too_large']);
    }
  });

  it('of more than 5 MB is refused, whether it says so beforehand or not, and the answer arrives', async () => {
    const large = Buffer.alloc(5 * MIB + 1, ' ');
    expect(await send(large)).toMatchObject({ status: 413, answer: { code: 'too_large' } });
    const stream = new ReadableStream({
      start: (controller) => {
        for (let i = 0; i < 6; i++) controller.enqueue(new Uint8Array(MIB).fill(32));
        controller.close();
      },
    });
    const response = await events.api.call('acme', '/v1/events', {
      method: 'POST',
      body: stream,
      headers: { 'content-type': 'application/json' },
      duplex: 'half',
    });
    expect(response.status).toBe(413);
    expect(await send(Buffer.alloc(5 * MIB, ' '))).toMatchObject({
      status: 400,
      answer: { code: 'invalid_json' },
    });
  });

  it('nested deeper than an event is, or with more values than events have, is refused before it is parsed', async () => {
    for (const body of ['['.repeat(100_000), `[${'1,'.repeat(100_001)}1]`])
      expect(await send(body)).toMatchObject({ status: 413, answer: { code: 'too_large' } });
  });

  it('that is not UTF-8, or says that it is something else, is refused', async () => {
    expect(await send(Buffer.from([0x22, 0xff, 0x22]))).toMatchObject({ answer: { code: 'invalid_json' } });
    for (const type of ['application/json; charset=latin1', 'text/plain', 'application/xml'])
      expect(await send('{}', { 'content-type': type })).toMatchObject({
        status: 415,
        answer: { code: 'unsupported_media_type' },
      });
    expect(await send('{}', { 'content-type': 'application/JSON; charset="UTF-8"' })).toMatchObject({
      status: 422,
    });
  });

  it('that ends before its end is answered as the client’s error, and holds nothing', async () => {
    const { port } = new URL(events.api.url);
    const client = httpRequest({
      port,
      path: '/v1/events',
      method: 'POST',
      headers: {
        authorization: 'Bearer acme',
        'content-type': 'application/json',
        'content-length': 2 * MIB,
      },
    });
    client.on('error', () => undefined);
    client.write(Buffer.alloc(MIB, ' '));
    await vi.waitFor(() => expect(events.intake.budget.heldBytes).toBe(MIB), { timeout: 20_000 });
    client.destroy();
    await vi.waitFor(() => expect(events.intake.budget.heldBytes).toBe(0), { timeout: 20_000 });
  });
});

describe('a compressed body', () => {
  const body = Buffer.from(refusedEvents(100));

  it('in gzip or zstd is read like a plain one', async () => {
    for (const [encoding, sent] of [
      ['gzip', gzipSync(body)],
      ['zstd', zstdCompressSync(body)],
      // Several gzip members are one body.
      ['GZIP', Buffer.concat([gzipSync(body.subarray(0, 50)), gzipSync(body.subarray(50))])],
      ['identity', body],
    ] as const)
      expect([encoding, (await compressed(sent, encoding)).answer.refused]).toEqual([encoding, 100]);
  });

  it('in another encoding, or in two, is not read', async () => {
    for (const encoding of ['br', 'deflate', 'gzip, zstd', 'gzip, gzip'])
      expect(await compressed(gzipSync(body), encoding)).toMatchObject({
        status: 415,
        answer: { code: 'unsupported_media_type' },
      });
  });

  it('that is cut off, is none, or has something behind it is refused whole', async () => {
    const gzip = gzipSync(body);
    const zstd = zstdCompressSync(body);
    const cases: [string, Buffer][] = [
      ['gzip', gzip.subarray(0, -4)],
      ['zstd', zstd.subarray(0, -4)],
      ['gzip', body],
      ['zstd', body],
      ['gzip', Buffer.alloc(0)],
      ['gzip', Buffer.concat([gzip, Buffer.from('{"metric":"m"}')])],
      ['zstd', Buffer.concat([zstd, zstd])],
    ];
    for (const [encoding, sent] of cases)
      expect(await compressed(sent, encoding)).toMatchObject({
        status: 400,
        answer: { code: 'invalid_request' },
      });
  });

  it('that is a bomb is refused without growing the process by what it inflates to', async () => {
    const inflated = Buffer.alloc(1024 * MIB);
    const bombs: [string, Buffer][] = [
      ['gzip', gzipSync(inflated)],
      ['zstd', zstdCompressSync(inflated)],
    ];
    const before = process.memoryUsage().rss;
    let peak = before;
    const watch = setInterval(() => (peak = Math.max(peak, process.memoryUsage().rss)), 1);
    for (const [encoding, bomb] of bombs) {
      expect(bomb.length).toBeLessThan(5 * MIB);
      expect(await compressed(bomb, encoding)).toMatchObject({ status: 413, answer: { code: 'too_large' } });
    }
    clearInterval(watch);
    expect((peak - before) / MIB).toBeLessThan(200);
    expect(events.intake.budget.heldBytes).toBe(0);
  });

  it('in zstd may not ask for more memory than 8 MiB to be read with', async () => {
    const params = { [constants.ZSTD_c_windowLog]: 27, [constants.ZSTD_c_contentSizeFlag]: 0 };
    const sent = zstdCompressSync(Buffer.alloc(64 * MIB), { params });
    expect(await compressed(sent, 'zstd')).toMatchObject({
      status: 400,
      answer: { code: 'invalid_request' },
    });
  });
});

describe('bodies that are read at one time', () => {
  it('are bounded for each key and over all, and what is refused says when to come back', async () => {
    const { budget } = events.intake;
    // As long as nothing is read, so that the server's own bodies do not disturb the sums.
    expect(budget.heldBytes).toBe(0);
    const share = budget.lease('api_key key-of-acme');
    share.take(24 * MIB - 1);
    const own = await send(refusedEvents(10));
    expect(own).toMatchObject({ status: 429, answer: { code: 'rate_limited' } });
    expect(own.headers.get('retry-after')).toBe('1');
    const elsewhere = ['b', 'c'].map((key) => {
      const lease = budget.lease(key);
      lease.take(20 * MIB);
      return lease;
    });
    const other = await events.send(refusedEvents(10), { as: 'operator' });
    expect(other).toMatchObject({ status: 503, answer: { code: 'overloaded' } });
    expect(other.headers.get('retry-after')).toBe('1');
    for (const lease of [share, ...elsewhere]) lease.release();
    expect(await send(refusedEvents(10))).toMatchObject({ status: 422 });
    await vi.waitFor(() => expect(budget.heldBytes).toBe(0));
  });
});
