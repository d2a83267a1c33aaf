/**
 * Guarantees of a meter with a spool, made by a configuration file, over a real HTTP sink:
 *  - `add` and `record` are done once the event is on disk, with the sink away; what one meter leaves, the next
 *    brings, once each, and its counters balance at every moment, what it recovered included.
 *  - At its bound `record` is refused, or waits for room as long as `deliveryMs`; `add` is refused.
 *  - What a disk does not take is `not_stored`, and nothing of it is there; what it took is.
 *  - What is refused for good is told to onRefused, fails `flush`, and does not hold up the rest.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { waitFor } from '@meterhouse/runtime';
import { expect, onTestFinished, test } from 'vitest';
import type { MeterCounters } from '../counters.ts';
import { createMeter, type MeterParts } from '../create-meter.ts';
import type { MeterError } from '../errors.ts';
import type { Meter } from '../meter.ts';
import { newSink } from './sink.testing.ts';

function folderWith(url: string, spool = '', bounds = ''): string {
  const folder = mkdtempSync(join(tmpdir(), 'meterhouse-meter-spool-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(
    join(folder, 'meterhouse.toml'),
    `source = "test"
adapter = "http"
delivery = "spool"
[http]
url = "${url}"
format = "openmeter"
[http.breaker]
failures = 1000
[bounds]
${bounds}
[spool]
folder = "${join(folder, 'spool')}"
${spool}
`,
  );
  return folder;
}

function meterIn(cwd: string, parts: MeterParts = {}): Meter {
  const meter = createMeter(undefined, { env: {}, cwd, ports: { random: () => 0 }, ...parts });
  onTestFinished(async () => {
    await meter.close({ deadlineMs: 0 });
  });
  return meter;
}

const isBalanced = ({ accepted, acknowledged, failed, refused, buffered }: MeterCounters): boolean =>
  accepted === acknowledged + failed + refused.too_large + refused.rejected + buffered;

const event = (id: string) => ({ id, tenantId: 'acme', metric: 'calls' });
const idsOf = (count: number): string[] => Array.from({ length: count }, (_, index) => `e${index}`);

test('what one meter took while the sink was away the next brings, once each', async () => {
  const sink = await newSink(onTestFinished);
  sink.isAway = true;
  const folder = folderWith(sink.url);
  const first = meterIn(folder);
  for (const id of idsOf(450)) expect(first.add(event(id))).toBe(true);
  for (const id of idsOf(500).slice(450)) expect(await first.record(event(id))).toEqual({ id });
  const left = await first.close({ deadlineMs: 50 });
  expect(left).toMatchObject({ accepted: 500, acknowledged: 0, failed: 0, buffered: 500 });

  sink.isAway = false;
  const second = meterIn(folder);
  const seen: MeterCounters[] = [second.counters()];
  expect(seen[0]).toMatchObject({ accepted: 500, spool: { recovered: 500 } });
  second.add(event('after'));
  const looking = setInterval(() => seen.push(second.counters()), 1);
  await second.flush();
  clearInterval(looking);
  seen.push(await second.close());
  expect(sink.ids).toEqual([...idsOf(500), 'after']);
  expect(seen.filter((each) => !isBalanced(each))).toEqual([]);
  expect(seen.at(-1)).toMatchObject({ accepted: 501, acknowledged: 501, failed: 0, buffered: 0 });
});

/** Fills the spool to its bound, with the sink away. */
function fill(meter: Meter): string[] {
  const taken: string[] = [];
  while (meter.add(event(`f${taken.length}`))) taken.push(`f${taken.length}`);
  return taken;
}

