/**
 * Guarantees of `spool`, on the folder of real services with a spool, some of them running:
 *  - list shows what waits and what was set aside, with reason and field, also in the file of a running service.
 *  - What is put back in line is sent under its id, once, by the service that runs or by the next; the service's
 *    counters balance.
 *  - Nothing is discarded without a reason, nor before it stands in the record, whole; the record says who and why.
 *  - A running service that does not carry an order out in time keeps everything as it was.
 *  - Nobody acts on everything without saying so, and an id that is not there is said.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { waitFor } from '@meterhouse/runtime';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { MeterCounters } from '@meterhouse/producer';
import { newSink, type Sink } from '@meterhouse/producer/testing';
import { inProcess, type Answer } from '../testing.ts';

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'meterhouse-spool-command-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

// Services are started in processes of their own.
vi.setConfig({ testTimeout: 180_000 });

interface Service {
  readonly record: (...ids: string[]) => Promise<void>;
  readonly counters: () => Promise<MeterCounters>;
  readonly kill: () => Promise<void>;
}

function startService(folder: string, { url }: Sink, adoptEveryMs = 100): Service {
  const script = fileURLToPath(new URL('../spool/spooling-process.testing.ts', import.meta.url));
  const child = spawn(process.execPath, [script, folder, url, String(adoptEveryMs)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'close');
  };
  onTestFinished(kill);
  const said = async (line: string): Promise<string> => {
    child.stdin.write(`${line}\n`);
    return String((await lines.next()).value);
  };
  return {
    record: async (...ids) => {
      for (const id of ids) expect(await said(id)).toBe(id);
    },
    counters: async () => JSON.parse(await said('')) as MeterCounters,
    kill,
  };
}

const spool = (...args: string[]): Promise<Answer> => inProcess(['spool', ...args], {});

interface Listed {
  readonly files: readonly {
    file: string;
    held: boolean;
    waiting: number;
    setAside: number;
    sizeBytes: number;
    oldestAgeMs: number | null;
    problem: string | null;
  }[];
  readonly setAside: readonly { id: string | null; place: string; reason: string; field: string | null }[];
  readonly setAsideTotal: number;
}

async function list(folder: string): Promise<Listed> {
  const answer = await spool('list', folder, '--json');
  expect([answer.exitCode, answer.stderr]).toEqual([0, '']);
  return JSON.parse(answer.stdout) as Listed;
}

const setAside = async (folder: string): Promise<readonly (string | null)[]> =>
  (await list(folder)).setAside.map(({ id }) => id);

const holds = (what: string, condition: () => boolean | Promise<boolean>): Promise<true> =>
  waitFor(what, async () => ((await condition()) ? true : undefined), { deadlineMs: 60_000 });

/** A service that runs, whose sink has refused some of what it took. */
async function refusedSome(ids: readonly string[], refused: readonly string[], adoptEveryMs?: number) {
  const folder = newFolder();
  const sink = await newSink(onTestFinished);
  for (const id of refused) sink.refuses.add(id);
  const service = startService(folder, sink, adoptEveryMs);
  await service.record(...ids);
  await holds(
    'the refused set aside',
    async () => (await service.counters()).spool?.setAside === refused.length,
  );
  await holds('the others sent', () => sink.ids.length === ids.length - refused.length);
  return { folder, sink, service };
}

const leftovers = (folder: string): string[] => readdirSync(folder).filter((name) => name.includes('order'));

