/**
 * Guarantees of the spool, on real files:
 *  - What `offer` took is in the file before it returns: a process that is killed at that moment leaves it
 *    to the next, which sends it under the same id.
 *  - Events go to the transport in the order in which they came, over outages and restarts.
 *  - An event leaves the file only after it was acknowledged, or set aside because it was refused for good;
 *    where it cannot be set aside it stays. Each is counted once in what the meter says of itself.
 *  - A file has one holder: a second spool in the same folder takes another, and a file whose process is
 *    gone is drained by whoever is there.
 *  - At its bound in bytes or age it takes nothing, says so, and takes again once there is room.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { waitFor } from '@meterhouse/runtime';
import type { UsageEvent } from '@meterhouse/usage';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { newTally, type Tally } from '../counters.ts';
import { TransportError, type Transport } from '../transport.ts';
import { Spool, type SpoolOptions, type SpoolPorts } from './spool.ts';

type SpoolLimits = Pick<SpoolOptions, 'maxBytes' | 'maxAgeMs' | 'drainEventsPerSecond' | 'adoptEveryMs'>;
const LIMITS: SpoolLimits = {
  maxBytes: 1024 * 1024 * 1024,
  maxAgeMs: 86_400_000,
  drainEventsPerSecond: 1_000_000,
  adoptEveryMs: 20,
};

class Receiver implements Transport {
  readonly delivered: UsageEvent[] = [];
  away = false;
  tooLarge = new Set<string>();
  #hangs: Promise<void> | null = null;

  hang(): () => void {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#hangs = promise;
    return () => resolve(undefined);
  }

  async send(events: readonly UsageEvent[]): Promise<void> {
    await this.#hangs;
    if (this.away) throw new TransportError('unavailable', 'nobody there');
    if (events.some(({ id }) => this.tooLarge.has(id))) throw new TransportError('too_large', 'too much');
    this.delivered.push(...events);
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  remakes(): number {
    return 0;
  }

  get ids(): string[] {
    return this.delivered.map(({ id }) => id);
  }
}

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'meterhouse-spool-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

interface Bed {
  readonly spool: Spool;
  readonly tally: Tally;
  readonly close: (deadlineMs: number) => Promise<void>;
}

let names = 0;
function spoolIn(
  folder: string,
  transport: Transport,
  limits: Partial<SpoolLimits> = {},
  ports: Partial<SpoolPorts> = {},
): Bed {
  const tally = newTally();
  const spool = new Spool(
    transport,
    {
      ...{ folder, durability: 'process', ...LIMITS, ...limits },
      batch: { maxEvents: 100, maxBytes: 1024 * 1024 },
      attemptMs: 5_000,
    },
    tally,
    {
      now: Date.now,
      clock: () => performance.now(),
      random: () => 0,
      newName: () => `n${String(++names).padStart(6, '0')}`,
      logger: pino({ level: 'silent' }),
      onSetAside: () => undefined,
      ...ports,
    },
  );
  let closing: Promise<void> | null = null;
  const close = (deadlineMs: number): Promise<void> => (closing ??= spool.close(deadlineMs));
  onTestFinished(() => close(0));
  return { spool, tally, close };
}

function event(id: string | number): UsageEvent {
  return {
    id: String(id),
    tenantId: 'acme',
    metric: 'api.calls',
    value: '1',
    ts: 1_796_000_000_000,
    unit: null,
    source: 'test',
    attrs: { region: 'eu' },
    correlationId: null,
    attribution: null,
  };
}

const numbers = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, index) => from + index);
const offer = ({ spool }: Bed, id: string | number): ReturnType<Spool['offer']> =>
  spool.offer({ event: event(id), deadline: Number.POSITIVE_INFINITY, settle: () => undefined });
const holds = (what: string, condition: () => boolean): Promise<true> =>
  waitFor(what, () => (condition() ? true : undefined), { deadlineMs: 55_000, everyMs: 5 });

test('what was taken arrives whole and in order, and leaves the file', async () => {
  const receiver = new Receiver();
  const bed = spoolIn(newFolder(), receiver);
  for (const id of numbers(0, 2_500)) expect(offer(bed, id)).toBeNull();
  expect(await bed.spool.flush()).toBe(0);
  expect(receiver.delivered).toEqual(numbers(0, 2_500).map(event));
  await holds('an empty file', () => bed.spool.waiting().bytes === 0);
  expect(bed.tally).toMatchObject({ acknowledged: 2_500, retries: 0 });
  expect(bed.spool.waiting().events).toBe(0);
  expect(bed.spool.counters().oldestAgeMs).toBeNull();
});

test('a process that is killed leaves what it took to the next, which keeps the order', async () => {
  const folder = newFolder();
  const child = spawn(process.execPath, [
    fileURLToPath(new URL('spool-process.testing.ts', import.meta.url)),
    folder,
  ]);
  let taken = '';
  child.stdout.on('data', (chunk: Buffer) => {
    taken += chunk.toString();
  });
  await holds('some events taken', () => taken.split('\n').length > 500);
  child.kill('SIGKILL');
  await once(child, 'close');
  const acknowledged = taken.split('\n').slice(0, -1);

  const receiver = new Receiver();
  const bed = spoolIn(folder, receiver);
  offer(bed, 'after');
  await bed.spool.flush();
  // One more may have been taken than there was time to say.
  expect(receiver.ids.slice(0, acknowledged.length)).toEqual(acknowledged);
  expect(receiver.ids.length - acknowledged.length).toBeLessThanOrEqual(2);
  expect(receiver.ids.at(-1)).toBe('after');
  expect(readdirSync(folder).filter((name) => name.endsWith('.spool'))).toHaveLength(1);
});

test('an outage ends with everything, in order and once', async () => {
  const receiver = new Receiver();
  const folder = newFolder();
  receiver.away = true;
  const first = spoolIn(folder, receiver);
  for (const id of numbers(0, 1_000)) offer(first, id);
  await holds('failed sends', () => first.tally.retries > 1);
  await first.close(0);
  expect(receiver.ids).toEqual([]);

  const second = spoolIn(folder, receiver);
  for (const id of numbers(1_000, 1_500)) offer(second, id);
  expect(second.spool.counters().recovered).toBe(1_000);
  expect(second.spool.waiting().events).toBe(1_500);
  receiver.away = false;
  await second.spool.flush();
  expect(receiver.ids).toEqual(numbers(0, 1_500).map(String));
});

test('what is refused for good is set aside and told, and does not hold up the rest', async () => {
  const receiver = new Receiver();
  const refused: string[] = [];
  const folder = newFolder();
  receiver.tooLarge = new Set(['3', '9']);
  const bed = spoolIn(folder, receiver, {}, { onSetAside: ({ event: of }) => refused.push(of?.id ?? '?') });
  for (const id of numbers(0, 10)) offer(bed, id);
  expect(await bed.spool.flush()).toBe(2);
  expect(receiver.ids).toEqual(['0', '1', '2', '4', '5', '6', '7', '8']);
  expect(refused).toEqual(['3', '9']);
  await holds('the rest forgotten', () => bed.spool.waiting().events === 0);
  await bed.close(1_000);
  const [file] = readdirSync(folder).filter((name) => name.endsWith('.spool'));
  const database = new DatabaseSync(join(folder, file ?? ''));
  const kept = database.prepare('SELECT reason, event FROM set_aside ORDER BY seq').all();
  database.close();
  expect(kept.map((row) => [row['reason'], (JSON.parse(String(row['event'])) as UsageEvent).id])).toEqual([
    ['too_large', '3'],
    ['too_large', '9'],
  ]);
});

test('a file whose text was damaged sets that event aside, and brings the others', async () => {
  const folder = newFolder();
  const receiver = new Receiver();
  receiver.away = true;
  const first = spoolIn(folder, receiver);
  for (const id of numbers(0, 5)) offer(first, id);
  await first.close(0);
  const [file] = readdirSync(folder).filter((name) => name.endsWith('.spool'));
  const database = new DatabaseSync(join(folder, file ?? ''));
  database.exec(`UPDATE events SET event = '{"id":' WHERE seq IN (2, 5)`);
  database.close();
  receiver.away = false;
  const second = spoolIn(folder, receiver);
  await second.spool.flush();
  expect(receiver.ids).toEqual(['0', '2', '3']);
  expect(second.tally).toMatchObject({ accepted: 5, acknowledged: 3, refused: { rejected: 2 } });
  expect(second.spool.waiting().events).toBe(0);
});

test('what the disk does not let us set aside is not forgotten with what came before and after it', async () => {
  const folder = newFolder();
  const receiver = new Receiver();
  await spoolIn(folder, receiver).close(0);
  const [file] = readdirSync(folder).filter((name) => name.endsWith('.spool'));
  const onFile = (sql: string): unknown[] => {
    const database = new DatabaseSync(join(folder, file ?? ''));
    const rows = database.prepare(sql).all();
    database.close();
    return rows;
  };
  onFile(
    `CREATE TRIGGER full BEFORE INSERT ON set_aside BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END`,
  );
  receiver.tooLarge = new Set(['3']);
  const first = spoolIn(folder, receiver);
  for (const id of numbers(0, 10)) offer(first, id);
  expect(await first.spool.flush()).toBe(1);
  expect(first.tally).toMatchObject({ acknowledged: 9, refused: { too_large: 1 } });
  expect(first.spool.waiting().events).toBe(0);
  await first.close(1_000);
  onFile('DROP TRIGGER full');

  receiver.delivered.length = 0;
  const second = spoolIn(folder, receiver);
  await second.spool.flush();
  await second.close(1_000);
  // What came after it is sent a second time, under the same ids.
  expect(receiver.ids).toEqual(numbers(4, 10).map(String));
  expect(onFile(`SELECT json_extract(event, '$.id') AS id, reason FROM set_aside`)).toEqual([
    { id: '3', reason: 'too_large' },
  ]);
});

test('two spools share a folder: each has a file of its own, and the lock outlives a look at it', async () => {
  const folder = newFolder();
  const receiver = new Receiver();
  receiver.away = true;
  const one = spoolIn(folder, receiver);
  const two = spoolIn(folder, receiver);
  for (const id of numbers(0, 50)) {
    offer(one, `one-${id}`);
    offer(two, `two-${id}`);
  }
  expect(readdirSync(folder).filter((name) => name.endsWith('.spool'))).toHaveLength(2);
  // A process of its own that looks for free files must find none.
  const script = fileURLToPath(new URL('spool-process.testing.ts', import.meta.url));
  const child = spawn(process.execPath, [script, folder, '100']);
  await once(child.stdout, 'data');
  expect(readdirSync(folder).filter((name) => name.endsWith('.spool'))).toHaveLength(3);
  child.kill('SIGKILL');
  await once(child, 'close');
  receiver.away = false;
  await Promise.all([one.spool.flush(), two.spool.flush()]);
  const of = (prefix: string): string[] => receiver.ids.filter((id) => id.startsWith(prefix));
  expect(of('one')).toEqual(numbers(0, 50).map((id) => `one-${id}`));
  expect(of('two')).toEqual(numbers(0, 50).map((id) => `two-${id}`));
  // The third was left by a process that is gone: one of the two drains it.
  await holds(
    'the orphan drained',
    () => one.spool.waiting().events + two.spool.waiting().events === 0 && of('p').length > 0,
  );
});

test('processes that come up at once in one folder each get files of their own', async () => {
  const folder = newFolder();
  const script = fileURLToPath(new URL('claiming-process.testing.ts', import.meta.url));
  const claiming = [1, 2, 3].map(() => spawn(process.execPath, [script, folder, '60']));
  const held = await Promise.all(
    claiming.map(async ({ stdout, stderr }) => (await text(stdout)) + (await text(stderr))),
  );
  expect(held).toEqual(['60', '60', '60']);
});

test('files are for their owner alone', () => {
  const folder = newFolder();
  const receiver = new Receiver();
  receiver.away = true;
  offer(spoolIn(folder, receiver), 1);
  for (const name of readdirSync(folder)) expect(statSync(join(folder, name)).mode & 0o077).toBe(0);
});

test('a file that is no spool is left as it is, and the others are used', async () => {
  const folder = newFolder();
  appendFileSync(
    join(folder, 'a.spool'),
    'something else entirely, and long enough to be looked at '.repeat(100),
  );
  const receiver = new Receiver();
  const bed = spoolIn(folder, receiver);
  offer(bed, 1);
  await bed.spool.flush();
  expect(receiver.ids).toEqual(['1']);
  expect(statSync(join(folder, 'a.spool')).size).toBeGreaterThan(1_000);
});

test('at its bound in bytes nothing is taken until there is room', async () => {
  const receiver = new Receiver();
  receiver.away = true;
  const bed = spoolIn(newFolder(), receiver, { maxBytes: 20_000 });
  let taken = 0;
  while (offer(bed, taken) === null) taken += 1;
  expect(taken).toBeGreaterThan(50);
  expect(offer(bed, 'more')).toBe('buffer_full');
  const room = bed.spool.room();
  receiver.away = false;
  await room;
  expect(offer(bed, 'later')).toBeNull();
  await bed.spool.flush();
  expect(receiver.ids).toEqual([...numbers(0, taken).map(String), 'later']);
});

test('at its bound in age nothing is taken, and what waits is kept', async () => {
  const receiver = new Receiver();
  receiver.away = true;
  let now = 1_000_000;
  const bed = spoolIn(newFolder(), receiver, { maxAgeMs: 60_000 }, { now: () => now });
  expect(offer(bed, 1)).toBeNull();
  now += 60_001;
  expect(offer(bed, 2)).toBe('buffer_full');
  receiver.away = false;
  await bed.spool.room();
  expect(offer(bed, 3)).toBeNull();
  await bed.spool.flush();
  expect(receiver.ids).toEqual(['1', '3']);
});

test('close brings what it can, and leaves the rest in the file', async () => {
  const folder = newFolder();
  const receiver = new Receiver();
  const open = receiver.hang();
  const first = spoolIn(folder, receiver);
  for (const id of numbers(0, 300)) offer(first, id);
  await first.close(20);
  open();
  const second = spoolIn(folder, receiver);
  await second.spool.flush();
  expect(new Set(receiver.ids)).toEqual(new Set(numbers(0, 300).map(String)));
});