test('at its bound `record` is refused at once, and taken again when there is room', async () => {
  const sink = await newSink(onTestFinished);
  sink.isAway = true;
  const refused: MeterError[] = [];
  const meter = meterIn(folderWith(sink.url, 'maxBytes = 65536\natBound = "refuse"'), {
    onRefused: (error) => refused.push(error),
  });
  const taken = fill(meter);
  expect(refused).toMatchObject([{ code: 'buffer_full', canRetry: true }]);
  await expect(meter.record(event('one more'))).rejects.toMatchObject({ code: 'buffer_full' });
  expect(meter.counters()).toMatchObject({ accepted: taken.length, refused: { buffer_full: 2 } });
  sink.isAway = false;
  await meter.flush();
  await meter.record(event('one more'));
  await meter.flush();
  expect(sink.ids).toEqual([...taken, 'one more']);
  expect(isBalanced(meter.counters())).toBe(true);
});

test('at its bound `record` waits for room; without any in time it is refused, and counted once', async () => {
  const sink = await newSink(onTestFinished);
  sink.isAway = true;
  const spool = 'maxBytes = 65536\natBound = "wait"';
  const patient = meterIn(folderWith(sink.url, spool));
  const taken = fill(patient);
  const waiting = patient.record(event('waited'));
  expect(patient.counters()).toMatchObject({ accepted: taken.length });
  sink.isAway = false;
  expect(await waiting).toEqual({ id: 'waited' });
  await patient.flush();
  expect(sink.ids).toEqual([...taken, 'waited']);
  // `add` never waits: it is the one that was refused.
  expect(patient.counters().refused.buffer_full).toBe(1);

  sink.isAway = true;
  const hasty = meterIn(folderWith(sink.url, spool, 'deliveryMs = 30'));
  fill(hasty);
  await expect(hasty.record(event('too late'))).rejects.toMatchObject({ code: 'buffer_full' });
  expect(hasty.counters().refused.buffer_full).toBe(2);
});

test('what is refused for good is told, and fails the flush; the rest goes on', async () => {
  const sink = await newSink(onTestFinished);
  sink.refuses.add('e7');
  const refused: MeterError[] = [];
  const meter = meterIn(folderWith(sink.url), { onRefused: (error) => refused.push(error) });
  for (const id of idsOf(20)) meter.add(event(id));
  await expect(meter.flush()).rejects.toMatchObject({ code: 'not_acknowledged' });
  expect(refused).toMatchObject([{ code: 'refused', reason: 'too_large', event: { id: 'e7' } }]);
  expect(sink.ids).toEqual(idsOf(20).filter((id) => id !== 'e7'));
  const counters = await meter.close();
  expect(counters).toMatchObject({ accepted: 20, acknowledged: 19, refused: { too_large: 1 }, buffered: 0 });
  expect(counters.spool).toMatchObject({ setAside: 1, oldestAgeMs: null });
});

test('what the disk does not take is not stored, and what it took is', { timeout: 120_000 }, async () => {
  const sink = await newSink(onTestFinished);
  sink.isAway = true;
  const folder = folderWith(sink.url);
  const script = fileURLToPath(new URL('full-disk-process.testing.ts', import.meta.url));
  // No file of this process may grow beyond 2,000 blocks: the kernel refuses the write, as a full disk does.
  const { stdout } = await promisify(execFile)(
    'sh',
    ['-c', 'ulimit -f 2000; exec "$0" "$1"', process.execPath, script],
    { cwd: folder },
  );
  const said = JSON.parse(stdout) as {
    readonly taken: string[];
    readonly codes: string[];
    readonly problem: unknown;
    readonly isTaken: boolean;
    readonly counters: MeterCounters;
  };
  expect(said.codes).toEqual(['not_stored']);
  expect(said).toMatchObject({
    problem: { code: 'not_stored', canRetry: true, hasEvent: true },
    isTaken: false,
  });
  expect(said.taken.length).toBeGreaterThan(100);
  expect(said.counters).toMatchObject({
    accepted: said.taken.length,
    refused: { not_stored: 1_001 - said.taken.length },
  });
  expect(isBalanced(said.counters)).toBe(true);

  sink.isAway = false;
  const next = meterIn(folder);
  await waitFor('what was taken', () => (next.counters().buffered === 0 ? true : undefined), {
    deadlineMs: 60_000,
  });
  expect(sink.ids).toEqual(said.taken);
});
