/**
 * The ClickHouse HTTP interface of the stack is good enough for @clickhouse/client, curl and the usual tools:
 *
 * - query parameters are bound by the engine, also in parameterized views, whatever runs beside them
 * - settings, the database and parameters of one query do not reach another
 * - inserts take arrays and streams, text and binary, compressed or not, and say how much they wrote
 * - answers are compressed on request, and large ones are streamed
 * - errors carry ClickHouse's own code, type and HTTP status; an answer that breaks off is no whole answer
 * - decimals and 64-bit numbers keep every digit
 * - GET cannot write; a body above the bound is refused; an aborted query is ended in the engine
 * - a session keeps its temporary tables to itself
 * - what the mirror needs of the engine is there: Atomic databases, ReplacingMergeTree, FINAL, views, EXCHANGE
 */
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { ClickHouseError, ClickHouseLogLevel, createClient, type ClickHouseClient } from '@clickhouse/client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freshClickHouseDatabase, sharedStack } from '../testing.ts';
import { waitUntil } from '../wait-until.ts';

let url: string;
let database: string;
let client: ClickHouseClient;

beforeAll(async () => {
  const endpoints = await sharedStack();
  url = endpoints.clickhouse;
  database = await freshClickHouseDatabase(endpoints);
  // The failures asked for below are no news.
  client = createClient({ url, database, log: { level: ClickHouseLogLevel.OFF } });
});

afterAll(() => client.close());

async function rows(query: string, queryParams: Record<string, unknown> = {}): Promise<unknown[]> {
  const result = await client.query({ query, query_params: queryParams, format: 'JSONEachRow' });
  return result.json();
}

async function post(search: Record<string, string>, body: string | Buffer, headers = {}): Promise<Response> {
  const address = new URL(url);
  for (const [name, value] of Object.entries(search)) address.searchParams.set(name, value);
  return fetch(address, { method: 'POST', body: new Uint8Array(Buffer.from(body)), headers });
}

describe('a query', () => {
  test('gets its parameters bound, not spliced', async () => {
    const text = `a'b\\c\n\t"d"{x:String}`;
    const query = 'SELECT {text:String} AS text, {list:Array(UInt8)} AS list, {day:Date} AS day';
    expect(await rows(query, { text, list: [1, 2], day: '2025-03-01' })).toEqual([
      { text, list: [1, 2], day: '2025-03-01' },
    ]);
  });

  test('gets its own parameters and settings, whatever runs beside it', async () => {
    const asked = Array.from({ length: 60 }, (_, number) => number);
    const answers = await Promise.all(
      asked.map(async (number) => {
        const result = await client.query({
          query: `SELECT {number:UInt32} AS number, toUInt32(getSetting('max_threads')) AS threads`,
          query_params: { number },
          clickhouse_settings: { max_threads: (number % 5) + 1 },
          format: 'JSONEachRow',
        });
        return result.json();
      }),
    );
    expect(answers).toEqual(asked.map((number) => [{ number, threads: (number % 5) + 1 }]));
  });

  test('keeps every digit of decimals and 64-bit numbers', async () => {
    const result = await client.query({
      query: `SELECT toDecimal128('12345678901234567890123456789.123456789', 9) AS d38,
        toDecimal256('-1234567890123456789012345678901234567890123456789012345678901234567.000000001', 9) AS d76,
        18446744073709551615 AS u64, toDateTime('2025-03-01 10:00:00', 'UTC') AS at, map('k', 'v') AS attrs`,
      format: 'JSONEachRow',
      clickhouse_settings: {
        output_format_json_quote_decimals: 1,
        output_format_json_quote_64bit_integers: 1,
      },
    });
    expect(await result.json()).toEqual([
      {
        d38: '12345678901234567890123456789.123456789',
        d76: '-1234567890123456789012345678901234567890123456789012345678901234567.000000001',
        u64: '18446744073709551615',
        at: '2025-03-01 10:00:00',
        attrs: { k: 'v' },
      },
    ]);
  });

  test('is answered in the format that it names, else in the one asked for', async () => {
    const named = await post({ default_format: 'CSV' }, 'SELECT 1 AS a, 2 AS b FORMAT JSONCompactEachRow');
    expect([named.headers.get('X-ClickHouse-Format'), await named.text()]).toEqual([
      'JSONCompactEachRow',
      '[1, 2]\n',
    ]);
    expect(await (await post({ default_format: 'CSV' }, 'SELECT 1, 2')).text()).toBe('1,2\n');
    expect(await (await post({}, 'SELECT 1, 2')).text()).toBe('1\t2\n');
    const json = await client.query({ query: 'SELECT 1 AS a', format: 'JSON' });
    expect(await json.json()).toMatchObject({ data: [{ a: 1 }], rows: 1 });
  });

  test('is streamed when its answer is large, and compressed on request', async () => {
    const compressed = createClient({ url, compression: { response: true } });
    const result = await compressed.query({
      query: 'SELECT number, toString(number) AS text FROM numbers(500000)',
      format: 'JSONEachRow',
    });
    let count = 0;
    for await (const batch of result.stream<{ number: string; text: string }>()) count += batch.length;
    await compressed.close();
    expect(count).toBe(500_000);

    const answer = await fetch(`${url}/?query=SELECT+1&enable_http_compression=1`, {
      headers: { 'Accept-Encoding': 'gzip' },
    });
    expect([answer.headers.get('Content-Encoding'), await answer.text()]).toEqual(['gzip', '1\n']);
  });

  test('may come as GET, which cannot write', async () => {
    expect(await (await fetch(`${url}/?query=SELECT+42`)).text()).toBe('42\n');
    const answer = await fetch(`${url}/?query=CREATE+DATABASE+not_by_get`);
    expect([answer.status, await answer.text()]).toEqual([
      403,
      expect.stringMatching(/^Code: 164\..*\(READONLY\)/),
    ]);
  });

  test('is ended in the engine when its client has gone', async () => {
    const abort = new AbortController();
    const mark = `forever_${Date.now()}`;
    const forever = client.query({
      query: `SELECT count() AS ${mark} FROM numbers(10000000000000) WHERE sipHash64(number) = 1`,
      abort_signal: abort.signal,
    });
    const running = `SELECT count() AS n FROM system.processes WHERE query LIKE '%${mark}%' AND query NOT LIKE '%processes%'`;
    forever.catch(() => undefined); // expected below
    await waitUntil(async () => expect(await rows(running)).toEqual([{ n: 1 }]), {
      what: 'the query runs',
      timeoutMs: 10_000,
    });
    abort.abort();
    await expect(forever).rejects.toThrow();
    await waitUntil(async () => expect(await rows(running)).toEqual([{ n: 0 }]), {
      what: 'the query has ended',
      timeoutMs: 10_000,
    });
  });
});