test('list shows the file of a running service: what waits, and what was set aside and why', async () => {
  const { folder, sink, service } = await refusedSome(['a', 'b', 'c'], ['b']);
  sink.isAway = true;
  await service.record('d', 'e');
  const { files, setAside: aside, setAsideTotal } = await list(folder);
  expect(files).toMatchObject([{ held: true, waiting: 2, setAside: 1, problem: null }]);
  expect(files[0]?.oldestAgeMs).toBeGreaterThanOrEqual(0);
  expect(files[0]?.sizeBytes).toBeGreaterThan(3 * 100);
  expect(aside).toMatchObject([{ id: 'b', reason: 'too_large', field: 'metric' }]);
  expect(setAsideTotal).toBe(1);
  await service.kill();
  expect((await list(folder)).files).toMatchObject([{ held: false, waiting: 2, setAside: 1 }]);
  expect((await spool('list', folder)).stdout).toMatch(/none +2 .*\n[^]*b +too_large +metric +acme/);
});

test('a running service takes back what is retried, sends it once, and its counters balance', async () => {
  const { folder, sink, service } = await refusedSome(['a', 'b', 'c', 'd'], ['b', 'd']);
  sink.refuses.clear();
  const retried = await spool('retry', folder, '--id', 'b', '--json');
  expect(JSON.parse(retried.stdout)).toEqual({ retried: 1, gone: 0, problems: [] });
  await holds('b sent', () => sink.ids.includes('b'));
  expect(await setAside(folder)).toEqual(['d']);
  expect((await spool('retry', folder, '--all')).exitCode).toBe(0);
  await holds('all sent', () => sink.ids.length === 4);
  // And again: there is nothing left to be sent a second time.
  expect(JSON.parse((await spool('retry', folder, '--all', '--json')).stdout)).toMatchObject({ retried: 0 });
  await service.record('e');
  await holds('e sent', () => sink.ids.includes('e'));
  expect(sink.ids.toSorted()).toEqual(['a', 'b', 'c', 'd', 'e']);
  await holds('the rest forgotten', async () => (await service.counters()).buffered === 0);
  expect(await service.counters()).toMatchObject({
    ...{ accepted: 7, acknowledged: 5, failed: 0, buffered: 0 },
    refused: { too_large: 2 },
    spool: { setAside: 0 },
  });
  expect(leftovers(folder)).toEqual([]);
});

test('what is retried with no service there is brought by the next one', async () => {
  const { folder, sink, service } = await refusedSome(['a', 'b'], ['b']);
  await service.kill();
  sink.refuses.clear();
  const retried = await spool('retry', folder, '--reason', 'too_large');
  expect([retried.exitCode, retried.stdout.split('\n')[0]]).toEqual([0, '1 event back in line']);
  const next = startService(folder, sink);
  await next.record('c');
  await holds('all sent', () => sink.ids.length === 3);
  expect(sink.ids).toEqual(['a', 'b', 'c']);
});

test('what is refused again is set aside again', async () => {
  const { folder, service } = await refusedSome(['a', 'b'], ['b']);
  await spool('retry', folder, '--all');
  await holds('refused again', async () => (await service.counters()).refused.too_large === 2);
  expect(await setAside(folder)).toEqual(['b']);
});

test.each([{ running: true }, { running: false }])(
  'discard says why, and keeps the whole event in the record: $running',
  async ({ running }) => {
    const { folder, sink, service } = await refusedSome(['a', 'b', 'c'], ['a', 'c']);
    if (!running) await service.kill();
    expect((await spool('discard', folder, '--all')).exitCode).toBe(2);
    expect(await setAside(folder)).toEqual(['a', 'c']);
    const discard = ['discard', folder, '--id', 'c', '--by', 'ann', '--because', 'a test of ours'];
    expect(JSON.parse((await spool(...discard, '--json')).stdout)).toEqual({
      ...{ discarded: 1, gone: 0, problems: [], record: join(folder, 'discarded.jsonl') },
    });
    expect(await setAside(folder)).toEqual(['a']);
    const record = readFileSync(join(folder, 'discarded.jsonl'), 'utf8').trimEnd().split('\n');
    expect(record.map((line) => JSON.parse(line) as object)).toMatchObject([
      {
        ...{ by: 'ann', because: 'a test of ours', refused: { reason: 'too_large', field: 'metric' } },
        event: { id: 'c', tenantId: 'acme', metric: 'calls', value: '1', source: 'test' },
      },
    ]);
    expect(statSync(join(folder, 'discarded.jsonl')).mode & 0o077).toBe(0);
    expect(leftovers(folder)).toEqual([]);
    sink.refuses.clear();
    expect((await spool('retry', folder, '--all')).exitCode).toBe(0);
    if (!running) await startService(folder, sink).counters();
    await holds('a sent', () => sink.ids.includes('a'));
    expect(sink.ids.toSorted()).toEqual(['a', 'b']);
  },
);

