/**
 *  - `this`, arguments, results, errors, name and types are the function's own
 *  - usage once a call, when it is over: for sequences for what was delivered, whether they end, are left
 *    early, or fail
 *  - a usage function that throws, and a meter that does, change nothing for the caller
 */
import { once } from 'node:events';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { expect, expectTypeOf, test } from 'vitest';
import type { UsageEventInput } from '../../event-input.ts';
import { collect } from '../collect.testing.ts';
import { withTenant } from '../../tenant-context.ts';
import { metered, type CallEnd } from './index.ts';

function collector() {
  const events: UsageEventInput[] = [];
  const ends: string[] = [];
  return {
    events,
    ends,
    options: {
      meter: { add: (event: UsageEventInput) => events.push(event) > 0 },
      usage: (call: { items: number; amount: bigint; end: CallEnd }) => {
        ends.push(`${call.end} ${call.items} ${call.amount}`);
        return { tenantId: 'acme', metric: 'items', value: call.amount };
      },
    },
  };
}

test('async functions and methods: value from arguments and result; this, name, length and types are kept', async () => {
  const events: UsageEventInput[] = [];
  class Index {
    readonly #name = 'main';
    search = metered(
      function search(this: Index, query: string, limit = 10): Promise<string[]> {
        return Promise.resolve([this.#name, query, String(limit)]);
      },
      {
        meter: { add: (event) => events.push(event) > 0 },
        usage: ({ args: [query], result }) => ({
          metric: 'found',
          value: query.length + (result?.length ?? 0),
        }),
      },
    );
  }
  const index = new Index();
  expectTypeOf(index.search).parameters.toEqualTypeOf<[query: string, limit?: number | undefined]>();
  expect(await withTenant({ tenantId: 'acme' }, () => index.search('abc'))).toEqual(['main', 'abc', '10']);
  expect([index.search.name, index.search.length]).toEqual(['search', 1]);
  expect(events).toEqual([{ metric: 'found', value: 6 }]);
});

test('errors are rethrown untouched, by functions that throw and that reject', async () => {
  const seen = collector();
  const error = new TypeError('mine');
  const throws = metered((): number => {
    throw error;
  }, seen.options);
  const rejects = metered((): Promise<number> => Promise.reject(error), seen.options);
  expect(throws).toThrow(error);
  await expect(rejects()).rejects.toBe(error);
  expect(seen.ends).toEqual(['threw 0 0', 'threw 0 0']);
});

test('generators: each item; early return, throw, and what is passed in and returned', () => {
  const seen = collector();
  const count = metered(
    function* count(to: number): Generator<number, string, string | undefined> {
      for (let n = 1; n <= to; n++) if ((yield n) === 'fail') throw new Error('as asked');
      return 'done';
    },
    { ...seen.options, amountOf: (item: number) => item },
  );
  expect([...count(3)]).toEqual([1, 2, 3]);
  for (const n of count(10)) if (n === 2) break;
  const asked = count(10);
  expect(asked.next()).toEqual({ done: false, value: 1 });
  expect(() => asked.next('fail')).toThrow('as asked');
  const whole = count(1);
  whole.next();
  expect(whole.next()).toEqual({ done: true, value: 'done' });
  expect(seen.ends).toEqual(['returned 3 6', 'stopped 2 3', 'threw 1 1', 'returned 1 1']);
});

test('async generators, also where a promise brings them: finished, left and failed', async () => {
  const seen = collector();
  const pages = metered(async function* pages(fails: boolean) {
    yield await Promise.resolve('a');
    yield 'b';
    if (fails) throw new Error('on purpose');
  }, seen.options);
  const all: string[] = [];
  for await (const page of pages(false)) all.push(page);
  for await (const page of pages(false)) if (page === 'a') break;
  await expect(collect(pages(true))).rejects.toThrow('on purpose');
  const later = metered(() => Promise.resolve(pages(false)), seen.options);
  expect(await collect(await later())).toEqual(['a', 'b']);
  expect(all).toEqual(['a', 'b']);
  // The last is metered by both.
  expect(seen.ends).toEqual(['returned 2 2', 'stopped 1 1', 'threw 2 2', 'returned 2 2', 'returned 2 2']);
});

test('Node streams: read, iterated, piped, left early and failed', async () => {
  const seen = collector();
  const read = metered((chunks: string[]) => Readable.from(chunks.map((chunk) => Buffer.from(chunk))), {
    ...seen.options,
    amountOf: (chunk: Buffer) => chunk.length,
  });
  const chunks = ['abc', 'de', 'f'];
  const sink = (): Writable => new Writable({ write: (_chunk, _encoding, done) => done() });
  await once(read(chunks).resume(), 'close');
  await pipeline(read(chunks), sink());
  for await (const _chunk of read(chunks)) break;
  const failing = read(chunks);
  let got = 0;
  failing.on('data', () => {
    got += 1;
    failing.destroy(new Error('on purpose'));
  });
  await expect(once(failing, 'close')).rejects.toThrow('on purpose');
  const paused = read(chunks);
  await once(paused, 'readable');
  while (paused.read() !== null);
  await once(paused, 'close');
  expect(seen.ends).toEqual([
    'returned 3 6',
    'returned 3 6',
    'stopped 1 3',
    `threw ${got} ${got === 1 ? 3 : 5}`,
    'returned 3 6',
  ]);
});

test('web streams: back-pressure stays, cancelled is counted for what was delivered', async () => {
  const seen = collector();
  let pulled = 0;
  const open = metered(
    () =>
      new ReadableStream<string>(
        { pull: (c) => (++pulled > 3 ? c.close() : c.enqueue('ab')) },
        { highWaterMark: 0 },
      ),
    { ...seen.options, amountOf: (chunk: string) => chunk.length },
  );
  expect(await collect(open())).toEqual(['ab', 'ab', 'ab']);
  pulled = 0;
  const reader = open().getReader();
  await reader.read();
  expect(pulled).toBe(1);
  await reader.cancel('enough');
  expect(seen.ends).toEqual(['returned 3 6', 'stopped 1 2']);
});

test('what throws in metering does not reach the caller, and is counted', async () => {
  const fn = metered(async (value: number) => Promise.resolve(value), {
    meter: {
      add: () => {
        throw new Error('meter');
      },
    },
    usage: ({ args: [value] }) => {
      if (value === 1) throw new Error('usage');
      return { metric: 'm' };
    },
    amountOf: () => 0.5,
    onProblem: () => undefined,
  });
  expect([await fn(1), await fn(2)]).toEqual([1, 2]);
  expect(fn.problems()).toMatchObject({ function_failed: 3, not_taken: 1 });
});