describe('an insert', () => {
  beforeAll(async () => {
    await client.command({
      query:
        'CREATE TABLE events (id UInt32, text String, sum Decimal(38, 9)) ENGINE = MergeTree ORDER BY id',
    });
  });

  test('takes an array, and says how much it wrote', async () => {
    const { summary } = await client.insert({
      table: 'events',
      values: [
        { id: 1, text: 'ä', sum: '0.000000001' },
        { id: 2, text: 'b', sum: '2' },
      ],
      format: 'JSONEachRow',
    });
    expect(summary?.written_rows).toBe('2');
    expect(
      await rows('SELECT text, toString(sum) AS sum FROM events WHERE id IN (1, 2) ORDER BY id'),
    ).toEqual([
      { text: 'ä', sum: '0.000000001' },
      { text: 'b', sum: '2' },
    ]);
  });

  test('takes a stream, compressed', async () => {
    const compressed = createClient({ url, database, compression: { request: true } });
    const values = Readable.from(
      Array.from({ length: 20_000 }, (_, index) => ({ id: 10_000 + index, text: 'streamed', sum: '1' })),
    );
    await compressed.insert({ table: 'events', values, format: 'JSONEachRow' });
    await compressed.close();
    expect(await rows(`SELECT count() AS n, sum(sum) AS sum FROM events WHERE text = 'streamed'`)).toEqual([
      { n: 20_000, sum: 20_000 },
    ]);
  });

  test('of no rows is no error', async () => {
    await client.insert({ table: 'events', values: Readable.from([]), format: 'JSONEachRow' });
    const answer = await post({ query: `INSERT INTO ${database}.events FORMAT JSONEachRow` }, '');
    expect(answer.status).toBe(200);
  });

  test('takes its data behind the statement, in the body, binary too, and gzipped', async () => {
    const rowBinary = await post({}, `SELECT toUInt32(50), 'binary', toDecimal128('5', 9) FORMAT RowBinary`);
    const data = Buffer.from(await rowBinary.arrayBuffer());
    const inUrl = await post({ query: `INSERT INTO ${database}.events FORMAT RowBinary` }, data);
    expect(inUrl.status).toBe(200);
    const inBody = Buffer.concat([Buffer.from(`INSERT INTO ${database}.events FORMAT RowBinary\n`), data]);
    expect((await post({}, gzipSync(inBody), { 'Content-Encoding': 'gzip' })).status).toBe(200);
    await client.command({
      query: `INSERT INTO events SELECT id + 1, text, sum FROM events WHERE id = 50 LIMIT 1`,
    });
    expect(await rows(`SELECT id FROM events WHERE text = 'binary' ORDER BY id`)).toEqual([
      { id: 50 },
      { id: 50 },
      { id: 51 },
    ]);
  });
});