test('without a record nothing is discarded', async () => {
  const { folder } = await refusedSome(['a'], ['a']);
  const answer = await spool(
    'discard',
    folder,
    '--all',
    '--because',
    'x',
    '--to',
    join(folder, 'no', 'where'),
  );
  expect(answer.exitCode).toBe(1);
  expect(await setAside(folder)).toEqual(['a']);
});

test('a running service that does not look in time keeps what it has, and the order is withdrawn', async () => {
  const { folder } = await refusedSome(['a'], ['a'], 86_400_000);
  const answer = await spool('retry', folder, '--all', '--wait-timeout', '1s', '--json');
  expect([answer.exitCode, answer.stderr]).toEqual([1, expect.stringContaining('the order was withdrawn')]);
  expect(JSON.parse(answer.stdout)).toMatchObject({ retried: 0 });
  expect(await setAside(folder)).toEqual(['a']);
  expect(leftovers(folder)).toEqual([]);
});

test('a service that ends meanwhile leaves the order to the command', async () => {
  const { folder, sink, service } = await refusedSome(['a'], ['a'], 86_400_000);
  sink.refuses.clear();
  const retrying = spool('retry', folder, '--all');
  await holds('the order there', () => leftovers(folder).length > 0);
  await service.kill();
  expect((await retrying).exitCode).toBe(0);
  expect(leftovers(folder)).toEqual([]);
  expect((await list(folder)).files).toMatchObject([{ held: false, waiting: 1, setAside: 0 }]);
});

test('an event that cannot be read is named by its place, and can only be discarded, with what is left of it', async () => {
  const { folder, service } = await refusedSome(['a', 'b'], ['a']);
  await service.kill();
  const [{ file } = { file: '' }] = (await list(folder)).files;
  const database = new DatabaseSync(join(folder, file));
  database.exec(`UPDATE set_aside SET event = '{"id":'`);
  database.close();
  const [aside] = (await list(folder)).setAside;
  expect(aside).toMatchObject({ id: null, place: `${file}#1` });
  expect((await spool('retry', folder, '--all')).exitCode).toBe(1);
  const discarded = await spool('discard', folder, '--id', aside?.place ?? '', '--because', 'damaged');
  expect(discarded.exitCode).toBe(0);
  expect(readFileSync(join(folder, 'discarded.jsonl'), 'utf8')).toContain(`"text":"{\\"id\\":"`);
  expect((await list(folder)).setAsideTotal).toBe(0);
});

test('everything has to be said, and what is not there is', async () => {
  const { folder } = await refusedSome(['a'], ['a']);
  for (const args of [
    ['retry', folder],
    ['retry', folder, '--all', '--id', 'a'],
    ['discard', folder, '--because', 'x'],
    ['discard', folder, '--all', '--because', ' '],
    ['retry', folder, '--all', '--wait-timeout', 'long'],
    ['retry'],
  ])
    expect([args, (await spool(...args)).exitCode]).toEqual([args, 2]);
  const unknown = await spool('retry', folder, '--id', 'zz', '--id', 'a');
  expect([unknown.exitCode, unknown.stderr]).toEqual([1, 'problem: zz is not set aside here\n']);
  expect((await spool('list', join(folder, 'nowhere'))).exitCode).toBe(1);
});