describe('a failure', () => {
  test('carries the code and type of ClickHouse', async () => {
    const unknownTable = client.query({ query: 'SELECT * FROM nowhere' });
    await expect(unknownTable).rejects.toBeInstanceOf(ClickHouseError);
    await expect(unknownTable).rejects.toMatchObject({ code: '60', type: 'UNKNOWN_TABLE' });
    const noNumber = client.insert({ table: 'events', values: [{ id: 'x' }], format: 'JSONEachRow' });
    await expect(noNumber).rejects.toMatchObject({ code: '27' });
    const answer = await post({}, 'SELEC 1');
    expect([answer.status, answer.headers.get('X-ClickHouse-Exception-Code'), await answer.text()]).toEqual([
      400,
      '62',
      expect.stringMatching(/^Code: 62\. DB::Exception: Syntax error[^]*\(SYNTAX_ERROR\)/),
    ]);
    const unknownSetting = await post({ no_such_setting: '1' }, 'SELECT 1');
    expect([unknownSetting.status, await unknownSetting.text()]).toEqual([
      404,
      expect.stringContaining('Code: 115.'),
    ]);
  });

  test('in the middle of a streamed answer tears the answer', async () => {
    const answer = await post({}, 'SELECT throwIf(number = 900000) FROM numbers(1000000) FORMAT JSONEachRow');
    expect(answer.status).toBe(200);
    await expect(answer.text()).rejects.toThrow();
  });

  test('is what a body above the bound gets, also when it is small before it is unpacked', async () => {
    const bomb = gzipSync(Buffer.alloc(257 * 1024 * 1024, ' '));
    const answer = await post({}, bomb, { 'Content-Encoding': 'gzip' });
    expect(answer.status).toBe(413);
  });

  test('of one thing leaves the next alone', async () => {
    expect(await client.ping()).toEqual({ success: true });
    expect(await (await fetch(`${url}/ping`)).text()).toBe('Ok.\n');
    expect((await fetch(`${url}/nowhere`)).status).toBe(404);
  });
});

test('a session keeps its temporary tables and loses the settings of one query', async () => {
  const session = createClient({ url, database, session_id: `session-${Date.now()}` });
  await session.command({
    query: 'CREATE TEMPORARY TABLE mine (n UInt8)',
    clickhouse_settings: { max_threads: 7 },
  });
  await session.command({ query: 'INSERT INTO mine VALUES (1)' });
  const result = await session.query({
    query: `SELECT n, toUInt32(getSetting('max_threads')) = 7 AS still FROM mine`,
    format: 'JSONEachRow',
  });
  expect(await result.json()).toEqual([{ n: 1, still: 0 }]);
  await session.close();
  await expect(client.query({ query: 'SELECT * FROM mine' })).rejects.toMatchObject({ code: '60' });
});

test('the engine has what the mirror needs', async () => {
  await client.command({
    query: `CREATE TABLE buckets (tenant_id String, hour DateTime('UTC'), attrs Map(String, String),
      sum Decimal(76, 9), revision UInt64)
      ENGINE = ReplacingMergeTree(revision) PARTITION BY toYYYYMM(hour) ORDER BY (tenant_id, hour)`,
  });
  const bucket = { tenant_id: 't', hour: '2025-03-01 10:00:00', attrs: { region: 'eu' } };
  for (const [sum, revision] of [
    ['1', 1],
    ['3', 3],
    ['2', 2],
  ] as const) {
    await client.insert({ table: 'buckets', values: [{ ...bucket, sum, revision }], format: 'JSONEachRow' });
  }
  const final = 'SELECT toString(sum) AS sum, attrs FROM buckets FINAL';
  await client.command({ query: `CREATE VIEW usage AS ${final}` });
  await client.command({ query: `CREATE VIEW usage_of AS ${final} WHERE tenant_id = {tenant:String}` });
  const expected = [{ sum: '3', attrs: { region: 'eu' } }];
  expect(await rows('SELECT * FROM usage')).toEqual(expected);
  expect(await rows('SELECT * FROM usage_of(tenant = {tenant:String})', { tenant: 't' })).toEqual(expected);
  await client.command({ query: 'CREATE TABLE next AS buckets' });
  await client.command({ query: 'EXCHANGE TABLES buckets AND next' });
  expect(await rows('SELECT * FROM usage')).toEqual([]);
  expect(await rows('SELECT count() AS n FROM next FINAL')).toEqual([{ n: 1 }]);
  expect(await rows('SELECT engine FROM system.databases WHERE name = currentDatabase()')).toEqual([
    { engine: 'Atomic' },
  ]);
});
